package receipt

import (
	"fmt"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger/envelope"
)

// A Verdict is what an audit sample shows of one leaf.
type Verdict string

const (
	Valid    Verdict = "valid"                             // it opens
	Erased   Verdict = "valid, erased"                     // by the bit that a sweep committed to
	Withheld Verdict = "not opened (operator says living)" // no sweep has erased it
	Unproven Verdict = "not opened (operator says erased)" // since the last sweep, if at all
	Missing  Verdict = "not opened (operator says lost)"   // and had not stated it in public before
	Lost     Verdict = "lost"                              // by a public statement
	invalid  Verdict = "invalid"                           // what is shown does not hold
)

// MaxSample is the longest file that can be an audit sample.
const MaxSample = 256 << 20

// A Leaf is the verdict on one leaf.
type Leaf struct {
	Index   uint64
	Verdict Verdict
	Text    string // one line

	stated uint64 // entry of the statement of loss; 0 where there is none
}

// VerifySample checks an audit sample. The error is a [*Failure].
//
// The report is verified if everything that is shown holds. Whether that satisfies an auditor is another
// question: how many leaves were not opened is in the lines, and in Leaves for each.
func (t *Trust) VerifySample(file []byte) (*Report, error) {
	r := &Report{Kind: KindSample}
	if f := r.verifySample(file, t); f != nil {
		return r.refuse(f), f
	}
	r.Verified = true
	return r, nil
}

func (r *Report) verifySample(file []byte, t *Trust) *Failure {
	if len(file) > MaxSample {
		return fail(StageFile, nil, "file: longer than %d bytes, which no audit sample is", MaxSample)
	}
	s, err := certificate.ParseSample(file)
	if err != nil {
		return fail(StageFile, err, "file: %v", err)
	}
	passed(&r.Checks, StageFile, "the file has the one form of an audit sample, schema %d", s.Schema)
	head, f := t.open([]byte(s.Head), &r.Checks)
	if f != nil {
		return f
	}
	if head.Origin != s.Origin {
		return fail(StageLog, nil, "a sample of another log: it is for %q, its head is of %q", s.Origin, head.Origin)
	}
	var sweep *Report
	var set certificate.SetRef
	if s.Sweep != nil {
		if sweep, err = t.Verify([]byte(*s.Sweep)); err != nil {
			return fail(StageRecord, err, "record: the receipt of the sweep record does not verify: %s", sweep.Failure.Text)
		}
		if !isSweep(sweep) || sweep.Origin != s.Origin {
			return fail(StageRecord, nil, "record: entry %d is no sweep record of this log", sweep.Index)
		}
		set = sweep.Sweep.Set()
		passed(&r.Checks, StageRecord, "the sweep record is entry %d of the log, by a receipt that verifies", sweep.Index)
	}
	leaves, blocks, err := certificate.DrawSample(s.Seed, head.Text(), head.Size, set.Size, len(s.Leaves), len(s.Blocks))
	if err != nil {
		return fail(StageSample, err, "sample: %v", err)
	}
	if len(leaves) != len(s.Leaves) || len(blocks) != len(s.Blocks) {
		return fail(StageSample, nil, "sample: more leaves or blocks than the log has")
	}
	for i, l := range s.Leaves {
		if l.Index != leaves[i] {
			return fail(StageSample, nil, "sample: leaf %d is there, and the seed draws leaf %d", l.Index, leaves[i])
		}
	}
	passed(&r.Checks, StageSample, "the leaves are those that SHA-256(seed || head) draws, from %s", count(head.Size, "entry", "entries"))
	for _, l := range s.Leaves {
		v := judge(t, l, head, set)
		if v.Verdict == invalid {
			return fail(StageSample, nil, "sample: leaf %d: %s", l.Index, v.Text)
		}
		r.Leaves = append(r.Leaves, v)
	}
	inBlocks := uint64(0)
	for i, b := range s.Blocks {
		if b.Block != blocks[i] {
			return fail(StageSample, nil, "sample: block %d is there, and the seed draws block %d", b.Block, blocks[i])
		}
		if err := b.Verify(set.Generation, set.Size, set.Erased, set.Root); err != nil {
			return fail(StageSample, err, "sample: block %d: %v", b.Block, err)
		}
		inBlocks += b.Total()
	}
	r.Head, r.Origin, r.Size, r.Root, r.seed = head, head.Origin, head.Size, head.Root, s.Seed
	if sweep != nil {
		r.Sweep, r.Index, r.LeafHash = sweep.Sweep, sweep.Index, sweep.LeafHash
	}
	r.describeSample(s, inBlocks)
	return nil
}

