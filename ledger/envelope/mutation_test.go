package envelope_test

import (
	"bytes"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// mutants yields b with every single bit flipped, every prefix of b, and b
// with something added at either end.
func mutants(b []byte, f func(what string, at int, m []byte)) {
	m := bytes.Clone(b)
	for i := range m {
		for bit := range 8 {
			m[i] ^= 1 << bit
			f("flipping a bit of byte", i, m)
			m[i] ^= 1 << bit
		}
	}
	for i := range b {
		f("cutting at", i, b[:i:i])
		f("dropping byte", i, append(bytes.Clone(b[:i]), b[i+1:]...))
		f("doubling byte", i, append(bytes.Clone(b[:i+1]), b[i:]...))
	}
	for _, c := range []byte{0, ' ', '\n', '}', '=', 0x80} {
		f("adding behind", len(b), append(bytes.Clone(b), c))
		f("adding before", 0, append([]byte{c}, b...))
	}
}

func TestMutatedEnvelope(t *testing.T) {
	for _, suite := range suites {
		sealed, err := envelope.Seal(alice, suite, testOrigin, []byte(testEvent))
		if err != nil {
			t.Fatal(err)
		}
		full, err := envelope.OpenFull(alice, sealed.Envelope)
		if err != nil {
			t.Fatal(err)
		}
		mutants(sealed.Envelope, func(what string, at int, m []byte) {
			if bytes.Equal(m, sealed.Envelope) {
				return
			}
			if _, err := envelope.Open(alice, m); err == nil {
				t.Errorf("%v: %s %d: opened", suite, what, at)
			}
			if _, _, err := (&envelope.FullOpening{Secret: full.Secret, Envelope: m}).Verify(testOrigin); err == nil {
				t.Errorf("%v: %s %d: full opening verified", suite, what, at)
			}
		})
		for i := range full.Secret {
			wrong := *full
			wrong.Secret[i] ^= 1
			if _, _, err := wrong.Verify(testOrigin); err == nil {
				t.Errorf("%v: byte %d of the secret changed: verified", suite, i)
			}
		}
	}
}

func TestMutatedOpening(t *testing.T) {
	sealed, err := envelope.Seal(alice, 1, testOrigin, []byte(testEvent))
	if err != nil {
		t.Fatal(err)
	}
	fields, err := envelope.OpenFields(alice, sealed.Envelope, nil)
	if err != nil {
		t.Fatal(err)
	}
	nothing, err := envelope.OpenFields(alice, sealed.Envelope, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	full, err := envelope.OpenFull(alice, sealed.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := envelope.PublicLeaf([]byte(`{"controller":"Chinook Musik GmbH","type":"controller.registered"}`))
	if err != nil {
		t.Fatal(err)
	}
	public, err := envelope.OpenPublic(leaf)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []*envelope.Opening{fields.Opening(sealed.Leaf[:]), nothing.Opening(sealed.Leaf[:]), full.Opening(sealed.Leaf[:]), public} {
		b, err := o.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		accepted := func(b []byte) bool {
			p, err := envelope.ParseOpening(b)
			if err != nil {
				return false
			}
			_, _, err = p.Verify(testOrigin)
			return err == nil
		}
		if !accepted(b) {
			t.Fatalf("%s opening refused as it is", o.Kind())
		}
		mutants(b, func(what string, at int, m []byte) {
			if !bytes.Equal(m, b) && accepted(m) {
				t.Errorf("%s opening: %s %d: accepted", o.Kind(), what, at)
			}
		})
	}
}
