package envelope_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// TestStatements: a statement goes with an opening only where a shown member of
// the event names its leaf hash.
func TestStatements(t *testing.T) {
	form := []byte(`{"form_id":"f","statement":{"de":"Ja, bitte."},"type":"form.published"}`)
	other := []byte(`{"form_id":"f","statement":{"de":"Nein, danke."},"type":"form.published"}`)
	leaf, err := envelope.PublicLeaf(form)
	if err != nil {
		t.Fatal(err)
	}
	hash := envelope.LeafHash(leaf)
	event := fmt.Appendf(nil, `{"form":{"id":"f","leaf":"%s"},"type":"consent.given"}`, base64.StdEncoding.EncodeToString(hash[:]))
	sealed, err := envelope.Seal(alice, envelope.ChaCha20Poly1305, testOrigin, event)
	if err != nil {
		t.Fatal(err)
	}
	all, err := envelope.OpenFields(alice, sealed.Envelope, nil)
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := envelope.OpenFields(alice, sealed.Envelope, func(name string) bool { return name == "type" })
	if err != nil {
		t.Fatal(err)
	}
	full, err := envelope.OpenFull(alice, sealed.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		o          *envelope.Opening
		statements [][]byte
		ok         bool
	}{
		{"none", all.Opening(sealed.Leaf[:]), nil, true},
		{"the form", all.Opening(sealed.Leaf[:]), [][]byte{form}, true},
		{"the form, full opening", full.Opening(sealed.Leaf[:]), [][]byte{form}, true},
		{"another text", all.Opening(sealed.Leaf[:]), [][]byte{other}, false},
		{"both", all.Opening(sealed.Leaf[:]), [][]byte{form, other}, false},
		{"twice", all.Opening(sealed.Leaf[:]), [][]byte{form, form}, false},
		{"reference held back", hidden.Opening(sealed.Leaf[:]), [][]byte{form}, false},
	} {
		c.o.Statements = c.statements
		b, err := c.o.Marshal()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		back, err := envelope.ParseOpening(b)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if again, err := back.Marshal(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: another text the second time (%v)", c.name, err)
		}
		if _, _, err := back.Verify(testOrigin); (err == nil) != c.ok || !c.ok && !errors.Is(err, envelope.ErrOpening) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// An empty list has a second spelling, and is refused.
	b, err := all.Opening(sealed.Leaf[:]).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	empty := append(bytes.TrimSuffix(b, []byte("}")), `,"statements":[]}`...)
	if _, err := envelope.ParseOpening(empty); err == nil {
		t.Error("an empty list of statements is accepted")
	}
}