// judge checks what is shown of one leaf.
func judge(t *Trust, l certificate.SampleLeaf, head *Head, set certificate.SetRef) Leaf {
	is := func(v Verdict, format string, args ...any) Leaf {
		return Leaf{Index: l.Index, Verdict: v, Text: fmt.Sprintf(format, args...)}
	}
	refuse := func(format string, args ...any) Leaf {
		return is(invalid, "%s", printable(fmt.Sprintf(format, args...)))
	}
	erased := false
	if l.Bit != nil {
		var err error
		if erased, err = l.Bit.Verify(set.Generation, set.Size, set.Erased, set.Root); err != nil {
			return refuse("its bit: %v", err)
		}
	} else if l.Index < set.Size {
		return refuse("its bit is not shown, and the sweep covers it")
	}
	if erased && l.Claim != certificate.ClaimErased {
		return refuse("the sweep committed to it as erased, and the operator claims that it is %s", l.Claim)
	}
	switch l.Claim {
	case certificate.ClaimOpened:
		o, err := t.Verify([]byte(*l.Receipt))
		if err != nil {
			return refuse("its receipt: %s", o.Failure.Text)
		}
		if o.Index != l.Index || o.Size != head.Size || o.Root != head.Root {
			return refuse("its receipt is of another entry, or under another head")
		}
		text := "opens"
		if t := o.text("type"); t != "" {
			text += ", " + shorten(printable(t))
		}
		return is(Valid, "%s", text)
	case certificate.ClaimErased:
		if erased {
			return is(Erased, "erased since the sweep to generation %d", set.Generation)
		}
		return is(Unproven, "the operator says that it is erased, and no sweep has committed to that")
	case certificate.ClaimLiving:
		return is(Withheld, "the operator says that it opens, and does not show it")
	}
	if l.Lost == nil {
		return is(Missing, "the operator says that it is lost, and has not stated that in public")
	}
	statement, fault := t.openLost(l.Lost)
	switch {
	case fault != nil:
		return refuse("its loss: %s", fault.Text)
	case statement.Origin != head.Origin:
		return refuse("its loss: stated in another log")
	}
	lost := is(Lost, "lost, by the statement in entry %d", statement.Index)
	if statement.Index >= head.Size {
		// Who knows what was drawn could state just that.
		lost = is(Missing, "the operator says that it is lost, and stated that in entry %d, after the head that draws", statement.Index)
	}
	lost.stated = statement.Index
	return lost
}

func (r *Report) describeSample(s *certificate.Sample, inBlocks uint64) {
	n := map[Verdict]uint64{}
	which := map[Verdict][]string{}
	for _, l := range r.Leaves {
		n[l.Verdict]++
		which[l.Verdict] = append(which[l.Verdict], fmt.Sprint(l.Index))
	}
	entries := func(v Verdict) string {
		if n[v] > most {
			return count(n[v], "entry", "entries")
		}
		return map[bool]string{true: "entry ", false: "entries "}[n[v] == 1] + list(which[v], " and ")
	}
	r.say(OK, Proven, "an audit sample: %d of %s under the head signed by %s", len(s.Leaves), count(r.Size, "entry", "entries"), printable(r.Origin))
	r.say(Detail, Proven, "drawn by the seed %s and that head", s.Seed)
	r.Head.attest(r.say, "this head", "its entries were in the log")
	if n[Valid] > 0 {
		r.say(OK, Proven, "VALID: %s", entries(Valid))
	}
	if n[Erased] > 0 {
		r.say(OK, Proven, "VALID, erased since the sweep to generation %d: %s", r.Sweep.Generation, entries(Erased))
	}
	if n[Withheld] > 0 {
		r.say(Note, Asserted, "not opened (the operator says that they live): %s", entries(Withheld))
	}
	if n[Unproven] > 0 {
		r.say(Note, Asserted, "not opened (the operator says that they are erased, and no sweep has committed to that): %s", entries(Unproven))
	}
	if n[Missing] > 0 {
		r.say(Note, Asserted, "not opened (the operator says that they are lost, and had not stated that in public before): %s", entries(Missing))
	}
	if n[Lost] > 0 {
		r.say(OK, Proven, "LOST, by public statements in the log: %s", entries(Lost))
	}
	if r.Sweep == nil {
		r.say(Note, Asserted, "there was no sweep yet, so nothing shows which entries are erased")
		return
	}
	r.say(OK, Proven, "every bit leads to the root and the total in the sweep record, entry %d: of %s, %s", r.Index, count(r.Sweep.Size, "entry", "entries"), erasedOf(r.Sweep.Erased))
	if len(s.Blocks) > 0 {
		r.say(OK, Proven, "%s shown whole: their counts are those of their bits, %d together", count(uint64(len(s.Blocks)), "block", "blocks"), inBlocks)
	}
}

// CheckSeed refuses every audit sample among the reports that another seed than the auditor's own has drawn.
func CheckSeed(reports []*Report, seed string) {
	for _, r := range reports {
		if r.Kind == KindSample && r.Verified && r.seed != seed {
			r.Verified, r.Leaves = false, nil
			r.refuse(fail(StageSample, nil, "sample: it was drawn by the seed %s, which is not the auditor's", r.seed))
		}
	}
}

// checkSamples compares audit samples with one another and with receipts: what a sweep committed to as
// erased stays erased.
func checkSamples(reports []*Report) (findings []Finding) {
	for j, a := range reports {
		if !a.Verified || a.Kind != KindSample {
			continue
		}
		erased := map[uint64]bool{}
		for _, l := range a.Leaves {
			if l.Verdict == Erased {
				erased[l.Index] = true
			}
		}
		for i, b := range reports {
			if !b.Verified || b.Origin != a.Origin || i == j {
				continue
			}
			if (b.Kind == envelope.Field || b.Kind == envelope.Full) && erased[b.Index] {
				findings = append(findings, found(OK, Proven, []int{i, j}, "entry %d is valid, and erased since the sweep to generation %d: its receipt is from before", b.Index, a.Sweep.Generation))
			}
			for _, l := range b.Leaves {
				if !erased[l.Index] {
					continue
				}
				later := b.Sweep != nil && b.Sweep.Generation >= a.Sweep.Generation
				if later && l.Verdict != Erased || b.Size > a.Index && l.Verdict == Valid {
					findings = append(findings, found(Failed, Proven, []int{i, j}, "entry %d was erased by the sweep to generation %d, and a later sample shows it as %q; keep both files", l.Index, a.Sweep.Generation, string(l.Verdict)))
				}
			}
		}
	}
	return findings
}
