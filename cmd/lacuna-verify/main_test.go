package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lacunalog/lacuna/cmd/lacuna-verify/verifier"
	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/ledger/receipt/receipttest"
	"github.com/lacunalog/lacuna/merkle"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lacuna-verify": main})
}

// TestScripts runs testdata/*.txtar. Every script finds the files that setup
// writes beside its own.
func TestScripts(t *testing.T) {
	dir := t.TempDir()
	if err := setup(dir); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: func(env *testscript.Env) error { return os.CopyFS(env.WorkDir, os.DirFS(dir)) },
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code": code,
		},
	})
}

// code runs lacuna-verify and checks its exit code: code N ARGS…
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command args…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

func setup(dir string) error {
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			panic(err)
		}
	}
	l := receipttest.NewLog("demo.lacuna.test")
	l.Fill(129)
	c := l.Chain(
		`{"subject":"c-2","type":"consent.requested"}`,
		`{"purpose":"newsletter","statement":{"de":"Ja, ich möchte den Newsletter mit Musiktipps per E-Mail erhalten."},"subject":"c-2","type":"consent.given"}`,
		`{"purpose":"newsletter","subject":"c-2","type":"consent.withdrawn"}`)
	assert := func(count int, head uint64) uint64 {
		return l.Append(fmt.Sprintf(`{"chains":[{"cohort":"","compartment":"consent-evidence","count":%d,"head":"%s"}],"subject":"c-2","type":"chain.asserted"}`, count, l.LeafHash(head)))
	}
	honest, lie := assert(3, c[2]), assert(2, c[1])
	refused := l.Append(fmt.Sprintf(`{"_prev":"%s","_seq":2,"type":"consent.refused"}`, l.LeafHash(c[0])))
	public := l.Publish(`{"name":"Chinook Musik GmbH","type":"controller.registered"}`)
	l.Fill(906)

	write("log.vkey", []byte(l.VKey+"\n"))
	write("other.vkey", []byte(receipttest.NewLog("other.example").VKey))
	write("renewed.vkey", []byte(receipttest.NewLog("demo.lacuna.test").VKey))
	leonie := l.Receipt(c[1], nil)
	write("leonie.tlog-proof", leonie)
	write("whole.tlog-proof", l.FullReceipt(c[1]))
	write("public.tlog-proof", l.Receipt(public, nil))
	for i, index := range c {
		write(fmt.Sprintf("chain%d.tlog-proof", i+1), l.Receipt(index, receipttest.All))
	}
	write("lie2.tlog-proof", l.Receipt(refused, receipttest.All))
	write("asserted.tlog-proof", l.Receipt(honest, nil))
	write("lied.tlog-proof", l.Receipt(lie, nil))

	change := func(name string, f func(p *merkle.Proof)) {
		p, err := merkle.ParseProof(leonie)
		if err != nil {
			panic(err)
		}
		f(p)
		b, err := p.Marshal()
		if err != nil {
			panic(err)
		}
		write(name, b)
	}
	// Of the digits of a digest one is changed to another digit.
	change("leonie-one-bit-changed.tlog-proof", func(p *merkle.Proof) {
		digits := regexp.MustCompile(`"_seq","[A-Za-z0-9_-]{0,30}?[B-Yb-y]`).FindIndex(p.Extra)
		p.Extra[digits[1]-1] ^= 1
	})
	change("wrong-index.tlog-proof", func(p *merkle.Proof) { p.Index++ })
	change("no-opening.tlog-proof", func(p *merkle.Proof) { p.Extra = nil })
	change("next-opening.tlog-proof", func(p *merkle.Proof) { p.Extra = bytes.Replace(p.Extra, []byte("opening/v1"), []byte("opening/v2"), 1) })
	write("truncated.tlog-proof", leonie[:len(leonie)-100])
	write("crlf.tlog-proof", bytes.ReplaceAll(leonie, []byte("\n"), []byte("\r\n")))
	return errors.Join(setupPolicy(write, l, c[1]), setupErasure(write), setupSweeps(write), setupHeads(dir, write))
}

