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

// bereft is a log in which entries 2, 5 and 7 of 9 are stated as lost.
func bereft(t testing.TB) (*receipttest.Log, *receipttest.Loss, *receipt.Trust) {
	t.Helper()
	l := receipttest.NewFixedLog("demo.lacuna.test")
	l.Fill(9)
	loss := l.Lose([]uint64{2, 5, 7}, nil)
	trust, err := receipt.NewTrust([]string{l.VKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l, loss, trust
}

func TestVerifyLost(t *testing.T) {
	l, loss, trust := bereft(t)
	r, err := trust.VerifyLost(receipttest.MarshalLost(l.LostOpening(loss, 5)))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Leaves) != 1 || r.Leaves[0].Index != 5 || r.Leaves[0].Verdict != receipt.Lost || r.Index != 9 {
		t.Errorf("%+v", r.Leaves)
	}
	for _, want := range []string{
		"ok     LOST: entry 5 of the log demo.lacuna.test, by the public statement in entry 9\n",
		"note   stated 2026-05-12T09:00:00Z: of the 9 entries that the log had then, 3 are lost: no key opens them, and no erasure accounts for that\n",
	} {
		if !strings.Contains(r.Text(), want) {
			t.Errorf("no %q in\n%s", want, r.Text())
		}
	}
	if _, err := loss.Set.Prove(4); err == nil {
		t.Error("an entry that is not lost has an opening")
	}
	// The statement by itself says how many, and of which entries nothing.
	s, err := trust.Verify(l.Receipt(loss.Index, nil))
	if err != nil || s.Lost == nil || len(s.Leaves) != 0 || strings.Contains(s.Text(), "LOST") {
		t.Errorf("the statement: %v\n%s", err, s.Text())
	}
}

// TestVerifyLostRefuses: every way in which somebody could pass off another entry as lost.
func TestVerifyLostRefuses(t *testing.T) {
	l, loss, trust := bereft(t)
	other := receipttest.NewLog("other.example")
	other.Fill(9)
	theirs := other.Lose([]uint64{5}, nil)
	for _, c := range []struct {
		name   string
		change func(o *certificate.LostOpening)
		stage  receipt.Stage
		text   string
	}{
		{"another entry", func(o *certificate.LostOpening) { o.Entry.Index = 4 }, receipt.StageLost, "entry 4"},
		{"another number", func(o *certificate.LostOpening) { o.Entry.Count++ }, receipt.StageLost, ""},
		{"another blind", func(o *certificate.LostOpening) { o.Entry.Blind[0] ^= 1 }, receipt.StageLost, ""},
		{"an entry behind the end", func(o *certificate.LostOpening) { o.Entry.Index = 9 }, receipt.StageLost, "entry 9"},
		{"a shorter path", func(o *certificate.LostOpening) { o.Entry.Path = o.Entry.Path[1:] }, receipt.StageLost, ""},
		{"no statement of loss", func(o *certificate.LostOpening) { o.Statement = string(l.Receipt(3, nil)) }, receipt.StageRecord, "no statement of loss"},
		{"a receipt that does not verify", func(o *certificate.LostOpening) { o.Statement = strings.Replace(o.Statement, "index 9", "index 8", 1) }, receipt.StageRecord, "does not verify"},
		{"the statement of another log", func(o *certificate.LostOpening) {
			o.Statement = string(other.Receipt(theirs.Index, nil))
		}, receipt.StageRecord, "does not verify"},
		{"for another log, it says", func(o *certificate.LostOpening) { o.Origin = "other.example" }, receipt.StageRecord, "of this log"},
		{"another schema", func(o *certificate.LostOpening) { o.Schema = 2 }, receipt.StageFile, "schema 1"},
	} {
		o := l.LostOpening(loss, 5)
		c.change(o)
		r, err := trust.VerifyLost(receipttest.MarshalLost(o))
		f, ok := errors.AsType[*receipt.Failure](err)
		if !ok || f.Stage != c.stage || !strings.Contains(f.Text, c.text) || r.Verified || len(r.Leaves) > 0 {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for name, change := range map[string]func(*certificate.LostRecord){
		"entries to come":          func(r *certificate.LostRecord) { r.Size = 20 },
		"none lost":                func(r *certificate.LostRecord) { r.Lost = 0 },
		"more lost than there are": func(r *certificate.LostRecord) { r.Lost = r.Size + 1 },
	} {
		bad := l.Lose([]uint64{2}, change)
		if _, err := trust.Verify(l.Receipt(bad.Index, nil)); err == nil {
			t.Errorf("a statement of loss, %s, is accepted", name)
		}
	}
}

// TestLostInSample: without a public statement an entry is not opened, whatever the operator says of it.
func TestLostInSample(t *testing.T) {
	l, loss, trust := bereft(t)
	claim := func(stated bool, change func(o *certificate.LostOpening)) []byte {
		return l.Sample(auditorsSeed, 100, 0, nil, nil, func(s *certificate.Sample) {
			x := &s.Leaves[5]
			x.Claim, x.Receipt = certificate.ClaimLost, nil
			if stated {
				x.Lost = l.LostOpening(loss, 5)
			}
			if change != nil {
				change(x.Lost)
			}
		})
	}
	for stated, want := range map[bool]receipt.Verdict{true: receipt.Lost, false: receipt.Missing} {
		r, err := trust.VerifySample(claim(stated, nil))
		if err != nil || r.Leaves[5].Verdict != want || strings.Contains(r.Text(), "LOST") != stated {
			t.Errorf("stated %v: %v\n%s", stated, err, r.Text())
		}
	}
	if _, err := trust.VerifySample(claim(true, func(o *certificate.LostOpening) { o.Entry.Blind[0] ^= 1 })); err == nil {
		t.Error("a loss that does not open")
	}
	if _, err := trust.VerifySample(claim(true, func(o *certificate.LostOpening) { *o = *l.LostOpening(loss, 7) })); err == nil {
		t.Error("the loss of another entry")
	}
}

// TestLostAfterTheDraw: an operator who knows the head and the seed, and so what is drawn, does not get away
// with stating just that as lost. What was stated can still be contradicted.
func TestLostAfterTheDraw(t *testing.T) {
	l := receipttest.NewFixedLog("demo.lacuna.test")
	l.Fill(9)
	trust, err := receipt.NewTrust([]string{l.VKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var s *certificate.Sample
	l.Sample(auditorsSeed, 100, 0, nil, nil, func(drawn *certificate.Sample) { s = drawn })
	loss := l.Lose([]uint64{5}, nil)
	x := &s.Leaves[5]
	x.Claim, x.Receipt, x.Lost = certificate.ClaimLost, nil, l.LostOpening(loss, 5)
	file, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r, err := trust.VerifySample(file)
	if err != nil || r.Leaves[5].Verdict != receipt.Missing || strings.Contains(r.Text(), "LOST") {
		t.Errorf("%v\n%s", err, r.Text())
	}
	expect(t, receipt.Conclude([]*receipt.Report{r, reportsOf(t, l, 5)[0]}, false).Findings, receipt.Failed, "opens under a head from after that")
}

// TestLostContradicts: what is lost neither opens afterwards nor was erased before.
func TestLostContradicts(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	l.Fill(9)
	record, _ := l.Erase("c-2", nil, nil)
	sweep := l.Sweep([]uint64{2}, &record, nil, nil)
	before := reportsOf(t, l, 5)[0]
	loss := l.Lose([]uint64{2, 5, 6, 9}, nil)
	trust, err := receipt.NewTrust([]string{l.VKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lost := func(i uint64) *receipt.Report {
		r, err := trust.VerifyLost(receipttest.MarshalLost(l.LostOpening(loss, i)))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	sample := func(erased []uint64, s *receipttest.Sweep, change func(*certificate.Sample)) *receipt.Report {
		r, err := trust.VerifySample(l.Sample(auditorsSeed, 100, 0, erased, s, change))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	check := func(reports ...*receipt.Report) []receipt.Finding { return receipt.Conclude(reports, false).Findings }
	// A receipt from before stays valid beside the loss; one from after contradicts it.
	expect(t, check(before, lost(5)), receipt.OK, "entry 5 is valid, and stated as lost since")
	expect(t, check(lost(5), reportsOf(t, l, 5)[0]), receipt.Failed, "opens under a head from after that")
	if f := check(before, lost(6)); len(f) > 0 {
		t.Errorf("about two entries: %+v", f)
	}
	expect(t, check(reportsOf(t, l, 9)[0], lost(9)), receipt.Failed, "entry 9 is a public statement")
	// The sweep had erased entry 2, and opens entry 5.
	erased := sample([]uint64{2}, sweep, nil)
	expect(t, check(lost(2), erased), receipt.Failed, "was erased by the sweep in entry 10, and is stated as lost later, in entry 11")
	expect(t, check(lost(5), erased), receipt.Failed, `a later sample shows it as "valid"`)
	withheld := sample([]uint64{2}, sweep, func(s *certificate.Sample) {
		s.Leaves[6].Claim, s.Leaves[6].Receipt = certificate.ClaimLiving, nil
	})
	expect(t, check(withheld, lost(6)), receipt.Failed, "a later sample shows it as \"not opened (operator says living)\"")
	// What was lost may be erased later.
	later := l.Sweep([]uint64{2, 6}, &sweep.Index, sweep, nil)
	since := sample([]uint64{2, 5, 6}, later, nil)
	for _, f := range check(lost(6), since) {
		if f.Mark == receipt.Failed {
			t.Errorf("lost, and erased since: %s", f)
		}
	}
	expect(t, check(lost(6), since), receipt.OK, "entry 6 was lost, and erased by the sweep in entry 12 since")
}

func FuzzLost(f *testing.F) {
	l, loss, trust := bereft(f)
	good := receipttest.MarshalLost(l.LostOpening(loss, 5))
	f.Add(uint16(0), byte(0), []byte{})
	f.Add(uint16(bytes.Index(good, []byte(`"index":5`))+8), byte(1), []byte("7"))
	f.Add(uint16(0), byte(255), []byte(`{"type":"entries.lost-opening"}`))
	// A part of the file is another: whole files as arguments would be slow.
	f.Fuzz(func(t *testing.T, at uint16, cut byte, patch []byte) {
		i := min(int(at), len(good))
		b := slices.Concat(good[:i], patch, good[min(i+int(cut), len(good)):])
		r, err := trust.VerifyLost(b)
		if (err == nil) != r.Verified {
			t.Fatalf("verified %v, %v", r.Verified, err)
		}
		if err == nil && (len(r.Leaves) != 1 || r.Leaves[0].Index != 5) {
			t.Errorf("%+v, by %q", r.Leaves, b)
		}
	})
}
