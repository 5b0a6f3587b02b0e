package envelope_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
	"github.com/lacunalog/lacuna/ledger/envelope"
)

type envelopeVector struct {
	Name        string     `json:"name"`
	Suite       byte       `json:"suite"`
	Origin      string     `json:"origin"`
	DEK         hexBytes   `json:"dek"`
	E           hexBytes   `json:"e"`
	Nonce       hexBytes   `json:"nonce,omitempty"`
	Event       string     `json:"event"`
	PRK         hexBytes   `json:"prk"`
	Secret      hexBytes   `json:"secret"`
	K           hexBytes   `json:"k"`
	KC          hexBytes   `json:"kc"`
	S           hexBytes   `json:"s"`
	R           hexBytes   `json:"r"`
	Padded      int        `json:"padded_length"`
	Envelope    hexBytes   `json:"envelope"`
	Disclosures []string   `json:"disclosures"`
	Digests     []hexBytes `json:"digests"`
	DE          hexBytes   `json:"d_e"`
	DP          hexBytes   `json:"d_p"`
	Leaf        hexBytes   `json:"leaf"`
	LeafHash    hexBytes   `json:"leaf_hash"`
}

type envelopeRefusal struct {
	Name     string   `json:"name"`
	DEK      hexBytes `json:"dek"`
	Envelope hexBytes `json:"envelope"`
	Why      string   `json:"why"`
}

// sealedVector computes one vector with the reference and holds the package
// against it.
func sealedVector(t *testing.T, name, event string, suite envelope.Suite, n byte) envelopeVector {
	t.Helper()
	const origin = "ledger.example/log"
	dek := refSHA([]byte("dek"), []byte{n})
	e := refSHA([]byte("e"), []byte{n})[:16]
	s := refSecret(dek, byte(suite), e)
	p := refExpand(s, byte(suite))
	ms := refMembers(t, []byte(event))
	ds := refDisclosures(p, byte(suite), ms)
	v := envelopeVector{
		Name: name, Suite: byte(suite), Origin: origin, DEK: dek, E: e, Event: event,
		PRK: newTestKey(dek).prk, Secret: s, K: p.K, KC: p.KC, S: p.S, R: p.r,
		Padded: len(refPad([]byte(event))), Disclosures: ds, DP: refMembersHash(ms, ds),
	}
	for _, d := range ds {
		v.Digests = append(v.Digests, refSHA([]byte(d)))
	}
	if suite == envelope.AES256GCM {
		v.Nonce = refSHA([]byte("nonce"), []byte{n})[:12]
	}
	v.Envelope = refEnvelope(p, byte(suite), e, v.Nonce, []byte(event))
	v.DE = refSHA([]byte("lacuna/v1/envelope"), v.Envelope)
	v.Leaf = refLeaf(p.r, origin, v.Envelope, v.DP)
	v.LeafHash = refSHA([]byte{0}, v.Leaf)

	if suite == envelope.ChaCha20Poly1305 {
		sealed, err := envelope.SealWith(newTestKey(dek), suite, envelope.Origin(origin), []byte(event), [16]byte(e))
		if err != nil || !bytes.Equal(sealed.Envelope, v.Envelope) || !bytes.Equal(sealed.Leaf[:], v.Leaf) {
			t.Fatalf("%s: sealed to something else: %v", name, err)
		}
	}
	full, err := envelope.OpenFull(newTestKey(dek), v.Envelope)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	leaf, shown, err := full.Verify(envelope.Origin(origin))
	if err != nil || !bytes.Equal(leaf, v.Leaf) || string(shown.Event()) != event || !bytes.Equal(full.Secret[:], v.Secret) {
		t.Fatalf("%s: opened to something else: %v", name, err)
	}
	return v
}

func allSealedVectors(t *testing.T) (vs []envelopeVector) {
	for _, suite := range suites {
		for _, e := range vectorEvents() {
			vs = append(vs, sealedVector(t, suite.String()+", "+e.name, e.event, suite, byte(len(vs))))
		}
	}
	return vs
}

