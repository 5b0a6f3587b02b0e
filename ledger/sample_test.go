package ledger_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/receipt"
)

const auditorsSeed = "00112233445566778899aabbccddeeff"

// audited is a ledger with some people, every third of whom was erased before a sweep.
func audited(t *testing.T) (w *world, l *ledger.Ledger, trust *receipt.Trust) {
	t.Helper()
	w = newWorld(t)
	l = w.open()
	declare(t, l)
	for i := range 30 {
		must(t, l, `{"type":"processing.performed","subject":"a-%d","purpose":"chat-service","operation":"answer"}`, i)
	}
	eraseThird(t, l, "a", 0)
	trust = trustIn(t, l)
	return w, l, trust
}

func eraseThird(t *testing.T, l *ledger.Ledger, who string, from int) {
	t.Helper()
	for i := from; i < 30; i += 3 {
		if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: fmt.Sprintf("%s-%d", who, i), Everything: true}); err != nil {
			t.Fatal(err)
		}
	}
}

func sweepOnce(t *testing.T, l *ledger.Ledger) *ledger.SweepResult {
	t.Helper()
	done, err := l.Sweep(t.Context(), ledger.SweepOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// sampleOf draws a sample and verifies it with the log's public key alone.
func sampleOf(t *testing.T, l *ledger.Ledger, trust *receipt.Trust, o ledger.SampleOptions) (*receipt.Report, []byte) {
	t.Helper()
	if o.Seed == "" {
		o.Seed = auditorsSeed
	}
	s, err := l.AuditSample(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	file, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r, err := trust.VerifySample(file)
	if err != nil {
		t.Fatalf("the sample does not verify: %v", err)
	}
	return r, file
}

var (
	extraLine  = regexp.MustCompile(`extra ([0-9A-Za-z+/]+=*)`)
	disclosure = regexp.MustCompile(`"([0-9A-Za-z_-]+)"`)
)

// names reports whether the openings in a sample have an identifier as a whole string.
func names(t *testing.T, sample []byte, id string) bool {
	t.Helper()
	lines := extraLine.FindAllSubmatch(sample, -1)
	if len(lines) == 0 {
		t.Fatal("no openings in the sample")
	}
	for _, l := range lines {
		opening, err := base64.StdEncoding.DecodeString(string(l[1]))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range disclosure.FindAllSubmatch(opening, -1) {
			if text, err := base64.RawURLEncoding.DecodeString(string(d[1])); err == nil && bytes.Contains(text, []byte(`"`+id+`"`)) {
				return true
			}
		}
	}
	return false
}

func verdicts(r *receipt.Report) map[receipt.Verdict]int {
	n := map[receipt.Verdict]int{}
	for _, l := range r.Leaves {
		n[l.Verdict]++
	}
	return n
}

// TestAuditSample draws every entry, before a sweep, after it, and after more was erased.
func TestAuditSample(t *testing.T) {
	_, l, trust := audited(t)
	all := ledger.SampleOptions{Leaves: 1000, Open: true}
	r, _ := sampleOf(t, l, trust, all)
	if n := verdicts(r); n[receipt.Unproven] != 10 || n[receipt.Erased] != 0 || n[receipt.Valid] != len(r.Leaves)-10 || len(r.Leaves) != int(l.Log().Head().Size) {
		t.Errorf("before the sweep: %v", n)
	}
	head := l.Log().Head()
	done := sweepOnce(t, l)
	r, shown := sampleOf(t, l, trust, all)
	if n := verdicts(r); n[receipt.Erased] != 10 || n[receipt.Unproven] != 0 || n[receipt.Valid] != len(r.Leaves)-10 {
		t.Errorf("after the sweep: %v", n)
	}
	if names(t, shown, "a-1") {
		t.Error("a sample shows whose an entry is, and was asked for types")
	}

	// Without supervision what lives is not opened.
	all.Open, all.Blocks = false, 5
	r, _ = sampleOf(t, l, trust, all)
	if n := verdicts(r); n[receipt.Erased] != 10 || n[receipt.Withheld] < 20 || n[receipt.Erased]+n[receipt.Withheld]+n[receipt.Valid] != len(r.Leaves) || !strings.Contains(r.Text(), "1 block shown whole: their counts are those of their bits, 10 together") {
		t.Errorf("without supervision: %v\n%s", n, r.Text())
	}
	// What was erased since is not yet committed to.
	eraseThird(t, l, "a", 1)
	r, _ = sampleOf(t, l, trust, all)
	if n := verdicts(r); n[receipt.Erased] != 10 || n[receipt.Unproven] != 10 {
		t.Errorf("after more was erased: %v", n)
	}
	// A head that the auditor has from before: what came later cannot be drawn.
	all.Head = head.Signed
	if r, _ = sampleOf(t, l, trust, all); r.Size != head.Size || uint64(len(r.Leaves)) != head.Size {
		t.Errorf("%d entries drawn under a head of size %d", len(r.Leaves), head.Size)
	}
	if done.Record.Erased != 10 || r.Sweep.Generation != done.Record.Generation {
		t.Errorf("generation %d, %d erased", r.Sweep.Generation, done.Record.Erased)
	}
	// Members beyond the type only where they are asked for.
	r, shown = sampleOf(t, l, trust, ledger.SampleOptions{Leaves: 1000, Open: true, Reveal: []string{"type", "operation"}})
	if verdicts(r)[receipt.Valid] == 0 || names(t, shown, "a-2") {
		t.Error("more or less is shown than was asked for")
	}
	// Where it is asked for, it is found.
	if _, shown = sampleOf(t, l, trust, ledger.SampleOptions{Leaves: 1000, Open: true, Reveal: []string{"subject"}}); !names(t, shown, "a-2") {
		t.Error("whose an entry is was asked for, and is not found")
	}
}

func TestAuditSampleRefuses(t *testing.T) {
	_, l, _ := audited(t)
	other := newWorld(t).open()
	for name, o := range map[string]ledger.SampleOptions{
		"no seed":             {Leaves: 1},
		"a short seed":        {Leaves: 1, Seed: "00"},
		"too many":            {Leaves: 1 << 20, Seed: auditorsSeed},
		"another log's head":  {Leaves: 1, Seed: auditorsSeed, Head: other.Log().Head().Signed},
		"what is no head":     {Leaves: 1, Seed: auditorsSeed, Head: []byte("head")},
		"a head with changes": {Leaves: 1, Seed: auditorsSeed, Head: bytes.Replace(l.Log().Head().Signed, []byte("\n"), []byte("\n1"), 1)},
	} {
		if _, err := l.AuditSample(t.Context(), o); err == nil {
			t.Errorf("%s: a sample", name)
		}
	}
}

// TestPairedSweeps verifies what two sweeps leave behind, from files alone.
func TestPairedSweeps(t *testing.T) {
	w, l, trust := audited(t)
	first := sweepOnce(t, l)
	if first.Record.Paired != nil {
		t.Error("the first sweep is paired with another")
	}
	before, _ := sampleOf(t, l, trust, ledger.SampleOptions{Leaves: 1000})
	for i := range 30 {
		must(t, l, `{"type":"processing.performed","subject":"b-%d","purpose":"chat-service","operation":"answer"}`, i)
	}
	eraseThird(t, l, "b", 2)
	certs, err := l.Certificates(t.Context())
	if err != nil || len(certs) != 10 {
		t.Fatalf("%d certificates, %v", len(certs), err)
	}
	second := sweepOnce(t, l)
	if second.Record.Paired == nil {
		t.Fatal("the second sweep has no paired openings")
	}
	file, err := os.ReadFile(filepath.Join(w.dir, fmt.Sprintf("paired-%d.json", second.Record.Generation)))
	if err != nil {
		t.Fatal(err)
	}
	report := func(index uint64) *receipt.Report {
		p, err := l.Prove(t.Context(), index, ledger.ProveOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := trust.Verify(p.File)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	reports := []*receipt.Report{report(first.Index), report(second.Index)}
	p, err := trust.VerifyPaired(file, reports)
	if err != nil {
		t.Fatal(err)
	}
	after, _ := sampleOf(t, l, trust, ledger.SampleOptions{Leaves: 1000})
	reports = append(reports, p, before, after)
	// The certificates of all epochs between the sweeps have the same total as the second.
	for _, c := range certs {
		text, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		r, err := receipt.VerifyCertificate(text, report(c.Record.Index), receipt.Approvers{}, reports...)
		if err != nil {
			t.Fatal(err)
		}
		if r.Sweep == nil || r.Sweep.Generation != second.Record.Generation {
			t.Errorf("the traces of epoch %d: %+v", c.Terms.Epoch, r.Sweep)
		}
		reports = append(reports, r)
	}
	v := receipt.Conclude(reports, false)
	agree := false
	for _, f := range v.Findings {
		agree = agree || strings.Contains(f.Text, "agree: 10 entries became unreadable")
	}
	if !v.Verified || !agree {
		t.Errorf("together: %+v", v.Findings)
	}
	records, err := l.SweepRecords(t.Context())
	if err != nil || len(records) != 2 || records[0].Index != second.Index || records[1].Index != first.Index {
		t.Errorf("%d sweep records, %v", len(records), err)
	}
}

// TestAuditSampleDamaged: an entry is shown as erased where an erasure accounts for it, swept or not, and as lost
// where it cannot be read for another reason: its sealed event is missing or does not open, or its row is gone from
// the list of its key.
func TestAuditSampleDamaged(t *testing.T) {
	w, l, trust := audited(t)
	sweepOnce(t, l)
	eraseThird(t, l, "a", 1)
	recordAs := func(who string) (index uint64, list, envelope string) {
		e := madeBy(t, l, 'e', func() {
			s := madeBy(t, l, 's', func() {
				index = must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, who)[0].Index
			})
			list = s[0]
		})
		return index, list, e[0]
	}
	want := map[uint64]string{}
	i, _, row := recordAs("x-1")
	remove(t, l, row)
	want[i] = certificate.ClaimLost
	i, _, row = recordAs("x-2")
	v := rowsOf(t, l, 'e')[row]
	v[len(v)-1] ^= 1
	overwrite(t, l, row, v)
	want[i] = certificate.ClaimLost
	i, row, _ = recordAs("x-3")
	remove(t, l, row)
	want[i] = certificate.ClaimLost
	i, _, _ = recordAs("x-4")
	want[i] = certificate.ClaimLiving
	i, _, row = recordAs("x-5")
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "x-5"}); err != nil {
		t.Fatal(err)
	}
	remove(t, l, row)
	want[i] = certificate.ClaimErased
	w.close(l)
	l = w.open()
	for _, open := range []bool{false, true} {
		_, file := sampleOf(t, l, trust, ledger.SampleOptions{Leaves: 1000, Open: open})
		s, err := certificate.ParseSample(file)
		if err != nil {
			t.Fatal(err)
		}
		n := map[string]int{}
		for _, leaf := range s.Leaves {
			n[leaf.Claim]++
			is := want[leaf.Index]
			if open && is == certificate.ClaimLiving {
				is = certificate.ClaimOpened
			}
			if is != "" && leaf.Claim != is {
				t.Errorf("opening %v: entry %d is %s, want %s", open, leaf.Index, leaf.Claim, is)
			}
		}
		if n[certificate.ClaimErased] != 21 || n[certificate.ClaimLost] != 3 {
			t.Errorf("opening %v: %v, want 21 erased and 3 lost", open, n)
		}
	}
}

// TestAuditSampleCameBack erases people while a sample is made, who come back with other keys before it is done: what
// was theirs is erased, and not lost.
func TestAuditSampleCameBack(t *testing.T) {
	_, l, trust := audited(t)
	again := func(who string) uint64 {
		return must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, who)[0].Index
	}
	erased := map[uint64]bool{again("x-1"): true, again("x-2"): true}
	came := false
	_, file := sampleOf(t, l, trust, ledger.SampleOptions{Leaves: 1000, Progress: func(stage string, _, _ uint64) {
		if stage != "entries" || came {
			return
		}
		came = true
		for _, who := range []string{"x-1", "x-2"} {
			if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: who}); err != nil {
				t.Error(err)
			}
			again(who)
		}
	}})
	s, err := certificate.ParseSample(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range s.Leaves {
		if erased[x.Index] && x.Claim != certificate.ClaimErased {
			t.Errorf("entry %d of somebody who was erased meanwhile is shown as %s", x.Index, x.Claim)
		}
	}
	if !came {
		t.Error("nobody was erased: this shows nothing")
	}
}
