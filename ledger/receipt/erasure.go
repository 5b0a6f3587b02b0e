package receipt

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger/envelope"
)

// Kinds of reports that are not about a receipt.
const (
	KindCertificate envelope.Kind = "certificate" // about an erasure certificate
	KindHead        envelope.Kind = "head"        // about a signed head that came alone
)

// ErrNoCertificate is wrapped by the error of [RecordOf] for a file that is no erasure
// certificate.
var ErrNoCertificate = errors.New("no erasure certificate")

// IsCertificate reports whether a file is to be read as an erasure certificate, which
// is a JSON object, rather than as a receipt.
func IsCertificate(file []byte) bool { return len(file) > 0 && file[0] == '{' }

// RecordOf returns the entry of the log that holds the epoch record of a certificate:
// a receipt of that entry is needed to verify it.
func RecordOf(file []byte) (origin string, index uint64, err error) {
	c, err := certificate.Parse(file)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrNoCertificate, err)
	}
	return c.Terms.Origin, c.Record.Index, nil
}

// VerifyCertificate checks an erasure certificate against the report of the receipt of
// its epoch record, which must have been verified; nil stands for a receipt that nobody
// has. The error is a [*Failure], as with [Verify].
func VerifyCertificate(file []byte, record *Report) (*Report, error) {
	r := &Report{Kind: KindCertificate}
	if f := r.verifyCertificate(file, record); f != nil {
		return r.refuse(f), f
	}
	r.Verified = true
	return r, nil
}

func (r *Report) verifyCertificate(file []byte, record *Report) *Failure {
	if len(file) > MaxFile {
		return fail(StageFile, nil, "file: longer than %d bytes, which no certificate is", MaxFile)
	}
	c, err := certificate.Parse(file)
	if err != nil {
		return fail(StageFile, err, "file: %v", err)
	}
	passed(&r.Checks, StageFile, "the file has the one form of an erasure certificate, schema %d, and says all that an epoch does not reach", c.Schema)
	switch {
	case record == nil:
		return fail(StageRecord, nil, "record: the receipt of the epoch record, entry %d, is not there, so nothing ties the certificate to the log", c.Record.Index)
	case !record.Verified:
		return fail(StageRecord, record.Failure, "record: the receipt of the epoch record does not verify: %s", record.Failure.Text)
	case record.Epoch == nil:
		return fail(StageRecord, nil, "record: entry %d is no epoch record", record.Index)
	case record.Origin != c.Terms.Origin:
		return fail(StageRecord, nil, "record: the certificate is of the log %q, the epoch record of %q", c.Terms.Origin, record.Origin)
	}
	passed(&r.Checks, StageRecord, "its epoch record is entry %d of the log %s, by a receipt that verifies", record.Index, record.Origin)
	if err := certificate.Verify(c, record.statement, record.Index); err != nil {
		return fail(StageCertificate, err, "%v", err)
	}
	passed(&r.Checks, StageCertificate, "from its terms and its commitment, at place %d and with %d hashes, follows the root of the requests in that record", c.Place, len(c.Path))
	r.Certificate, r.Epoch, r.Head = c, record.Epoch, record.Head
	r.Origin, r.Index, r.Size, r.Root, r.LeafHash = record.Origin, record.Index, record.Size, record.Root, record.LeafHash
	if f := r.readRequest(); f != nil {
		return f
	}
	r.describeCertificate()
	return nil
}

// readRequest reads what the person's copy shows of the request.
func (r *Report) readRequest() *Failure {
	if r.Certificate.Opening == nil {
		return nil
	}
	shown, err := r.Certificate.Opening.Disclosed()
	if err != nil {
		return fail(StageCertificate, err, "certificate: %v", err)
	}
	for _, m := range r.Certificate.Opening.Members {
		r.Members = append(r.Members, Member{m.Name, shown[m.Name], shown[m.Name] == nil})
	}
	passed(&r.Checks, StageCertificate, "what it shows of the request opens that commitment, and says the same as the terms")
	return nil
}

func (r *Report) describeCertificate() {
	c, t := r.Certificate, &r.Certificate.Terms
	who := "the officer's copy, which names nobody"
	if subject := r.Get(certificate.MemberSubject); subject != nil {
		who = "the copy of " + shorten(printable(string(subject)))
	} else if c.Opening != nil {
		who = "the person's copy, without the name"
	}
	r.say(OK, Proven, "an erasure certificate, %s", who)
	r.say(Detail, Asserted, "keys destroyed: %s, epoch %d, level %s", printable(t.KeysDestroyedAt), t.Epoch, printable(t.Level))
	r.say(Detail, Asserted, "requested: %s, reason: %s", printable(t.RequestedAt), printable(string(t.Reason)))
	r.say(Detail, Asserted, "scope: %s", shorten(printable(t.Scope)))
	r.say(Detail, Asserted, "made unreadable: %s", count(c.Entries, "entry", "entries"))
	for _, p := range t.Erased {
		r.say(Detail, Asserted, "erased: %s", AssertedChain{Compartment: p.Compartment, Cohort: p.Cohort}.name())
	}
	for _, k := range t.Kept {
		until := "until a day that is not set yet"
		if k.Until != nil {
			until = "until " + *k.Until
		}
		r.say(Detail, Asserted, "kept: %s %s, %s", AssertedChain{Compartment: k.Compartment, Cohort: k.Cohort}.name(), until, shorten(printable(k.Reason)))
	}
	for _, to := range t.Recipients {
		r.say(Detail, Asserted, "to be told: %s", shorten(printable(to)))
	}
	r.say(OK, Proven, "the log holds these very terms since entry %d of %d, under the head signed by %s", r.Index, r.Size, printable(r.Origin))
	r.Head.attest(r.say, "this head", "the terms were fixed")
	for _, not := range t.NotCovered {
		r.say(Note, Asserted, "not covered: %s", strings.TrimSuffix(not, "."))
	}
	r.say(Note, Asserted, "%s; that the keys under the root were this person's, and that nobody had copied one, is the operator's word", r.holders())
}

// holders says who states what was destroyed.
func (r *Report) holders() string {
	var said []string
	for _, h := range r.Epoch.Holders {
		said = append(said, printable(h.Kind)+" ("+printable(h.Level)+")")
	}
	who := "the holder of the root states"
	if len(said) > 1 {
		who = "the holders of the root state"
	}
	return who + " that the old one was overwritten: " + list(said, " and ")
}

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
