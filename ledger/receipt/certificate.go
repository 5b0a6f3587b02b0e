package receipt

import (
	"encoding/base64"
	"encoding/json"
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
	KindPaired      envelope.Kind = "paired"      // about paired openings of two sweeps
	KindSample      envelope.Kind = "sample"      // about an audit sample
	KindLost        envelope.Kind = "lost"        // about the opening of a loss
)

// ErrNoCertificate is wrapped by the error of [RecordOf] for a file that is no erasure
// certificate.
var ErrNoCertificate = errors.New("no erasure certificate")

// PaperOf returns the kind of a file that is a JSON object rather than a receipt: a certificate, paired
// openings, an audit sample or the opening of a loss; what is none of these is to be read as a certificate. It is empty for
// everything else. It only looks at the type that the file says it has.
func PaperOf(file []byte) envelope.Kind {
	if len(file) == 0 || file[0] != '{' {
		return ""
	}
	var said struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(file, &said) == nil {
		switch said.Type {
		case certificate.PairedType:
			return KindPaired
		case certificate.SampleType:
			return KindSample
		case certificate.LostOpeningType:
			return KindLost
		}
	}
	return KindCertificate
}

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
// has. Approvals are checked as far as the reader knows keys of approvers. Of the sweeps,
// reports about sweep records, the first that covers the epoch says since when its traces
// are swept. The error is a [*Failure], as with [Verify].
func VerifyCertificate(file []byte, record *Report, approvers Approvers, sweeps ...*Report) (*Report, error) {
	r := &Report{Kind: KindCertificate}
	if f := r.verifyCertificate(file, record, approvers, sweeps); f != nil {
		return r.refuse(f), f
	}
	r.Verified = true
	return r, nil
}

func (r *Report) verifyCertificate(file []byte, record *Report, approvers Approvers, sweeps []*Report) *Failure {
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
	if f := r.checkApprovals(c, approvers); f != nil {
		return f
	}
	r.Certificate, r.Epoch, r.Head = c, record.Epoch, record.Head
	r.Origin, r.Index, r.Size, r.Root, r.LeafHash = record.Origin, record.Index, record.Size, record.Root, record.LeafHash
	if f := r.readRequest(); f != nil {
		return f
	}
	r.describeCertificate(r.sweptBy(sweeps))
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

func (r *Report) describeCertificate(sweep *Report) {
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
	for _, d := range t.Dependents {
		if d.ReportedAt == nil {
			r.say(Detail, Asserted, "told before, and no report: %s", shorten(printable(d.Name)))
		} else {
			r.say(Detail, Asserted, "told before, reported at %s that it has erased: %s", printable(*d.ReportedAt), shorten(printable(d.Name)))
		}
	}
	r.describeApprovals()
	r.say(OK, Proven, "the log holds these very terms since entry %d of %d, under the head signed by %s", r.Index, r.Size, printable(r.Origin))
	r.Head.attest(r.say, "this head", "the terms were fixed")
	not := t.NotCovered
	if sweep != nil {
		not = not[1:] // that its traces are not yet swept
		r.say(OK, Proven, "entry %d of the log says that its traces are swept", sweep.Index)
		if sweep.Sweep.Lost(r.Epoch.Epoch) {
			r.say(Note, Asserted, "what its epoch erased is lost, all or a part: such entries are not in the erased set of the sweep, and count as lost")
		}
		r.say(Detail, Asserted, "traces swept: %s, generation %d, level %s", printable(sweep.Sweep.TracesSweptAt), sweep.Sweep.Generation, printable(sweep.Sweep.Level))
		sweep.Head.attest(r.say, "that head", "this was said")
	}
	for _, not := range not {
		r.say(Note, Asserted, "not covered: %s", strings.TrimSuffix(not, "."))
	}
	r.say(Note, Asserted, "%s; that the keys under the root were this person's, and that nobody had copied one, is the operator's word", holders(r.Epoch.Holders))
}

// sweptBy returns the earliest sweep that removed the traces of the certificate's epoch.
func (r *Report) sweptBy(sweeps []*Report) (by *Report) {
	for _, s := range sweeps {
		if s != nil && s.Verified && s.Sweep != nil && s.Certificate == nil && s.Origin == r.Origin && s.Index > r.Index &&
			s.Sweep.Covers(r.Epoch.Tree, r.Epoch.Epoch) && (by == nil || s.Index < by.Index) {
			by = s
		}
	}
	if by != nil {
		r.Sweep = by.Sweep
		passed(&r.Checks, StageRecord, "the sweep record, entry %d, covers epochs %d to %d of the same key tree, and is younger", by.Index, by.Sweep.EpochsFrom, by.Sweep.EpochsTo)
	}
	return by
}

// holders says who states what was destroyed.
func holders(statements []certificate.Statement) string {
	var said []string
	for _, h := range statements {
		by := printable(h.Kind) + " (" + printable(h.Level) + ")"
		if key := h.Custodian(); key != nil {
			by += ", signed by custodian " + base64.RawURLEncoding.EncodeToString(key)
		}
		said = append(said, by)
	}
	who := "the holder of the root states"
	if len(said) > 1 {
		who = "the holders of the root state"
	}
	return who + " that the old one was overwritten: " + list(said, " and ")
}
