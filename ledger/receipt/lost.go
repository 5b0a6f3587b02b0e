package receipt

import (
	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger/envelope"
)

// VerifyLost checks the opening of a loss: that the log has a public statement of loss, and that the entry which
// is shown is among those that it commits to. The error is a [*Failure].
func (t *Trust) VerifyLost(file []byte) (*Report, error) {
	r := &Report{Kind: KindLost}
	if f := r.verifyLost(file, t); f != nil {
		return r.refuse(f), f
	}
	r.Verified = true
	return r, nil
}

func (r *Report) verifyLost(file []byte, t *Trust) *Failure {
	if len(file) > MaxFile {
		return fail(StageFile, nil, "file: longer than %d bytes, which no opening of a loss is", MaxFile)
	}
	o, err := certificate.ParseLostOpening(file)
	if err != nil {
		return fail(StageFile, err, "file: %v", err)
	}
	passed(&r.Checks, StageFile, "the file has the one form of the opening of a loss, schema %d", o.Schema)
	statement, f := t.openLost(o)
	if f != nil {
		return f
	}
	passed(&r.Checks, StageRecord, "the statement of loss is entry %d of the log, by a receipt that verifies", statement.Index)
	passed(&r.Checks, StageLost, "the opening of entry %d leads to the root and the number in the statement", o.Entry.Index)
	r.Head, r.Origin, r.Size, r.Root, r.Index, r.LeafHash = statement.Head, statement.Origin, statement.Size, statement.Root, statement.Index, statement.LeafHash
	r.Lost = statement.Lost
	r.Leaves = []Leaf{{Index: o.Entry.Index, Verdict: Lost, Text: "lost", stated: statement.Index}}
	r.say(OK, Proven, "LOST: entry %d of the log %s, by the public statement in entry %d", o.Entry.Index, printable(r.Origin), r.Index)
	r.describeLost()
	r.Head.attest(r.say, "this head", "the statement was in the log")
	return nil
}

// openLost verifies the receipt of a statement of loss and the opening of one entry in it. The report is that of
// the receipt.
func (t *Trust) openLost(o *certificate.LostOpening) (*Report, *Failure) {
	r, err := t.Verify([]byte(o.Statement))
	if err != nil {
		return nil, fail(StageRecord, err, "record: the receipt of the statement of loss does not verify: %s", r.Failure.Text)
	}
	if r.Lost == nil || r.Origin != o.Origin {
		return nil, fail(StageRecord, nil, "record: entry %d is no statement of loss of this log", r.Index)
	}
	if err := o.Entry.Verify(r.Lost); err != nil {
		return nil, fail(StageLost, err, "lost: entry %d: %v", o.Entry.Index, err)
	}
	return r, nil
}

// describeLost says in words what a statement of loss states.
func (r *Report) describeLost() {
	l := r.Lost
	r.say(Note, Asserted, "stated %s: of the %s that the log had then, %d are lost: no key opens them, and no erasure accounts for that", printable(l.StatedAt), count(l.Size, "entry", "entries"), l.Lost)
}

// checkLost compares what was stated as lost with receipts and samples: it must not open under a head that is
// younger than the statement, and no sweep before the statement may have erased it. What was lost can still be
// erased afterwards, with the key that it had.
func checkLost(reports []*Report) (findings []Finding) {
	type entry struct {
		origin string
		index  uint64
	}
	type loss struct {
		report int
		stated uint64
	}
	lost := map[entry][]loss{}
	for j, r := range reports {
		for _, l := range r.Leaves {
			if r.Verified && l.stated > 0 {
				k := entry{r.Origin, l.Index}
				lost[k] = append(lost[k], loss{j, l.stated})
			}
		}
	}
	for i, r := range reports {
		if !r.Verified {
			continue
		}
		contradict := func(l loss, format string, args ...any) {
			findings = append(findings, found(Failed, Proven, []int{l.report, i}, format+"; keep both files", args...))
		}
		say := func(l loss, format string, args ...any) {
			findings = append(findings, found(OK, Proven, []int{l.report, i}, format, args...))
		}
		switch r.Kind {
		case envelope.Field, envelope.Full, envelope.Public:
			for _, l := range lost[entry{r.Origin, r.Index}] {
				switch {
				case r.Kind == envelope.Public:
					contradict(l, "entry %d is a public statement, and stated as lost in entry %d", r.Index, l.stated)
				case r.Size > l.stated:
					contradict(l, "entry %d is stated as lost in entry %d, and opens under a head from after that: it is not lost, or its opening was put under a newer head", r.Index, l.stated)
				default:
					say(l, "entry %d is valid, and stated as lost since, in entry %d: its receipt is from before", r.Index, l.stated)
				}
			}
		}
		for _, x := range r.Leaves {
			for _, l := range lost[entry{r.Origin, x.Index}] {
				switch {
				case (x.Verdict == Valid || x.Verdict == Withheld) && r.Size > l.stated:
					contradict(l, "entry %d is stated as lost in entry %d, and a later sample shows it as %q", x.Index, l.stated, string(x.Verdict))
				case x.Verdict == Erased && r.Index < l.stated:
					contradict(l, "entry %d was erased by the sweep in entry %d, and is stated as lost later, in entry %d", x.Index, r.Index, l.stated)
				case x.Verdict == Erased:
					say(l, "entry %d was lost, and erased by the sweep in entry %d since", x.Index, r.Index)
				}
			}
		}
	}
	return findings
}
