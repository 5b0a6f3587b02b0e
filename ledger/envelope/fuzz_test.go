package envelope_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// seeds returns openings of each kind as they should be.
func seeds(tb testing.TB) (envelopes, openings [][]byte) {
	for _, suite := range suites {
		sealed, err := envelope.SealWith(alice, suite, testOrigin, []byte(testEvent), [16]byte{byte(suite)})
		if err != nil {
			tb.Fatal(err)
		}
		envelopes = append(envelopes, sealed.Envelope)
		fields, err := envelope.OpenFields(alice, sealed.Envelope, nil)
		if err != nil {
			tb.Fatal(err)
		}
		full, err := envelope.OpenFull(alice, sealed.Envelope)
		if err != nil {
			tb.Fatal(err)
		}
		for _, o := range []*envelope.Opening{fields.Opening(sealed.Leaf[:]), full.Opening(sealed.Leaf[:])} {
			b, err := o.Marshal()
			if err != nil {
				tb.Fatal(err)
			}
			openings = append(openings, b)
		}
	}
	leaf, err := envelope.PublicLeaf([]byte(`{"type":"log.key"}`))
	if err != nil {
		tb.Fatal(err)
	}
	public, err := envelope.OpenPublic(leaf)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := public.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return envelopes, append(openings, b)
}

// FuzzOpen: nothing but what was sealed opens, and whatever opens seals and
// opens again to the same event.
func FuzzOpen(f *testing.F) {
	envelopes, _ := seeds(f)
	for _, e := range envelopes {
		f.Add(e)
	}
	f.Add([]byte{})
	f.Add(make([]byte, 400))
	f.Fuzz(func(t *testing.T, env []byte) {
		event, err := envelope.Open(alice, env)
		if err != nil {
			return
		}
		if !bytes.Equal(env, envelopes[0]) && !bytes.Equal(env, envelopes[1]) && env[0] == 1 {
			t.Fatal("an envelope opens that nobody sealed")
		}
		if _, err := envelope.Seal(alice, 1, testOrigin, event); err != nil {
			t.Fatalf("an opened event cannot be sealed: %v", err)
		}
	})
}

// FuzzParseOpening: what parses is what Marshal writes.
func FuzzParseOpening(f *testing.F) {
	_, openings := seeds(f)
	for _, o := range openings {
		f.Add(o)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := envelope.ParseOpening(b)
		if err != nil {
			return
		}
		again, err := o.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("parsed, but serialised to something else: %v", err)
		}
		// A statement of the deepest nesting stands one level down.
		if err := envelope.Canonical(b); err != nil && !strings.Contains(err.Error(), "nested deeper") {
			t.Fatalf("parsed, but not canonical: %v", err)
		}
	})
}

// FuzzVerify changes an opening anywhere: it is refused, or it is the same.
func FuzzVerify(f *testing.F) {
	_, openings := seeds(f)
	f.Add(uint8(0), uint16(10), byte(1))
	f.Add(uint8(1), uint16(100), byte(0x80))
	f.Add(uint8(4), uint16(60), byte(3))
	f.Fuzz(func(t *testing.T, which uint8, at uint16, xor byte) {
		b := bytes.Clone(openings[int(which)%len(openings)])
		b[int(at)%len(b)] ^= xor
		o, err := envelope.ParseOpening(b)
		if err != nil {
			return
		}
		leaf, shown, err := o.Verify(testOrigin)
		if err != nil {
			return
		}
		if xor != 0 {
			t.Fatal("a changed opening verifies")
		}
		if len(leaf) == 0 || len(shown.Members) == 0 {
			t.Fatal("verified nothing")
		}
	})
}

// FuzzDisclosure: a field opening made of hostile parts never panics, and
// what it shows is canonical and of a listed name.
func FuzzDisclosure(f *testing.F) {
	f.Add("purpose", "WyJBQUFBQUFBQUFBQUFBQUFBQUFBQUFBIiwicHVycG9zZSIsMV0")
	f.Add("a", "")
	f.Fuzz(func(t *testing.T, name, d string) {
		o := envelope.FieldOpening{
			Members:     []envelope.MemberDigest{{Name: name, Digest: [32]byte(refSHA([]byte(d)))}},
			Disclosures: []envelope.Disclosure{envelope.Disclosure(d)},
		}
		_, shown, err := o.Verify(testOrigin)
		if err != nil {
			return
		}
		if shown.Members[0].Name != name || envelope.Canonical(shown.Members[0].Value) != nil {
			t.Fatal("shows something that is not canonical")
		}
	})
}