// setupPolicy writes policies, and receipts that witnesses countersigned.
func setupPolicy(write func(string, []byte), l *receipttest.Log, index uint64) error {
	press := receipttest.NewWitness("press.example/w", merkle.CosignatureEd25519)
	union := receipttest.NewWitness("union.example/w", merkle.CosignatureMLDSA44)
	logs := []*receipttest.Log{l}
	write("two.policy", receipttest.Policy(logs, 2, press, union))
	write("none.policy", receipttest.Policy(logs, 0, press, union))
	write("witnesses.policy", receipttest.Policy(nil, 2, press, union))
	write("broken.policy", append(receipttest.Policy(logs, 2, press, union), "group\n"...))
	const noon = 1777896000 // 2026-05-04T12:00:00Z
	before := l.Cut(100)
	before.Witnesses = []merkle.Signer{press.At(noon - 3600)}
	write("before.head", before.Checkpoint())
	own := receipttest.NewWitness(l.Origin, merkle.CosignatureMLDSA44)
	write("both.vkey", []byte(l.VKey+"\n"+own.VKey()+"\n"))
	for name, signers := range map[string][]merkle.Signer{
		"seen":     {press.At(noon + 7), union.At(noon)},
		"one":      {press.At(noon)},
		"quantum":  {own.At(noon)},
		"stranger": {receipttest.NewWitness("press.example/w", merkle.CosignatureEd25519).At(noon)},
	} {
		w := l.Fork()
		w.Witnesses = signers
		write(name+".tlog-proof", w.Receipt(index, nil))
	}
	return nil
}

// setupErasure writes certificates, and receipts of the epoch records they hang on.
func setupErasure(write func(string, []byte)) error {
	l := receipttest.NewLog("shop.example")
	l.Fill(5)
	first, a := l.Erase("c-2", nil, nil)
	second, b := l.Erase("c-3", &first, nil)
	write("shop.vkey", []byte(l.VKey))
	write("c-2.json", receipttest.Marshal(a))
	write("c-2.json.tlog-proof", l.Receipt(first, nil))
	write("c-3.json", receipttest.Marshal(b.Officer()))
	write("second.tlog-proof", l.Receipt(second, nil))
	var approvers []merkle.Signer
	var vkeys []string
	for _, name := range []string{"ada.example/dpo", "bob.example/dpo"} {
		skey, vkey, err := merkle.GenerateKey(rand.Reader, name)
		if err != nil {
			return err
		}
		s, err := merkle.NewSigner(skey)
		if err != nil {
			return err
		}
		approvers, vkeys = append(approvers, s), append(vkeys, vkey+"\n")
	}
	write("both.vkeys", []byte(vkeys[0]+vkeys[1]))
	write("ada.vkey", []byte(vkeys[0]))
	for name, by := range map[string][]merkle.Signer{
		"approved": approvers,
		"alone":    approvers[:1],
		"impostor": {impostor{approvers[1], approvers[0]}},
	} {
		w := l.Fork()
		w.Approvers = by
		at, c := w.Erase("c-5", &second, nil)
		write(name+".json", receipttest.Marshal(c))
		write(name+".json.tlog-proof", w.Receipt(at, nil))
	}
	liar := l.Fork()
	other, _ := liar.Erase("c-4", &first, nil)
	write("other.tlog-proof", liar.Receipt(other, nil))
	return nil
}

// An impostor signs as if its key were another's.
type impostor struct {
	merkle.Signer
	claims merkle.Signer
}

func (i impostor) KeyHash() uint32 { return i.claims.KeyHash() }

const seed = "5f1d9c0a77e2b3846a90d1c25e8f4b37"

// setupSweeps writes what two sweeps of a log leave behind, and samples: honest ones, and those of an operator
// who takes back what was erased.
func setupSweeps(write func(string, []byte)) error {
	l := receipttest.NewLog("swept.example")
	l.Fill(20)
	first, a := l.Erase("c-2", nil, nil)
	s := l.Sweep([]uint64{1, 2, 3}, &first, nil, nil)
	earlier := l.Sample(seed, 100, 1, []uint64{1, 2, 3}, s, nil)
	l.Fill(5)
	second, b := l.Erase("c-3", &s.Index, nil)
	liar := l.Fork()
	s2 := l.Sweep([]uint64{1, 2, 3, 4, 5, 6}, &second, s, nil)
	write("swept.vkey", []byte(l.VKey))
	write("swept.json", receipttest.Marshal(a))
	write("swept.json.tlog-proof", l.Receipt(first, nil))
	write("swept.json.sweep.tlog-proof", l.Receipt(s.Index, nil))
	write("next.json", receipttest.Marshal(b.Officer()))
	write("next.json.tlog-proof", l.Receipt(second, nil))
	write("sweep1.tlog-proof", l.Receipt(s.Index, nil))
	write("sweep2.tlog-proof", l.Receipt(s2.Index, nil))
	write("paired.json", s2.Paired)
	write("earlier.sample", earlier)
	write("later.sample", l.Sample(seed, 100, 1, []uint64{1, 2, 3, 4, 5, 6}, s2, nil))
	lie := liar.Sweep([]uint64{1, 4, 5, 6}, &second, s, nil)
	write("lie.tlog-proof", liar.Receipt(lie.Index, nil))
	write("lie.sample", liar.Sample(seed, 100, 1, []uint64{1, 4, 5, 6}, lie, nil))
	return nil
}