func TestEnvelopeVectors(t *testing.T) {
	vs := allSealedVectors(t)
	var refused []envelopeRefusal
	refuse := func(name string, dek, env []byte, why string) {
		if _, err := envelope.Open(newTestKey(dek), env); err == nil {
			t.Errorf("%s: opened", name)
		}
		refused = append(refused, envelopeRefusal{name, dek, slices.Clone(env), why})
	}
	for _, v := range []envelopeVector{vs[0], vs[len(vs)/2]} {
		suite := envelope.Suite(v.Suite).String() + ", "
		flip := func(i int) []byte {
			b := bytes.Clone(v.Envelope)
			b[(i+len(b))%len(b)] ^= 1
			return b
		}
		refuse(suite+"another key", refSHA(v.DEK), v.Envelope, "key commitment")
		refuse(suite+"e changed", v.DEK, flip(1), "key commitment")
		refuse(suite+"key commitment changed", v.DEK, flip(17), "key commitment")
		refuse(suite+"ciphertext changed", v.DEK, flip(49), "ciphertext")
		refuse(suite+"tag changed", v.DEK, flip(-1), "ciphertext")
		refuse(suite+"cut short", v.DEK, v.Envelope[:len(v.Envelope)-1], "ciphertext")
		other := bytes.Clone(v.Envelope)
		other[0] = 3
		refuse(suite+"unknown suite", v.DEK, other, "suite")
		p := refParts{v.K, v.KC, v.S, v.R}
		resealed := func(plaintext []byte) []byte {
			ad := slices.Concat([]byte{v.Suite}, v.E, v.KC)
			nonce := make([]byte, 12)
			if v.Suite == 2 {
				nonce = v.Nonce
			}
			return slices.Concat(ad, v.Nonce, refAEAD(v.Suite, p.K).Seal(nil, nonce, plaintext, ad))
		}
		padded := func(event string) []byte { return refPad([]byte(event)) }
		refuse(suite+"no padding mark", v.DEK, resealed(make([]byte, 256)), "padding")
		refuse(suite+"padded one block too far", v.DEK, resealed(append(padded(`{"a":null}`), make([]byte, 256)...)), "padding")
		refuse(suite+"not padded to a size class", v.DEK, resealed(append([]byte(`{"a":"`+strings.Repeat("x", 300)+`"}`), 0x80)), "padding")
		refuse(suite+"something after the mark", v.DEK, resealed(append(padded(`{"a":null}`)[:255], 1)), "padding")
		refuse(suite+"white space", v.DEK, resealed(padded(`{"a": null}`)), "not canonical")
		refuse(suite+"duplicate member", v.DEK, resealed(padded(`{"a":1,"a":2}`)), "members")
		refuse(suite+"members out of order", v.DEK, resealed(padded(`{"b":1,"a":2}`)), "members")
		refuse(suite+"nested duplicate", v.DEK, resealed(padded(`{"a":{"b":1,"b":2}}`)), "not canonical")
		refuse(suite+"number not canonical", v.DEK, resealed(padded(`{"a":1.0}`)), "not canonical")
		refuse(suite+"escape not canonical", v.DEK, resealed(padded(`{"a":"\u0041"}`)), "not canonical")
		refuse(suite+"invalid UTF-8", v.DEK, resealed(padded("{\"a\":\"\xff\"}")), "not canonical")
		refuse(suite+"name not ASCII", v.DEK, resealed(padded(`{"ä":1}`)), "members")
		refuse(suite+"no members", v.DEK, resealed(padded(`{}`)), "members")
		refuse(suite+"no object", v.DEK, resealed(padded(`[1]`)), "members")
	}
	var padding [][2]int
	for _, n := range []int{2, 255, 256, 4095, 4096, 8191, 8192, 65535, 65536, 1 << 20} {
		padding = append(padding, [2]int{n, envelope.PaddedSize(n)})
	}
	hexes := func(ss []string) (hs []hexBytes) {
		for _, s := range ss {
			hs = append(hs, hexBytes(s))
		}
		return hs
	}
	vectors.Same(t, "envelope.json", map[string]any{
		"about":         "docs/spec/envelope.md. Bytes are lower-case hex. padding: length of the event, length of the plaintext.",
		"canonical":     hexes(canonicalValues),
		"not_canonical": hexes(notCanonicalValues),
		"padding":       padding,
		"refused":       refused,
		"sealed":        vs,
	})
}
