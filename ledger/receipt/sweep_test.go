package receipt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/ledger/receipt/receipttest"
)

// sweeping is a log with two epochs of three entries each, a sweep after each of them, and what they left.
func sweeping(t testing.TB) (l *receipttest.Log, records []uint64, certs []*certificate.Certificate, sweeps []*receipttest.Sweep) {
	t.Helper()
	l = receipttest.NewLog("demo.lacuna.test")
	l.Fill(500)
	first, a := l.Erase("c-2", nil, nil)
	s := l.Sweep([]uint64{1, 2, 3}, &first, nil, nil)
	l.Fill(20)
	second, b := l.Erase("c-3", &s.Index, nil)
	s2 := l.Sweep([]uint64{1, 2, 3, 7, 8, 510}, &second, s, nil)
	return l, []uint64{first, second}, []*certificate.Certificate{a, b}, []*receipttest.Sweep{s, s2}
}

func reportsOf(t testing.TB, l *receipttest.Log, indexes ...uint64) (reports []*receipt.Report) {
	t.Helper()
	for _, i := range indexes {
		r, err := receipt.Verify(l.Receipt(i, nil), l.VKey)
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	return reports
}

func certified(t testing.TB, c *certificate.Certificate, record *receipt.Report, sweeps ...*receipt.Report) *receipt.Report {
	t.Helper()
	r, err := receipt.VerifyCertificate(receipttest.Marshal(c), record, receipt.Approvers{}, sweeps...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSweepRecord(t *testing.T) {
	l, _, _, sweeps := sweeping(t)
	r := reportsOf(t, l, sweeps[1].Index)[0]
	for _, want := range []string{
		"ok     erasure.sweep\n",
		"note   traces swept 2026-05-11T03:00:00Z, of epochs 2 to 3, generation 3, level L1\n",
		"note   of the 523 entries that the log had then, 6 are erased\n",
	} {
		if !strings.Contains(r.Text(), want) {
			t.Errorf("no %q in\n%s", want, r.Text())
		}
	}
	_, err := receipt.Verify(l.Receipt(l.Publish(`{"schema":1,"type":"erasure.sweep"}`), nil), l.VKey)
	if f, ok := errors.AsType[*receipt.Failure](err); !ok || f.Stage != receipt.StageRecord {
		t.Errorf("what calls itself a sweep record: %v", err)
	}
}

// TestTracesSwept: a certificate and the record of a sweep together say when its traces were swept; the
// record of a sweep that came before, or of another epoch, says nothing.
func TestTracesSwept(t *testing.T) {
	l, records, certs, sweeps := sweeping(t)
	r := reportsOf(t, l, records[0], records[1], sweeps[0].Index, sweeps[1].Index)
	for _, c := range []struct {
		name   string
		cert   int
		sweeps []*receipt.Report
		swept  bool
	}{
		{"none", 0, nil, false},
		{"its own", 0, r[2:3], true},
		{"the next one", 0, r[3:], false},
		{"both", 1, r[2:], true},
		{"the one before", 1, r[2:3], false},
		{"no sweeps", 0, r[:2], false},
	} {
		got := certified(t, certs[c.cert], r[c.cert], c.sweeps...)
		if has := strings.Contains(got.Text(), "says that its traces are swept"); has != c.swept || (got.Sweep != nil) != c.swept {
			t.Errorf("%s: swept %v\n%s", c.name, has, got.Text())
		}
		if has := strings.Contains(got.Text(), "not covered: Traces are not yet swept"); has == c.swept {
			t.Errorf("%s: the traces are %v\n%s", c.name, has, got.Text())
		}
	}
}

func TestTwoSweeps(t *testing.T) {
	l, records, _, sweeps := sweeping(t)
	good := append(records, sweeps[0].Index, sweeps[1].Index)
	if f := receipt.CheckErasures(reportsOf(t, l, good...)); len(f) > 0 {
		t.Errorf("two sweeps in order: %+v", f)
	}
	for _, c := range []struct {
		name   string
		change func(r *certificate.SweepRecord)
		text   string
	}{
		{"fewer erased", func(r *certificate.SweepRecord) { r.Erased = 2 }, "3 entries were erased before, 2 after"},
		{"the log shrank", func(r *certificate.SweepRecord) { r.Size = 400 }, "the log was longer before"},
		{"an epoch left out", func(r *certificate.SweepRecord) { r.EpochsFrom = 3 }, "are in neither"},
		{"no new generation", func(r *certificate.SweepRecord) { r.Generation = 2 }, "generation 2 after 2"},
		{"another key tree", func(r *certificate.SweepRecord) { r.Tree[0] ^= 1 }, "and is not"},
	} {
		fork := l.Fork()
		bad := fork.Sweep([]uint64{1, 2, 3}, &sweeps[1].Index, sweeps[0], c.change)
		expect(t, receipt.CheckErasures(reportsOf(t, fork, sweeps[0].Index, bad.Index)), receipt.Failed, c.text)
	}
}

// TestTotals compares the sweeps with the certificates of the epochs that they closed.
func TestTotals(t *testing.T) {
	l, records, certs, sweeps := sweeping(t)
	r := reportsOf(t, l, records[0], records[1], sweeps[0].Index, sweeps[1].Index)
	all := append([]*receipt.Report{certified(t, certs[0], r[0]), certified(t, certs[1], r[1])}, r...)
	findings := receipt.CheckErasures(all)
	agree := 0
	for _, f := range findings {
		if f.Mark == receipt.OK && strings.Contains(f.Text, "agree: 3 entries became unreadable") {
			agree++
		}
	}
	if agree != 2 || len(findings) != 2 {
		t.Errorf("%+v", findings)
	}
	// Without one of the records nothing follows from a smaller sum; a larger one is a lie anyhow.
	if f := receipt.CheckErasures([]*receipt.Report{all[1], r[3]}); len(f) > 0 {
		t.Errorf("a sweep whose predecessor is not there: %+v", f)
	}
	for _, c := range []struct {
		name   string
		erased []uint64
		certs  []*receipt.Report
		text   string
	}{
		{"one more than anybody asked for", []uint64{1, 2, 3, 7, 8, 510, 11}, all[1:2], "erased without a record, or lost"},
		{"one less", []uint64{1, 2, 3, 7, 8}, all[1:2], "became unreadable, and the sweep in entry"},
		{"nobody's certificate", []uint64{1, 2, 3, 7, 8, 510, 11}, nil, ""},
	} {
		fork := l.Cut(sweeps[1].Index)
		s := fork.Sweep(c.erased, &records[1], sweeps[0], func(r *certificate.SweepRecord) { r.Epoch, r.EpochsTo = 4, 3 })
		reports := append(append([]*receipt.Report{}, c.certs...), r[0], r[1], r[2], reportsOf(t, fork, s.Index)[0])
		f := receipt.CheckErasures(reports)
		if c.text == "" {
			if len(f) > 0 {
				t.Errorf("%s: %+v", c.name, f)
			}
			continue
		}
		expect(t, f, receipt.Failed, c.text)
	}
}

// TestTotalsLost: of an epoch that a sweep names as lost, the set may have any part of what the certificates say.
func TestTotalsLost(t *testing.T) {
	l, records, certs, sweeps := sweeping(t)
	r := reportsOf(t, l, records[0], records[1], sweeps[0].Index, sweeps[1].Index)
	made := sweeps[1].Record.Erased - sweeps[0].Record.Erased
	all := []*receipt.Report{certified(t, certs[1], r[1]), r[0], r[1], r[2]}
	for _, erased := range []int{3, 4, 5, 6, 7} {
		fork := l.Cut(sweeps[1].Index)
		s := fork.Sweep([]uint64{1, 2, 3, 7, 8, 510, 11}[:erased], &records[1], sweeps[0], func(r *certificate.SweepRecord) {
			r.Epoch, r.EpochsTo, r.EpochsLost = 4, 3, []uint64{3}
		})
		f := receipt.CheckErasures(append(all[:4:4], reportsOf(t, fork, s.Index)[0]))
		switch lies := uint64(erased-3) > made; {
		case lies:
			expect(t, f, receipt.Failed, "erased without a record, or lost")
		case len(f) != 1 || f[0].Mark != receipt.OK || !strings.Contains(f[0].Text, "of which something is lost"):
			t.Errorf("%d more are erased: %+v", erased-3, f)
		}
	}
}

func TestVerifyPaired(t *testing.T) {
	l, _, _, sweeps := sweeping(t)
	trusted, err := receipt.NewTrust([]string{l.VKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := reportsOf(t, l, sweeps[0].Index, sweeps[1].Index)
	p, err := trusted.VerifyPaired(sweeps[1].Paired, r)
	if err != nil || !strings.Contains(p.Text(), "drawn: 2 entries; ") {
		t.Fatalf("%v\n%s", err, p.Text())
	}
	if !strings.Contains(p.Text(), "note   the operator alone made the head") {
		t.Errorf("nobody is told that the operator chose the leaves\n%s", p.Text())
	}
	if v := receipt.Conclude(append(r, p), false); !v.Verified {
		t.Errorf("together: %+v", v.Findings)
	}
	other := receipttest.NewLog(l.Origin)
	strange, err := receipt.NewTrust([]string{other.VKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		trust   *receipt.Trust
		file    []byte
		reports []*receipt.Report
		stage   receipt.Stage
	}{
		{"no records", trusted, sweeps[1].Paired, nil, receipt.StageRecord},
		{"one record", trusted, sweeps[1].Paired, r[:1], receipt.StageRecord},
		{"no file", trusted, []byte(`{"type":"erasure.paired"}`), r, receipt.StageFile},
		{"another log", strange, sweeps[1].Paired, r, receipt.StageSignature},
	} {
		_, err := c.trust.VerifyPaired(c.file, c.reports)
		if f, ok := errors.AsType[*receipt.Failure](err); !ok || f.Stage != c.stage {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// A head from before the cut: the operator would have had a choice of many.
	old := l.Fork()
	bad := old.Sweep([]uint64{1, 2, 3}, &sweeps[1].Index, sweeps[1], nil)
	if _, err := certificate.Pair(l.Origin, sweeps[1].Set, bad.Set, l.Cut(10).Checkpoint()); err == nil {
		t.Fatal("what was erased is not erased any more, and that can be paired")
	}
	bad = old.Sweep([]uint64{1, 2, 3, 7, 8, 510}, &bad.Index, sweeps[1], nil)
	late, err := certificate.Pair(l.Origin, sweeps[1].Set, bad.Set, l.Cut(10).Checkpoint())
	if err != nil {
		t.Fatal(err)
	}
	text, err := late.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	_, err = trusted.VerifyPaired(text, reportsOf(t, old, sweeps[1].Index, bad.Index))
	if f, ok := errors.AsType[*receipt.Failure](err); !ok || f.Stage != receipt.StagePaired || !strings.Contains(f.Text, "the head that chose the leaves is of size 10") {
		t.Errorf("an old head: %v", err)
	}
}
