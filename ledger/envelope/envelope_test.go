package envelope_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// testKey is a data encryption key in the hands of a test. The keystore does
// the same behind a lease.
type testKey struct{ prk []byte }

func newTestKey(dek []byte) testKey {
	prk, err := hkdf.Extract(sha256.New, dek, []byte("lacuna/v1"))
	if err != nil {
		panic(err)
	}
	return testKey{prk}
}

func (k testKey) EventSecret(suite byte, e [16]byte) (s [32]byte) {
	info := append([]byte("lacuna/v1/event"), suite)
	info = append(info, e[:]...)
	b, err := hkdf.Expand(sha256.New, k.prk, string(info), 32)
	if err != nil {
		panic(err)
	}
	return [32]byte(b)
}

var (
	suites     = []envelope.Suite{envelope.ChaCha20Poly1305, envelope.AES256GCM}
	testOrigin = envelope.Origin("log.example")
	alice      = newTestKey(bytes.Repeat([]byte{1}, 32))
	bob        = newTestKey(bytes.Repeat([]byte{2}, 32))
)

const testEvent = `{"_prev":null,"_recorded":"2026-05-04T12:31:40.021Z","_seq":0,"channel":"email","event_time":"2026-05-04T12:31:40Z","form":{"id":"web-newsletter","version":1},"id":"0197a2","purpose":"newsletter","subject":"c-2","type":"consent.given"}`

// TestNothingStays: what one event was sealed with does not lie there for the next.
func TestNothingStays(t *testing.T) {
	for _, suite := range suites {
		left := envelope.LeftBehind(alice, suite, []byte(testEvent))
		if i := bytes.IndexFunc(left, func(r rune) bool { return r != 0 }); i >= 0 {
			t.Errorf("%s: byte %d of what is used again was not wiped", suite, i)
		}
	}
}

func TestSealOpen(t *testing.T) {
	for _, suite := range suites {
		sealed, err := envelope.Seal(alice, suite, testOrigin, []byte(testEvent))
		if err != nil {
			t.Fatal(err)
		}
		event, err := envelope.Open(alice, sealed.Envelope)
		if err != nil || string(event) != testEvent {
			t.Fatalf("%v: opened to %q, %v", suite, event, err)
		}
		if _, err := envelope.Open(bob, sealed.Envelope); !errors.Is(err, envelope.ErrWrongKey) {
			t.Fatalf("%v: another key: %v", suite, err)
		}
		if !envelope.Opens(alice, sealed.Envelope) || envelope.Opens(bob, sealed.Envelope) || envelope.Opens(alice, nil) {
			t.Fatalf("%v: Opens does not tell the key", suite)
		}
		event, leaf, err := envelope.OpenLeaf(alice, testOrigin, sealed.Envelope)
		if err != nil || string(event) != testEvent || leaf != sealed.Leaf {
			t.Fatalf("%v: opened to another leaf: %v", suite, err)
		}
		if envelope.IsPublic(leaf[:]) {
			t.Fatalf("%v: the leaf passes for a public statement", suite)
		}
		fields, err := envelope.OpenFields(alice, sealed.Envelope, nil)
		if err != nil {
			t.Fatal(err)
		}
		full, err := envelope.OpenFull(alice, sealed.Envelope)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []*envelope.Opening{fields.Opening(sealed.Leaf[:]), full.Opening(sealed.Leaf[:])} {
			b, err := o.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			p, err := envelope.ParseOpening(b)
			if err != nil {
				t.Fatalf("%v: %s", err, b)
			}
			leaf, shown, err := p.Verify(testOrigin)
			if err != nil || !bytes.Equal(leaf, sealed.Leaf[:]) {
				t.Fatalf("%v: %s opening: %v", suite, o.Kind(), err)
			}
			if got := string(shown.Get("purpose")); got != `"newsletter"` {
				t.Fatalf("purpose is %s", got)
			}
			if again, err := p.Marshal(); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("parsed and serialised again: %v", err)
			}
		}
	}
}
