package receipt_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/ledger/receipt/receipttest"
	"github.com/lacunalog/lacuna/merkle"
)

const consent = `{"_prev":null,"_seq":1,"channel":"email","purpose":"newsletter","statement":{"de":"Ja, ich möchte den Newsletter mit Musiktipps per E-Mail erhalten."},"type":"consent.given"}`

// testLog has one consent in the middle of other entries.
func testLog() (l *receipttest.Log, index uint64) {
	l = receipttest.NewLog("demo.lacuna.test")
	l.Fill(131)
	index = l.Append(consent)
	l.Fill(40)
	return l, index
}

func TestReport(t *testing.T) {
	l, index := testLog()
	r, err := receipt.Verify(l.Receipt(index, nil), l.VKey)
	if err != nil {
		t.Fatal(err)
	}
	want := `ok     "Ja, ich möchte den Newsletter mit Musiktipps per E-Mail erhalten."
       channel: "email"
       purpose: "newsletter"
       type: "consent.given"
note   2 members are held back: _prev, _seq
ok     entry 131 of 172 under the head signed by demo.lacuna.test
ok     golang.org/x/mod/sumdb/tlog agrees (not our code)
note   nobody but the operator vouches for the time: no witness countersigned
note   that this was recorded and is unchanged is proven; that it is true is the operator's word
`
	if r.Text() != want {
		t.Errorf("got\n%s\nwant\n%s", r.Text(), want)
	}
	if !r.Verified || r.Index != index || r.Size != 172 || r.Origin != "demo.lacuna.test" || r.Kind != envelope.Field ||
		r.LeafHash.String() != l.LeafHash(index) || string(r.Get("purpose")) != `"newsletter"` || r.Get("_prev") != nil {
		t.Error("the report does not say what was verified")
	}
	for _, line := range r.Lines {
		if (line.Mark == receipt.OK) != (line.Standing == receipt.Proven) && line.Mark != receipt.Detail && !strings.Contains(line.Text, "held back") {
			t.Errorf("%q has standing %q", line.Text, line.Standing)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", r, r, r); strings.Contains(s, "newsletter") {
		t.Error("a report prints what it shows")
	}

	full, err := receipt.Verify(l.FullReceipt(index), l.VKey)
	if err != nil || full.Kind != envelope.Full || string(full.Get("_seq")) != "1" || strings.Contains(full.Text(), "held back") {
		t.Errorf("full receipt: %v\n%s", err, full.Text())
	}
}

func TestReportPublic(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	index := l.Publish(`{"name":"Chinook Musik GmbH","type":"controller.registered"}`)
	r, err := receipt.Verify(l.Receipt(index, nil), l.VKey)
	if err != nil || r.Kind != envelope.Public {
		t.Fatal(err)
	}
	if !strings.HasPrefix(r.Text(), "ok     controller.registered\n       name: \"Chinook Musik GmbH\"\n") || !strings.Contains(r.Text(), "entry 0 of 1 ") {
		t.Errorf("got\n%s", r.Text())
	}
}

// TestTerminal: a receipt cannot make the terminal show something else.
func TestTerminal(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	index := l.Append("{\"statement\":\"yes\u202eon\u200b\",\"type\":\"a\u009b31mb\",\"x\":{\"y\":\"\U000e0041\\u001b[2J\"}}")
	r, err := receipt.Verify(l.Receipt(index, nil), l.VKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Text() {
		if c != '\n' && (c < 0x20 || 0x7f <= c && c < 0xa0 || c == 0x200b || c == 0x202e || c > 0xe0000) {
			t.Fatalf("the report contains %U", c)
		}
	}
	if !strings.Contains(r.Text(), `"yes\u202eon\u200b"`) {
		t.Errorf("got\n%s", r.Text())
	}
	long := l.Append(`{"transcript":"` + strings.Repeat("wort ", 3000) + `","type":"chat"}`)
	r, err = receipt.Verify(l.Receipt(long, nil), l.VKey)
	if err != nil || len(r.Text()) > 3000 || !strings.Contains(r.Text(), "15002 bytes in all") {
		t.Errorf("a long value is printed as a whole: %v", err)
	}
}

func TestStatements(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	for event, want := range map[string]string{
		`{"statement":"Yes.","type":"t"}`:                   "ok     \"Yes.\"\n       type",
		`{"statement":{"de":"Ja.","en":"Yes."},"type":"t"}`: "ok     \"Ja.\"\nok     \"Yes.\"\n       type",
		`{"statement":{"de":1},"type":"t"}`:                 "ok     t\n       statement: {\"de\":1}\n",
		`{"statement":7,"type":"t"}`:                        "ok     t\n       statement: 7\n",
		`{"statement":{},"type":"t"}`:                       "ok     t\n       statement: {}\n",
		`{"a":1}`:                                           "ok     an entry that does not show its type\n       a: 1\n",
	} {
		r, err := receipt.Verify(l.Receipt(l.Append(event), nil), l.VKey)
		if err != nil || !strings.HasPrefix(r.Text(), want) {
			t.Errorf("%s: %v\n%s", event, err, r.Text())
		}
	}
}

func TestOtherSignatures(t *testing.T) {
	l, index := testLog()
	for n := 1; n <= 2; n++ {
		var others []merkle.Signer
		for i := range n {
			skey, _, err := merkle.GenerateKey(nil, fmt.Sprintf("witness%d.example", i))
			if err != nil {
				t.Fatal(err)
			}
			s, err := merkle.NewSigner(skey)
			if err != nil {
				t.Fatal(err)
			}
			others = append(others, s)
		}
		leaf, env := l.Leaf(index)
		f, err := envelope.OpenFields(receipttest.Key{}, env, nil)
		if err != nil {
			t.Fatal(err)
		}
		file, err := receipt.Build(index, l.Proof(index), l.Checkpoint(others...), f.Opening(leaf))
		if err != nil {
			t.Fatal(err)
		}
		r, err := receipt.Verify(file, l.VKey)
		if err != nil || strings.Contains(r.Text(), "no witness countersigned") || !strings.Contains(r.Text(), fmt.Sprintf("%d other signature", n)) {
			t.Errorf("%d others: %v\n%s", n, err, r.Text())
		}
	}
}

// rebuild changes a receipt below the surface.
func rebuild(t *testing.T, file []byte, change func(*merkle.Proof)) []byte {
	t.Helper()
	p, err := merkle.ParseProof(file)
	if err != nil {
		t.Fatal(err)
	}
	change(p)
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// changeDigit flips a bit of a digit of d_E such that it is still a digit.
func changeDigit(p *merkle.Proof) {
	p.Extra[regexp.MustCompile(`^.{7}[A-Za-z0-9_-]{0,30}?[B-Yb-y]`).FindIndex(p.Extra)[1]-1] ^= 1
}

func TestFailures(t *testing.T) {
	l, index := testLog()
	file := l.Receipt(index, nil)
	other, same := receipttest.NewLog("other.example"), receipttest.NewLog("demo.lacuna.test")
	other.Fill(3)
	replace := func(old, new string) func(*merkle.Proof) {
		return func(p *merkle.Proof) {
			if !bytes.Contains(p.Extra, []byte(old)) {
				t.Fatalf("%q is not in the opening", old)
			}
			p.Extra = bytes.Replace(p.Extra, []byte(old), []byte(new), 1)
		}
	}
	for what, c := range map[string]struct {
		file  []byte
		vkey  string
		stage receipt.Stage
		text  string
	}{
		"empty":           {nil, l.VKey, receipt.StageFile, "file: malformed tlog-proof: first line"},
		"text":            {[]byte("hello\n"), l.VKey, receipt.StageFile, "file: "},
		"truncated":       {file[:len(file)/2], l.VKey, receipt.StageFile, "file: "},
		"CRLF":            {bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n")), l.VKey, receipt.StageFile, "file: "},
		"too long":        {make([]byte, receipt.MaxFile+1), l.VKey, receipt.StageFile, "file: longer"},
		"another log":     {file, other.VKey, receipt.StageLog, `a proof for another log: it is for "demo.lacuna.test", the key is of "other.example"`},
		"another key":     {file, same.VKey, receipt.StageSignature, "signature: signed by demo.lacuna.test+"},
		"bad signature":   {bytes.Replace(file, []byte("\n172\n"), []byte("\n173\n"), 1), l.VKey, receipt.StageSignature, "signature: "},
		"no opening":      {rebuild(t, file, func(p *merkle.Proof) { p.Extra = nil }), l.VKey, receipt.StageOpening, "opening: the file has none"},
		"no Lacuna":       {rebuild(t, file, func(p *merkle.Proof) { p.Extra = []byte("hello") }), l.VKey, receipt.StageOpening, "opening: byte 0: no opening of a known kind"},
		"later version":   {rebuild(t, file, replace("opening/v1", "opening/v2")), l.VKey, receipt.StageOpening, "opening: its version is not opening/v1"},
		"leaf changed":    {rebuild(t, file, changeDigit), l.VKey, receipt.StageLeaf, "leaf: expected "},
		"wrong index":     {rebuild(t, file, func(p *merkle.Proof) { p.Index ^= 1 }), l.VKey, receipt.StageRoot, "root: expected "},
		"hash changed":    {rebuild(t, file, func(p *merkle.Proof) { p.Hashes[2][5] ^= 1 }), l.VKey, receipt.StageRoot, "root: expected "},
		"hash missing":    {rebuild(t, file, func(p *merkle.Proof) { p.Hashes = p.Hashes[1:] }), l.VKey, receipt.StageRoot, "root: "},
		"checkpoint only": {rebuild(t, file, func(p *merkle.Proof) { p.Checkpoint = other.Checkpoint(); p.Index = 1 }), l.VKey, receipt.StageLog, "a proof for another log: "},
	} {
		r, err := receipt.Verify(c.file, c.vkey)
		f, ok := errors.AsType[*receipt.Failure](err)
		if !ok || f.Stage != c.stage || !strings.HasPrefix(f.Text, c.text) || !errors.Is(err, receipt.ErrNotVerified) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if r == nil || r.Verified || r.Failure != f || r.Text() != "FAILED "+f.Text+"\n" || len(r.Members) > 0 || strings.Count(f.Text, "\n") > 0 {
			t.Errorf("%s: report %q", what, r.Text())
		}
		if c.stage == receipt.StageLeaf && (len(f.Expected) != 64 || len(f.Got) != 64 || f.Expected != fmt.Sprintf("%x", hashOf(t, l.LeafHash(index)))) {
			t.Errorf("%s: expected %s, got %s", what, f.Expected, f.Got)
		}
	}
	if r, err := receipt.Verify(file, "no key"); r != nil || !errors.Is(err, receipt.ErrKey) || errors.Is(err, receipt.ErrNotVerified) {
		t.Errorf("a key that is no key: %v", err)
	}
}

func hashOf(t *testing.T, s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTransplanted: the leaf of one log stands in another, whose operator
// offers the receipt's opening with a proof and head of its own.
func TestTransplanted(t *testing.T) {
	a, index := testLog()
	b := receipttest.NewLog("thief.example")
	leaf, env := a.Leaf(index)
	at := b.AppendLeaf(leaf, env)
	r, err := receipt.Verify(b.Receipt(at, nil), b.VKey)
	if f, ok := errors.AsType[*receipt.Failure](err); !ok || f.Stage != receipt.StageLeaf {
		t.Errorf("%v\n%s", err, r.Text())
	}
}

// TestMutations flips every bit of every byte of a receipt, and cuts it
// everywhere.
func TestMutations(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	l.Fill(3)
	file := l.Receipt(l.Append(`{"_prev":null,"_seq":1,"purpose":"newsletter","type":"consent.given"}`), nil)
	if _, err := receipt.Verify(file, l.VKey); err != nil {
		t.Fatal(err)
	}
	m := bytes.Clone(file)
	for i := range m {
		for bit := range 8 {
			m[i] ^= 1 << bit
			if r, err := receipt.Verify(m, l.VKey); err == nil || r.Verified {
				t.Errorf("bit %d of byte %d (%q): verified", bit, i, file[max(0, i-10):min(len(file), i+10)])
			}
			m[i] ^= 1 << bit
		}
		if _, err := receipt.Verify(file[:i], l.VKey); err == nil {
			t.Errorf("cut at %d: verified", i)
		}
	}
	if _, err := receipt.Verify(append(bytes.Clone(file), '\n'), l.VKey); err == nil {
		t.Error("a line behind: verified")
	}
}

func FuzzVerify(f *testing.F) {
	l := receipttest.NewFixedLog("demo.lacuna.test")
	if l.VKey != receipttest.NewFixedLog("demo.lacuna.test").VKey {
		f.Fatal("two processes have two keys, so that nothing would verify")
	}
	l.Fill(5)
	f.Add(l.Receipt(2, nil))
	f.Add(l.FullReceipt(3))
	f.Add(l.Receipt(l.Publish(`{"type":"log.key"}`), nil))
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 0\n\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := receipt.Verify(file, l.VKey)
		if r == nil || r.Verified != (err == nil) || len(r.Lines) == 0 {
			t.Fatal("report and error disagree")
		}
		for _, line := range r.Lines {
			if strings.ContainsAny(line.Text, "\n\r\x1b") {
				t.Fatal("a line is not one line")
			}
		}
	})
}
