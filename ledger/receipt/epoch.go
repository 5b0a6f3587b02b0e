package receipt

import (
	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger/envelope"
)

// readEpoch reads the record of an epoch: a public statement that says it is one, and
// is none, is refused, as the specification wants it.
func (r *Report) readEpoch() *Failure {
	if r.Kind != envelope.Public || r.text("type") != certificate.RecordType {
		return nil
	}
	epoch, err := certificate.ParseRecord(r.statement)
	if err != nil {
		return fail(StageRecord, err, "record: it says that it is the record of an epoch, and is none: %v", err)
	}
	passed(&r.Checks, StageRecord, "the statement has the one form of an epoch record, schema %d", epoch.Schema)
	r.Epoch = epoch
	return nil
}

// describeEpoch says in words what the record of an epoch states.
func (r *Report) describeEpoch() {
	e := r.Epoch
	r.say(Note, Asserted, "keys destroyed %s, epoch %d, level %s; people: %s on request, %s by retention, %s by closure",
		printable(e.KeysDestroyedAt), e.Epoch, printable(e.Level), e.Subjects.Request, e.Subjects.Retention, e.Subjects.Closure)
	r.say(Note, Asserted, "%s", r.holders())
}

// CheckErasures looks for contradictions between epoch records, and between
// certificates: two records of one epoch, two that follow the same one, two
// certificates with different terms for one request.
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
		switch {
		case !r.Verified || r.Epoch == nil:
		case r.Certificate != nil:
			k := hashed{r.Origin, r.Certificate.Commitment}
			if i, ok := requests[k]; !ok {
				requests[k] = j
			} else if !sameTerms(reports[i].Certificate, r.Certificate) {
				contradict(i, j, "two certificates for one request say different things")
			}
		default:
			e := r.Epoch
			leaf := certificate.Digest(r.LeafHash)
			byLeaf[hashed{r.Origin, leaf}] = j
			k := epoch{r.Origin, e.Tree, e.Epoch}
			if i, ok := epochs[k]; !ok {
				epochs[k] = j
			} else if reports[i].LeafHash != r.LeafHash {
				contradict(i, j, "entries %d and %d are both the record of epoch %d", reports[i].Index, r.Index, e.Epoch)
			}
			if e.Previous == nil {
				continue
			}
			if i, ok := successors[hashed{r.Origin, *e.Previous}]; !ok {
				successors[hashed{r.Origin, *e.Previous}] = j
			} else if reports[i].LeafHash != r.LeafHash {
				contradict(i, j, "entries %d and %d both say that they follow the same epoch record", reports[i].Index, r.Index)
			}
		}
	}
	for j, r := range reports {
		if !r.Verified || r.Epoch == nil || r.Certificate != nil || r.Epoch.Previous == nil {
			continue
		}
		i, ok := byLeaf[hashed{r.Origin, *r.Epoch.Previous}]
		if ok && (reports[i].Index >= r.Index || reports[i].Epoch.Epoch >= r.Epoch.Epoch) {
			contradict(i, j, "the record of epoch %d, entry %d, says that it follows that of epoch %d, entry %d", r.Epoch.Epoch, r.Index, reports[i].Epoch.Epoch, reports[i].Index)
		}
	}
	return findings
}

func sameTerms(a, b *certificate.Certificate) bool {
	x, errA := a.Terms.Digest()
	y, errB := b.Terms.Digest()
	return errA == nil && errB == nil && x == y
}