// setupHeads writes heads of a log that grows, heads of one that was rewritten, and
// static copies of both.
func setupHeads(dir string, write func(string, []byte)) error {
	l := receipttest.NewLog("demo.lacuna.test")
	grow := func(l *receipttest.Log) {
		for i := range 300 {
			l.AppendLeaf(fmt.Appendf(nil, "entry %d", i), nil)
		}
	}
	grow(l)
	write("heads.vkey", []byte(l.VKey))
	write("300.head", l.Checkpoint())
	fork := l.Fork()
	fork.Rewrite(7, []byte("another entry"))
	write("300-rewritten.head", fork.Checkpoint())
	for name, log := range map[string]*receipttest.Log{"tiles": l, "rewritten": fork} {
		grow(log)
		if err := log.Export(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	write("500.head", l.Cut(500).Checkpoint())
	write("600.head", l.Checkpoint())
	write("600-rewritten.head", fork.Checkpoint())
	write("proof", receipt.AppendProof(nil, l.Consistency(300)))
	write("empty.proof", nil)
	write("head-of-nothing", receipttest.NewLog("x.example").Checkpoint())
	return nil
}

// TestJSON reads --json into the type that others import.
func TestJSON(t *testing.T) {
	dir := t.TempDir()
	l := receipttest.NewLog("demo.lacuna.test")
	file := l.Receipt(l.Append(`{"_prev":null,"_seq":1,"purpose":"<newsletter>","type":"consent.given"}`), nil)
	for name, b := range map[string][]byte{"k": []byte(l.VKey), "good": file, "bad": file[1:]} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var stdout, stderr bytes.Buffer
	if code := verifier.Run("lacuna-verify", []string{"good", "--json", "bad", "--key", "k"}, nil, &stdout, &stderr); code != 10 || stderr.Len() > 0 {
		t.Fatalf("exit %d, %s", code, &stderr)
	}
	var v jsonv1.Verification
	d := json.NewDecoder(&stdout)
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if v.Version != jsonv1.VerificationVersion || v.Verified || len(v.Reports) != 2 || v.Findings == nil || v.Counts != (jsonv1.Counts{Files: 2, Verified: 1, Failed: 1}) {
		t.Errorf("%+v", v)
	}
	good, bad := v.Reports[0], v.Reports[1]
	if good.File != "good" || !good.Verified || good.Version != jsonv1.ReportVersion || good.LeafHash != l.LeafHash(0) || good.Kind != "field" || good.Size != 1 {
		t.Errorf("the good one: %+v", good)
	}
	values := map[string]string{}
	for _, m := range good.Members {
		if m.HeldBack != (m.Value == nil) {
			t.Errorf("member %s is neither shown nor held back", m.Name)
		}
		values[m.Name] = string(m.Value)
	}
	if values["purpose"] != `"<newsletter>"` || values["_seq"] != "" || len(values) != 4 {
		t.Errorf("members %v", values)
	}
	for _, c := range good.Checks {
		if !c.Passed || c.Text == "" {
			t.Errorf("check %+v", c)
		}
	}
	if len(good.Checks) < 7 || len(good.Lines) < 5 {
		t.Errorf("%d checks, %d lines", len(good.Checks), len(good.Lines))
	}
	if bad.File != "bad" || bad.Verified || bad.Failure == nil || bad.Failure.Stage != "file" || len(bad.Checks) != 1 || bad.Checks[0].Passed {
		t.Errorf("the bad one: %+v", bad)
	}
}
