package envelope_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// genValue draws a JSON value, as Go values that encoding/json can write.
func genValue(depth int) *rapid.Generator[any] {
	scalars := []*rapid.Generator[any]{
		rapid.Just[any](nil),
		rapid.Bool().AsAny(),
		rapid.Int64Range(-1<<53, 1<<53).AsAny(),
		rapid.Float64Range(-1e30, 1e30).AsAny(),
		rapid.String().AsAny(),
		rapid.StringOfN(rapid.RuneFrom([]rune("\x00\x01\b\t\n\f\r\x1f\"\\/<>&\u007f\u0080\u2028\ufffd\ue000\uffff😀ß")), 0, 12, -1).AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	return rapid.OneOf(append(scalars,
		rapid.SliceOfN(genValue(depth-1), 0, 4).AsAny(),
		rapid.MapOfN(rapid.String(), genValue(depth-1), 0, 4).AsAny())...)
}

var genName = rapid.OneOf(
	rapid.SampledFrom([]string{"type", "subject", "purpose", "_seq", "_prev", "_recorded", "event_time", "statement"}),
	rapid.StringMatching(`[!#-\[\]-~]{1,20}`),
	rapid.StringMatching(`[a-z]{255}`),
)

// genEvent draws a canonical event.
func genEvent(t *rapid.T) []byte {
	fields := rapid.MapOfN(genName, genValue(2), 1, 20).Draw(t, "event")
	if rapid.IntRange(0, 9).Draw(t, "long") == 0 {
		fields["transcript"] = strings.Repeat("wort ", rapid.IntRange(0, 4000).Draw(t, "words"))
	}
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	event, err := envelope.Canonicalize(b)
	if err != nil {
		t.Fatalf("canonicalising %s: %v", b, err)
	}
	return event
}

func genBytes(t *rapid.T, n int, label string) []byte {
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, label)
}

// TestReference holds the package against the second implementation: the same
// bytes where everything is determined (suite 1), and each opens what the
// other sealed where a nonce is drawn (suite 2).
func TestReference(t *testing.T) {
	const origin = "ledger.example/log"
	rapid.Check(t, func(t *rapid.T) {
		suite := rapid.SampledFrom(suites).Draw(t, "suite")
		dek, e := genBytes(t, 32, "dek"), [16]byte(genBytes(t, 16, "e"))
		event := genEvent(t)
		key := newTestKey(dek)

		sealed, err := envelope.SealWith(key, suite, envelope.Origin(origin), event, e)
		if err != nil {
			t.Fatal(err)
		}
		s := refSecret(dek, byte(suite), e[:])
		p := refExpand(s, byte(suite))
		if got, err := refOpen(s, sealed.Envelope); err != nil || !bytes.Equal(got, event) {
			t.Fatalf("the reference opens our envelope to %q, %v", got, err)
		}
		if want := refLeafOf(t, s, sealed.Envelope, origin); !bytes.Equal(sealed.Leaf[:], want) {
			t.Fatalf("leaf %x, the reference says %x", sealed.Leaf, want)
		}
		theirs := refEnvelope(p, byte(suite), e[:], genBytes(t, 12, "nonce"), event)
		if suite == envelope.ChaCha20Poly1305 && !bytes.Equal(theirs, sealed.Envelope) {
			t.Fatal("the reference seals to another envelope")
		}
		if got, err := envelope.Open(key, theirs); err != nil || !bytes.Equal(got, event) {
			t.Fatalf("opening the reference's envelope: %v", err)
		}

		// The other way in gives the same leaf, given the same e: compare
		// through the openings, which do not depend on the nonce of suite 2.
		members, err := envelope.Split(event)
		if err != nil {
			t.Fatal(err)
		}
		again, err := envelope.SealMembers(key, suite, envelope.Origin(origin), members)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := envelope.Open(key, again.Envelope); err != nil || !bytes.Equal(got, event) {
			t.Fatalf("sealed in pieces: %v", err)
		}
		s2 := refSecret(dek, byte(suite), again.Envelope[1:17])
		if want := refLeafOf(t, s2, again.Envelope, origin); !bytes.Equal(again.Leaf[:], want) {
			t.Fatal("sealed in pieces: another leaf")
		}

		// Openings: any choice of members verifies to the same leaf, shows
		// exactly those, and has the digests of the reference.
		refMs := refMembers(t, event)
		refDs := refDisclosures(p, byte(suite), refMs)
		chosen := map[string]bool{}
		for _, m := range refMs {
			chosen[m.name] = rapid.Bool().Draw(t, "show")
		}
		fields, err := envelope.OpenFields(key, sealed.Envelope, func(name string) bool { return chosen[name] })
		if err != nil {
			t.Fatal(err)
		}
		full, err := envelope.OpenFull(key, sealed.Envelope)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(full.Secret[:], s) {
			t.Fatal("the full opening has another secret")
		}
		shown := 0
		for i, m := range refMs {
			if fields.Members[i].Name != m.name || !bytes.Equal(fields.Members[i].Digest[:], refSHA([]byte(refDs[i]))) {
				t.Fatalf("member %d differs", i)
			}
			if chosen[m.name] {
				if string(fields.Disclosures[shown]) != refDs[i] {
					t.Fatalf("disclosure %d differs", i)
				}
				shown++
			}
		}
		if shown != len(fields.Disclosures) {
			t.Fatal("more disclosures than chosen")
		}
		for _, o := range []*envelope.Opening{fields.Opening(sealed.Leaf[:]), full.Opening(sealed.Leaf[:])} {
			b, err := o.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if err := envelope.Canonical(b); err != nil {
				t.Fatalf("a serialised opening is not canonical JSON: %v", err)
			}
			o, err := envelope.ParseOpening(b)
			if err != nil {
				t.Fatal(err)
			}
			leaf, disclosed, err := o.Verify(envelope.Origin(origin))
			if err != nil || !bytes.Equal(leaf, sealed.Leaf[:]) {
				t.Fatalf("%s opening: %v", o.Kind(), err)
			}
			for i, m := range disclosed.Members {
				want := refMs[i].value
				if o.Kind() == envelope.Field && !chosen[m.Name] {
					want = ""
				}
				if m.Name != refMs[i].name || string(m.Value) != want {
					t.Fatalf("%s opening shows member %d as %q", o.Kind(), i, m.Value)
				}
			}
			if o.Kind() == envelope.Full && !bytes.Equal(disclosed.Event(), event) {
				t.Fatal("a full opening shows another event")
			}
		}
	})
}

// TestFreshness: sealing the same event twice gives nothing in common.
func TestFreshness(t *testing.T) {
	for _, suite := range suites {
		t.Run(fmt.Sprint(suite), func(t *testing.T) {
			a, err := envelope.Seal(alice, suite, testOrigin, []byte(testEvent))
			if err != nil {
				t.Fatal(err)
			}
			b, err := envelope.Seal(alice, suite, testOrigin, []byte(testEvent))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(a.Envelope[1:17], b.Envelope[1:17]) || a.Leaf == b.Leaf {
				t.Fatal("two seals of one event share e or leaf")
			}
		})
	}
}
