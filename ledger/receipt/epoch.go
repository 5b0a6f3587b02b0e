package receipt

import (
	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger/envelope"
)

// readRecord reads the record of an epoch or of a sweep, or a statement of loss: a public statement that
// says it is one, and is none, is refused, as the specification wants it.
func (r *Report) readRecord() *Failure {
	if r.Kind != envelope.Public {
		return nil
	}
	var err error
	switch r.text("type") {
	case certificate.RecordType:
		if r.Epoch, err = certificate.ParseRecord(r.statement); err != nil {
			return fail(StageRecord, err, "record: it says that it is the record of an epoch, and is none: %v", err)
		}
		passed(&r.Checks, StageRecord, "the statement has the one form of an epoch record, schema %d", r.Epoch.Schema)
	case certificate.SweepType:
		if r.Sweep, err = certificate.ParseSweepRecord(r.statement); err != nil {
			return fail(StageRecord, err, "record: it says that it is the record of a sweep, and is none: %v", err)
		}
		passed(&r.Checks, StageRecord, "the statement has the one form of a sweep record, schema %d", r.Sweep.Schema)
	case certificate.LostType:
		if r.Lost, err = certificate.ParseLostRecord(r.statement); err != nil {
			return fail(StageRecord, err, "record: it says that it is a statement of loss, and is none: %v", err)
		}
		if r.Lost.Size > r.Index {
			return fail(StageRecord, nil, "record: entry %d is a statement of loss about %s: about some that were not there yet", r.Index, count(r.Lost.Size, "entry", "entries"))
		}
		passed(&r.Checks, StageRecord, "the statement has the one form of a statement of loss, schema %d", r.Lost.Schema)
	}
	return nil
}

// describeEpoch says in words what the record of an epoch states.
func (r *Report) describeEpoch() {
	e := r.Epoch
	r.say(Note, Asserted, "keys destroyed %s, epoch %d, level %s; people: %s on request, %s by retention, %s by closure",
		printable(e.KeysDestroyedAt), e.Epoch, printable(e.Level), e.Subjects.Request, e.Subjects.Retention, e.Subjects.Closure)
	r.say(Note, Asserted, "%s", holders(e.Holders))
	if len(e.Approvers) > 0 {
		r.say(Note, Asserted, "requests of this epoch were approved by %s; the signatures stand in their certificates", list(e.Approvers, " and "))
	}
}

// An epochRecord is what the records of epochs and of sweeps have in common: they form one chain.
type epochRecord struct {
	tree     certificate.ID
	epoch    uint64
	previous *certificate.Digest
}

// record returns what the report says as a link of that chain.
func (r *Report) record() (e epochRecord, ok bool) {
	switch {
	case !r.Verified || r.Certificate != nil || r.Kind != envelope.Public:
		return e, false
	case r.Epoch != nil:
		return epochRecord{r.Epoch.Tree, r.Epoch.Epoch, r.Epoch.Previous}, true
	case r.Sweep != nil:
		return epochRecord{r.Sweep.Tree, r.Sweep.Epoch, r.Sweep.Previous}, true
	}
	return e, false
}

// CheckErasures looks for contradictions between epoch and sweep records, certificates and audit samples:
// two records of one epoch, two that follow the same one, two certificates with different terms for one
// request, sweeps whose totals are not those of the certificates, a leaf that was erased or lost and opens.
func CheckErasures(reports []*Report) []Finding {
	type epoch struct {
		origin string
		tree   certificate.ID
		epoch  uint64
	}
	type hashed struct {
		origin string
		h      certificate.Digest
	}
	var findings []Finding
	contradict := func(i, j int, format string, args ...any) {
		findings = append(findings, found(Failed, Proven, []int{i, j}, format+"; keep both files", args...))
	}
	epochs := map[epoch]int{}
	successors, requests, byLeaf := map[hashed]int{}, map[hashed]int{}, map[hashed]int{}
	for j, r := range reports {
		if r.Verified && r.Certificate != nil {
			k := hashed{r.Origin, r.Certificate.Commitment}
			if i, ok := requests[k]; !ok {
				requests[k] = j
			} else if !sameTerms(reports[i].Certificate, r.Certificate) {
				contradict(i, j, "two certificates for one request say different things")
			}
		}
		e, ok := r.record()
		if !ok {
			continue
		}
		byLeaf[hashed{r.Origin, certificate.Digest(r.LeafHash)}] = j
		k := epoch{r.Origin, e.tree, e.epoch}
		if i, ok := epochs[k]; !ok {
			epochs[k] = j
		} else if reports[i].LeafHash != r.LeafHash {
			contradict(i, j, "entries %d and %d are both the record of epoch %d", reports[i].Index, r.Index, e.epoch)
		}
		if e.previous == nil {
			continue
		}
		if i, ok := successors[hashed{r.Origin, *e.previous}]; !ok {
			successors[hashed{r.Origin, *e.previous}] = j
		} else if reports[i].LeafHash != r.LeafHash {
			contradict(i, j, "entries %d and %d both say that they follow the same epoch record", reports[i].Index, r.Index)
		}
	}
	for j, r := range reports {
		e, ok := r.record()
		if !ok || e.previous == nil {
			continue
		}
		i, ok := byLeaf[hashed{r.Origin, *e.previous}]
		if !ok {
			continue
		}
		if before, _ := reports[i].record(); reports[i].Index >= r.Index || before.epoch >= e.epoch {
			contradict(i, j, "the record of epoch %d, entry %d, says that it follows that of epoch %d, entry %d", e.epoch, r.Index, before.epoch, reports[i].Index)
		}
	}
	findings = append(findings, checkSweeps(reports)...)
	return append(findings, checkLost(reports)...)
}

func sameTerms(a, b *certificate.Certificate) bool {
	x, errA := a.Terms.Digest()
	y, errB := b.Terms.Digest()
	return errA == nil && errB == nil && x == y
}
