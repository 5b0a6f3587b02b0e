package receipt_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/ledger/receipt/receipttest"
)

const auditorsSeed = "00112233445566778899aabbccddeeff"

// sampled is a log in which every third of the first 60 entries was erased, and swept.
func sampled(t testing.TB) (l *receipttest.Log, erased []uint64, sweep *receipttest.Sweep, trust *receipt.Trust) {
	t.Helper()
	l = receipttest.NewLog("demo.lacuna.test")
	l.Fill(60)
	for i := uint64(0); i < 60; i += 3 {
		erased = append(erased, i)
	}
	record, _ := l.Erase("c-2", nil, nil)
	sweep = l.Sweep(erased, &record, nil, nil)
	l.Fill(10)
	trust, err := receipt.NewTrust([]string{l.VKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l, erased, sweep, trust
}

func TestVerifySample(t *testing.T) {
	l, erased, sweep, trust := sampled(t)
	since := append(erased, 64, 65, 66, 67, 68, 69, 70, 71)
	r, err := trust.VerifySample(l.Sample(auditorsSeed, 40, 1, since, sweep, nil))
	if err != nil {
		t.Fatal(err)
	}
	n := map[receipt.Verdict]int{}
	for _, leaf := range r.Leaves {
		n[leaf.Verdict]++
	}
	if len(r.Leaves) != 40 || n[receipt.Valid] == 0 || n[receipt.Erased] == 0 || n[receipt.Unproven] == 0 || n[receipt.Valid]+n[receipt.Erased]+n[receipt.Unproven] != 40 {
		t.Errorf("verdicts %v", n)
	}
	for _, want := range []string{
		"ok     an audit sample: 40 of 72 entries under the head signed by demo.lacuna.test\n",
		"ok     VALID: ", "ok     VALID, erased since the sweep to generation 2: ", "note   not opened (the operator says that they are erased, and no sweep has committed to that): ",
		"ok     every bit leads to the root and the total in the sweep record, entry 61: of 61 entries, 20 are erased\n",
		"ok     1 block shown whole: their counts are those of their bits, 20 together\n",
	} {
		if !strings.Contains(r.Text(), want) {
			t.Errorf("no %q in\n%s", want, r.Text())
		}
	}
	// A log without a sweep has no bits to show.
	r, err = trust.VerifySample(l.Sample(auditorsSeed, 5, 0, nil, nil, nil))
	if err != nil || !strings.Contains(r.Text(), "note   there was no sweep yet") {
		t.Errorf("%v\n%s", err, r.Text())
	}
	if v := receipt.Conclude(append(reportsOf(t, l, 0), r), false); !v.Verified {
		t.Errorf("a sample beside a receipt: %+v", v.Findings)
	}
	if n := len(r.Leaves); n != 5 {
		t.Errorf("%d leaves", n)
	}
	receipt.CheckSeed([]*receipt.Report{r}, auditorsSeed)
	if !r.Verified {
		t.Error("the auditor's own seed is refused")
	}
	if receipt.CheckSeed([]*receipt.Report{r}, strings.Repeat("ab", 16)); r.Verified || r.Failure.Stage != receipt.StageSample {
		t.Error("another seed than the auditor's")
	}
}

// TestVerifySampleRefuses: every way in which an operator could answer with something else.
func TestVerifySampleRefuses(t *testing.T) {
	l, erased, sweep, trust := sampled(t)
	leaf := func(s *certificate.Sample, claim string) *certificate.SampleLeaf {
		for i := range s.Leaves {
			if s.Leaves[i].Claim == claim && s.Leaves[i].Bit != nil {
				return &s.Leaves[i]
			}
		}
		t.Fatal("the sample has no such leaf")
		return nil
	}
	for _, c := range []struct {
		name   string
		change func(s *certificate.Sample)
		stage  receipt.Stage
		text   string
	}{
		{"leaves of the operator's choice", func(s *certificate.Sample) { s.Leaves[1] = s.Leaves[0] }, receipt.StageSample, "the seed draws leaf"},
		{"another seed", func(s *certificate.Sample) { s.Seed = strings.Repeat("ab", 16) }, receipt.StageSample, "the seed draws leaf"},
		{"another head", func(s *certificate.Sample) { s.Head = string(l.Cut(70).Checkpoint()) }, receipt.StageSample, "the seed draws leaf"},
		{"a head that nobody signed", func(s *certificate.Sample) { s.Head = strings.Replace(s.Head, "\n72\n", "\n71\n", 1) }, receipt.StageSignature, ""},
		{"another log", func(s *certificate.Sample) { s.Origin = "other.example" }, receipt.StageLog, ""},
		{"erased, it says, and it is not", func(s *certificate.Sample) {
			x := leaf(s, certificate.ClaimOpened)
			x.Claim, x.Receipt, x.Bit.Erased = certificate.ClaimErased, nil, true
		}, receipt.StageSample, "its bit: "},
		{"living, it says, and it was erased", func(s *certificate.Sample) { leaf(s, certificate.ClaimErased).Claim = certificate.ClaimLiving }, receipt.StageSample, "committed to it as erased"},
		{"lost, it says, and it was erased", func(s *certificate.Sample) { leaf(s, certificate.ClaimErased).Claim = certificate.ClaimLost }, receipt.StageSample, "committed to it as erased"},
		{"a bit not shown", func(s *certificate.Sample) { leaf(s, certificate.ClaimErased).Bit = nil }, receipt.StageSample, "its bit is not shown"},
		{"another receipt", func(s *certificate.Sample) {
			other := string(l.Receipt(60, nil))
			leaf(s, certificate.ClaimOpened).Receipt = &other
		}, receipt.StageSample, "another entry"},
		{"a receipt of before", func(s *certificate.Sample) {
			x := leaf(s, certificate.ClaimOpened)
			other := string(l.Cut(70).Receipt(x.Index, nil))
			x.Receipt = &other
		}, receipt.StageSample, "under another head"},
		{"a receipt that does not verify", func(s *certificate.Sample) {
			other := "c2sp.org/tlog-proof@v1\n"
			leaf(s, certificate.ClaimOpened).Receipt = &other
		}, receipt.StageSample, "its receipt: "},
		{"no sweep, it says", func(s *certificate.Sample) { s.Sweep = nil }, receipt.StageFile, ""},
		{"an entry that is no sweep", func(s *certificate.Sample) {
			other := string(l.Receipt(60, nil))
			s.Sweep = &other
		}, receipt.StageRecord, "no sweep record"},
		{"a block with another count", func(s *certificate.Sample) { s.Blocks[0].Bits[0] ^= 0x80 }, receipt.StageSample, "block 0: "},
		{"a claim that is none", func(s *certificate.Sample) { s.Leaves[0].Claim = "fine" }, receipt.StageFile, ""},
	} {
		r, err := trust.VerifySample(l.Sample(auditorsSeed, 40, 1, erased, sweep, c.change))
		f, ok := errors.AsType[*receipt.Failure](err)
		if !ok || f.Stage != c.stage || !strings.Contains(f.Text, c.text) || r.Verified || r.Text() != "FAILED "+f.Text+"\n" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestTwoSamples: what one auditor was shown as erased must not live for another.
func TestTwoSamples(t *testing.T) {
	l, erased, sweep, trust := sampled(t)
	verify := func(log *receipttest.Log, erased []uint64, s *receipttest.Sweep) *receipt.Report {
		r, err := trust.VerifySample(log.Sample(auditorsSeed, 100, 0, erased, s, nil))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := verify(l, erased, sweep)
	if f := receipt.CheckErasures([]*receipt.Report{first, verify(l, erased, sweep)}); len(f) > 0 {
		t.Errorf("the same sample twice: %+v", f)
	}
	// Later the operator makes a sweep in which nothing is erased, and opens everything.
	later := l.Fork()
	back := later.Sweep(nil, &sweep.Index, sweep, func(r *certificate.SweepRecord) {})
	expect(t, receipt.CheckErasures([]*receipt.Report{first, verify(later, nil, back)}), receipt.Failed, "a later sample shows it as")
	// Or shows no sweep at all.
	expect(t, receipt.CheckErasures([]*receipt.Report{first, verify(later, nil, nil)}), receipt.Failed, "a later sample shows it as")
	// A receipt that was handed out before stays valid; the sample says that it was erased since.
	old := reportsOf(t, l, 3, 4)
	expect(t, receipt.CheckErasures(append(old, first)), receipt.OK, "entry 3 is valid, and erased since the sweep to generation 2")
}

func FuzzSample(f *testing.F) {
	l := receipttest.NewFixedLog("demo.lacuna.test")
	l.Fill(9)
	record, _ := l.Erase("c-2", nil, nil)
	sweep := l.Sweep([]uint64{1, 2, 3}, &record, nil, nil)
	trust, err := receipt.NewTrust([]string{l.VKey}, nil)
	if err != nil {
		f.Fatal(err)
	}
	good := l.Sample(auditorsSeed, 6, 1, []uint64{1, 2, 3}, sweep, nil)
	f.Add(uint16(0), byte(0), []byte{})
	f.Add(uint16(bytes.Index(good, []byte(`true`))), byte(4), []byte("false"))
	f.Add(uint16(0), byte(255), []byte(`{"type":"erasure.sample"}`))
	// A part of the file is another: whole files as arguments would be slow.
	f.Fuzz(func(t *testing.T, at uint16, cut byte, patch []byte) {
		i := min(int(at), len(good))
		b := slices.Concat(good[:i], patch, good[min(i+int(cut), len(good)):])
		r, err := trust.VerifySample(b)
		if (err == nil) != r.Verified {
			t.Fatalf("verified %v, %v", r.Verified, err)
		}
		if err != nil {
			return
		}
		for _, leaf := range r.Leaves {
			if gone := leaf.Index >= 1 && leaf.Index <= 3; gone != (leaf.Verdict == receipt.Erased) && r.Sweep != nil && leaf.Index < r.Sweep.Size {
				t.Errorf("leaf %d is %q", leaf.Index, leaf.Verdict)
			}
		}
	})
}
