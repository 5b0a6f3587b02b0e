//go:build pkcs11 && cgo

package ledger_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder/custodian"
	"github.com/lacunalog/lacuna/keystore/holder/holdertest"
	"github.com/lacunalog/lacuna/ledger"
)

// TestRootInToken makes a ledger whose root lies in a token, erases, adds a copy in a
// file and gives up the token.
func TestRootInToken(t *testing.T) {
	token := holdertest.NewSoftHSM(t)
	dir := t.TempDir()
	o := ledger.Options{Dir: filepath.Join(dir, "crm")}
	if err := ledger.Init(t.Context(), ledger.InitOptions{Dir: o.Dir, Origin: "token.lacuna.test", Root: []string{token.URI("crm")}}); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	declare(t, l)
	must(t, l, `{"type":"processing.performed","subject":"s-1","purpose":"invoices","operation":"store"}`)
	must(t, l, `{"type":"processing.performed","subject":"s-2","purpose":"invoices","operation":"store"}`)
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "s-1", Everything: true}); err != nil {
		t.Fatal(err)
	}
	said := false
	for _, f := range l.Examine() {
		said = said || f.Severity == ledger.Warning && strings.Contains(f.Text, "L0: the token is a program")
	}
	if level, why := l.Level(); !said || level != keystore.L0 || why == "" {
		t.Errorf("level %v (%s), said by doctor: %v", level, why, said)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(o.Dir, "lacuna.json"))
	if err != nil || strings.Contains(string(text), token.PIN) {
		t.Errorf("the PIN is in the configuration, or it cannot be read: %v", err)
	}
	var c ledger.Config
	if err := json.Unmarshal(text, &c); err != nil || len(c.Root) != 1 || c.Root[0] != token.URI("crm") {
		t.Errorf("the configuration names the roots %q: %v", c.Root, err)
	}

	file := filepath.Join(dir, "root")
	if err := ledger.AddRoot(t.Context(), o, file); err != nil {
		t.Fatal(err)
	}
	if wiped, err := ledger.RemoveRoot(t.Context(), o, token.URI("crm"), false); err != nil || !wiped {
		t.Fatalf("wiped %v: %v", wiped, err)
	}
	if l, err = ledger.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	checkFsck(t, l)
	l.Close()
	if _, err := os.Stat(file + ".head"); err != nil {
		t.Errorf("beside the file lies no head: %v", err)
	}
	// The name in the token is free again. Two tokens, or two names in one, are not told to
	// put a copy into a file.
	for _, uri := range []string{token.URI("crm"), token.URI("again")} {
		if err := ledger.AddRoot(t.Context(), o, uri); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ledger.RemoveRoot(t.Context(), o, file, false); err != nil {
		t.Fatal(err)
	}
	if l, err = ledger.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var heads, places []string
	for _, f := range l.Examine() {
		switch {
		case strings.Contains(f.Text, "no copy of the newest head"):
			heads = append(heads, f.Hint)
		case strings.Contains(f.Text, "in one token"):
			places = append(places, f.Hint)
		}
	}
	if len(heads) != 1 || strings.Contains(heads[0], "root add") {
		t.Errorf("for the copy of the head doctor hints at %q", heads)
	}
	if len(places) != 1 || !strings.Contains(places[0], "another token") {
		t.Errorf("for two places in one token doctor hints at %q", places)
	}
}

// TestCustodianInToken: a custodian that keeps its share in a token.
func TestCustodianInToken(t *testing.T) {
	token := holdertest.NewSoftHSM(t)
	dir := filepath.Join(t.TempDir(), "vault")
	if _, err := custodian.Create(custodian.Options{Dir: dir, Host: "127.0.0.1:1", Root: []string{token.URI("share")}}); err != nil {
		t.Fatal(err)
	}
	c, err := custodian.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Prepare(t.Context(), keystore.Share{Tree: keystore.TreeID{1}, Epoch: 1, Secret: keystore.Secret{2}}); err != nil {
		t.Fatal(err)
	}
	if s, err := c.Status(t.Context()); err != nil || len(s.Epochs) != 1 || !strings.Contains(s.Warning, "the token is") {
		t.Errorf("status %+v, %v", s, err)
	}
}
