package receipt_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/ledger/receipt/receipttest"
	"github.com/lacunalog/lacuna/merkle"
)

// Three seconds of 2026, as witnesses write them.
const (
	noon  = 1777896000 // 2026-05-04T12:00:00Z
	later = noon + 7
)

// witnesses are three of both kinds.
func witnesses() []receipttest.Witness {
	return []receipttest.Witness{
		receipttest.NewWitness("press.example/w", merkle.CosignatureEd25519),
		receipttest.NewWitness("union.example/w", merkle.CosignatureMLDSA44),
		receipttest.NewWitness("regulator.example/w", merkle.CosignatureEd25519),
	}
}

func trust(t testing.TB, policy []byte, vkeys ...string) *receipt.Trust {
	t.Helper()
	var p *merkle.Policy
	if policy != nil {
		var err error
		if p, err = merkle.ParsePolicy(policy); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := receipt.NewTrust(vkeys, p)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// outcome verifies and returns the stage of the failure, or "" and the text.
func outcome(t testing.TB, tr *receipt.Trust, file []byte) (stage receipt.Stage, text string) {
	t.Helper()
	r, err := tr.Verify(file)
	f, failed := errors.AsType[*receipt.Failure](err)
	if r.Verified == failed || failed != (r.Failure != nil) || len(r.Checks) == 0 {
		t.Fatalf("report and error disagree: %v", err)
	}
	for i, c := range r.Checks {
		if last := i == len(r.Checks)-1; c.Passed == (failed && last) || c.Text == "" || strings.Contains(c.Text, "\n") {
			t.Errorf("check %d of %d: %+v", i, len(r.Checks), c)
		}
	}
	if failed {
		return f.Stage, f.Text
	}
	return "", r.Text()
}

// TestPolicy: who has to sign, and every way in which somebody has not.
func TestPolicy(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	w := witnesses()
	index := l.Append(consent)
	policy := receipttest.Policy([]*receipttest.Log{l}, 2, w...)
	alone := l.Receipt(index, nil)
	l.Witnesses = []merkle.Signer{w[0].At(later)}
	one := l.Receipt(index, nil)
	l.Witnesses = []merkle.Signer{w[0].At(later), w[1].At(noon)}
	two := l.Receipt(index, nil)
	other := receipttest.NewLog("other.example")

	for _, c := range []struct {
		name  string
		trust *receipt.Trust
		file  []byte
		stage receipt.Stage
		text  string
	}{
		{"the quorum", trust(t, policy), two, "", "seen   press.example/w and union.example/w countersigned this head between 2026-05-04T12:00:00Z and 2026-05-04T12:00:07Z: the entry was in the log by then\n"},
		{"the quorum and the key", trust(t, policy, l.VKey), two, "", "seen   press"},
		{"nobody asks for witnesses", trust(t, nil, l.VKey), two, "", "note   nobody but the operator vouches for the time: 2 other signatures were not checked"},
		{"one of two", trust(t, policy), one, receipt.StageWitnesses, `witnesses: the quorum is not met: group "g" has 1 of 2, without "w1", "w2"`},
		{"none of two", trust(t, policy, l.VKey), alone, receipt.StageWitnesses, `group "g" has 0 of 2`},
		{"no quorum is asked for", trust(t, receipttest.Policy([]*receipttest.Log{l}, 0, w...)), one, "", "seen   press.example/w countersigned this head at 2026-05-04T12:00:07Z: "},
		{"and nobody signed", trust(t, receipttest.Policy([]*receipttest.Log{l}, 0, w...)), alone, "", "no witness countersigned"},
		{"not all are in the policy", trust(t, receipttest.Policy([]*receipttest.Log{l}, 1, w[0])), two, "", "note   1 other signature was not checked"},
		{"the policy has another log", trust(t, receipttest.Policy([]*receipttest.Log{other}, 2, w...)), two, receipt.StageLog, `it is for "demo.lacuna.test", which the policy does not name`},
		{"the key is of another log", trust(t, policy, other.VKey), two, receipt.StageLog, `the key is of "other.example"`},
		{"the policy has no log, the key is given", trust(t, receipttest.Policy(nil, 2, w...), l.VKey), two, "", "seen   press"},
		{"another log of the same name", trust(t, receipttest.Policy([]*receipttest.Log{receipttest.NewLog(l.Origin)}, 2, w...)), two, receipt.StageSignature, "signed by"},
	} {
		if stage, text := outcome(t, c.trust, c.file); stage != c.stage || !strings.Contains(text, c.text) {
			t.Errorf("%s: stage %q,\n%s", c.name, stage, text)
		}
	}

	// A witness's line that says something else than the witness signed: another
	// time, another key's signature.
	for i := range w[:2] {
		p, err := merkle.ParseProof(two)
		if err != nil {
			t.Fatal(err)
		}
		line, err := merkle.SignatureLines(p.Checkpoint, w[i].Verifier())
		if err != nil || len(line) == 0 {
			t.Fatalf("witness %d did not sign: %v", i, err)
		}
		at := bytes.LastIndexByte(line, ' ') + 1 + 6 + 8 // in the time, behind the key id
		changed := bytes.Clone(line)
		changed[at] ^= 1
		p.Checkpoint = bytes.Replace(p.Checkpoint, line, changed, 1)
		file, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if stage, text := outcome(t, trust(t, policy), file); stage != receipt.StageSignature {
			t.Errorf("a changed line of witness %d: stage %q, %s", i, stage, text)
		}
		// Control: who does not know the witness cannot see it.
		if stage, _ := outcome(t, trust(t, nil, l.VKey), file); stage != "" {
			t.Errorf("control: stage %q", stage)
		}
	}
}

// TestTwoKeys: a log that signs with two algorithms, and a reader who wants both.
func TestTwoKeys(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	second := receipttest.NewWitness(l.Origin, merkle.CosignatureMLDSA44)
	index := l.Append(consent)
	before := l.Receipt(index, nil)
	l.Witnesses = []merkle.Signer{second.At(noon)}
	both := l.Receipt(index, nil)
	for _, c := range []struct {
		name  string
		trust *receipt.Trust
		file  []byte
		stage receipt.Stage
	}{
		{"Ed25519", trust(t, nil, l.VKey), both, ""},
		{"ML-DSA-44", trust(t, nil, second.VKey()), both, ""},
		{"both", trust(t, nil, l.VKey, second.VKey()), both, ""},
		{"Ed25519 of an old one", trust(t, nil, l.VKey), before, ""},
		{"ML-DSA-44 of an old one", trust(t, nil, second.VKey()), before, receipt.StageSignature},
		{"both of an old one", trust(t, nil, l.VKey, second.VKey()), before, receipt.StageSignature},
		{"both, the first is another", trust(t, nil, receipttest.NewLog(l.Origin).VKey, second.VKey()), both, receipt.StageSignature},
	} {
		if stage, text := outcome(t, c.trust, c.file); stage != c.stage {
			t.Errorf("%s: stage %q, %s", c.name, stage, text)
		}
	}
	// What the log signs itself is no witness's word.
	if _, text := outcome(t, trust(t, nil, l.VKey, second.VKey()), both); strings.Contains(text, "seen") || !strings.Contains(text, "no witness countersigned") {
		t.Errorf("got\n%s", text)
	}
}

func TestNewTrustRefuses(t *testing.T) {
	l, other := receipttest.NewLog("demo.lacuna.test"), receipttest.NewLog("other.example")
	none, err := merkle.ParsePolicy(receipttest.Policy(nil, 0))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		vkeys  []string
		policy *merkle.Policy
	}{
		"nothing": {}, "a policy without a log": {nil, none}, "no key": {[]string{"no key"}, nil}, "one good and one bad": {[]string{l.VKey, "x"}, none},
		"two logs": {[]string{l.VKey, other.VKey}, nil},
	} {
		if _, err := receipt.NewTrust(c.vkeys, c.policy); !errors.Is(err, receipt.ErrKey) || errors.Is(err, receipt.ErrNotVerified) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEarlier: a witness has seen the entry before the time at which the operator says
// that it was recorded.
func TestEarlier(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	w := witnesses()[0]
	index := l.Append(`{"_prev":null,"_recorded":"2026-05-04T12:00:05.250Z","_seq":1,"type":"consent.given"}`)
	for at, want := range map[uint64]bool{noon: true, noon + 4: true, noon + 5: false, later: false} {
		l.Witnesses = []merkle.Signer{w.At(at)}
		_, text := outcome(t, trust(t, receipttest.Policy([]*receipttest.Log{l}, 1, w)), l.Receipt(index, nil))
		if strings.Contains(text, "earlier than _recorded") != want {
			t.Errorf("seen %d s after noon:\n%s", at-noon, text)
		}
	}
}

// TestTimes: a witness that countersigned a larger head before a smaller one has lied
// in one of the two cases.
func TestTimes(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	w, v := witnesses()[0], witnesses()[1]
	tr := trust(t, receipttest.Policy([]*receipttest.Log{l}, 1, w, v))
	at := func(signers ...merkle.Signer) *receipt.Report {
		l.Fill(1)
		l.Witnesses = signers
		r, err := tr.Verify(l.Receipt(0, nil))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first, second, third, fourth := at(w.At(noon), v.At(later)), at(w.At(noon)), at(w.At(later)), at(w.At(later-1))
	unstated := at(v.At(0))
	for _, c := range []struct {
		name    string
		reports []*receipt.Report
		lies    int
	}{
		{"one after the other", []*receipt.Report{third, first, second}, 0},
		{"the larger one earlier", []*receipt.Report{fourth, first, third}, 1},
		{"two witnesses with different clocks", []*receipt.Report{first, second}, 0},
		{"no time is no contradiction", []*receipt.Report{unstated, first}, 0},
	} {
		v := receipt.Conclude(c.reports, false)
		lies := 0
		for _, f := range v.Findings {
			if f.Mark == receipt.Failed && strings.Contains(f.Text, "one of its two words is false") {
				lies++
			}
		}
		if lies != c.lies || v.Verified != (c.lies == 0) {
			t.Errorf("%s: %d findings of %d, %+v", c.name, lies, c.lies, v.Findings)
		}
	}
	if !strings.Contains(unstated.Text(), "union.example/w countersigned this head and states no time") {
		t.Errorf("got\n%s", unstated.Text())
	}
}

// TestNotBefore: heads that came alone bound the time from the other side, and take part
// in every comparison.
func TestNotBefore(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	w := witnesses()
	tr := trust(t, receipttest.Policy([]*receipttest.Log{l}, 1, w...))
	head := func(signers ...merkle.Signer) *receipt.Report {
		file := l.Checkpoint(signers...)
		if !receipt.IsHead(file) || receipt.IsHead(l.Receipt(0, nil)) || receipt.IsHead([]byte(l.VKey)) || receipt.IsHead(nil) {
			t.Fatal("heads are not told from receipts")
		}
		r, err := tr.VerifyHead(file)
		if err != nil || r.Kind != receipt.KindHead || len(r.Checks) < 2 {
			t.Fatal(err)
		}
		return r
	}
	l.Fill(3)
	early, second := head(w[0].At(noon)), head(w[0].At(noon+2), w[2].At(noon+1))
	index := l.Append(consent)
	covering := head(w[0].At(noon + 9))
	l.Witnesses = []merkle.Signer{w[0].At(later)}
	entry, err := tr.Verify(l.Receipt(index, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		reports []*receipt.Report
		text    string
	}{
		{"from before", []*receipt.Report{early, entry}, "entry 3 was not in the log yet at 2026-05-04T12:00:00Z, as far as press.example/w had seen: it countersigned the head of 3 entries then"},
		{"the latest of them", []*receipt.Report{entry, second, early}, "not in the log yet at 2026-05-04T12:00:02Z"},
		{"one that covers it says nothing", []*receipt.Report{covering, entry}, ""},
		{"nor does a head alone", []*receipt.Report{early, second}, ""},
	} {
		v := receipt.Conclude(c.reports, false)
		switch {
		case !v.Verified:
			t.Errorf("%s: %+v", c.name, v.Findings)
		case c.text == "" && len(v.Findings) > 0:
			t.Errorf("%s: %+v", c.name, v.Findings)
		case c.text != "":
			expect(t, v.Findings, receipt.Seen, c.text)
		}
	}
	// With --chain a head is no part of any chain.
	if v := receipt.Conclude([]*receipt.Report{early}, true); !v.Verified {
		t.Errorf("a head in a chain: %+v", v.Findings)
	}

	// A head is no entry: it does not contradict the first one of the log.
	first, err := tr.Verify(l.Receipt(0, nil))
	if err != nil {
		t.Fatal(err)
	}
	if v := receipt.Conclude([]*receipt.Report{early, first, covering}, false); !v.Verified || len(v.Findings) > 0 {
		t.Errorf("a head beside the receipt of entry 0: %+v", v.Findings)
	}

	fork := l.Cut(3)
	fork.Witnesses = nil
	fork.Rewrite(0, []byte("another entry"))
	forked, err := tr.VerifyHead(fork.Checkpoint(w[1].At(noon)))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, receipt.Conclude([]*receipt.Report{early, forked}, false).Findings, receipt.Failed, "two signed heads of size 3 have different roots")

	for name, c := range map[string]struct {
		file  []byte
		stage receipt.Stage
	}{
		"another log": {receipttest.NewLog("other.example").Checkpoint(), receipt.StageLog}, "no witness": {fork.Checkpoint(), receipt.StageWitnesses},
		"another key": {receipttest.NewLog(l.Origin).Checkpoint(), receipt.StageSignature}, "no head": {[]byte("x"), receipt.StageSignature},
	} {
		r, err := tr.VerifyHead(c.file)
		if f, ok := errors.AsType[*receipt.Failure](err); !ok || f.Stage != c.stage || r.Verified {
			t.Errorf("%s: %v", name, err)
		}
	}
}
