package envelope_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

var update = flag.Bool("update", false, "write docs/spec/vectors anew")

// vectorsDir holds the vectors that other implementations run. They are
// written with -update and must otherwise be what the code would write.
const vectorsDir = "../../docs/spec/vectors"

// writeVectors compares v with the file, or writes the file.
func writeVectors(t *testing.T, name string, v any) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(vectorsDir, name)
	if *update {
		if err := os.MkdirAll(vectorsDir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test -run Vectors -update writes it)", err)
	}
	if !bytes.Equal(old, b.Bytes()) {
		t.Fatalf("%s is not what the code writes; if the format was meant to change, go test -run Vectors -update", file)
	}
}

// hexBytes is written as lower-case hex.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// vectorEvents are the events that are sealed: the smallest, one as services
// send them, awkward characters, and one of each padding class.
func vectorEvents() []struct{ name, event string } {
	return []struct{ name, event string }{
		{"one member", `{"a":null}`},
		{"consent.given, full form", `{"_prev":"` + strings.Repeat("A", 43) + `=","_recorded":"2026-05-04T12:31:40.021Z","_seq":2,"actor":{"role":"append","service":"webshop"},"channel":"email","contact":"mailto:leone@example.com","event_time":"2026-05-04T12:31:40Z","form":{"id":"web-newsletter","version":1},"id":"5c2a1f9e-8d41-4b7e-9d0a-0f6d3c1b2a99","purpose":"newsletter","schema":1,"statement":{"de":"Ja, ich möchte den Newsletter mit Musiktipps per E-Mail erhalten."},"subject":"c-2","type":"consent.given"}`},
		{"characters and numbers", "{\"!\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\u007f\u2028</>&\",\"n\":[0,-1,1e+21,1e-7,0.1,9007199254740992],\"o\":{\"\":0,\"\U0001f600\":1,\"\ue000\":2},\"~\":\"ß\U0001f600\"}"},
		{"255 bytes, one block", `{"a":"` + strings.Repeat("x", 247) + `"}`},
		{"256 bytes, two blocks", `{"a":"` + strings.Repeat("x", 248) + `"}`},
		{"5,000 bytes, Padmé", `{"a":"` + strings.Repeat("x", 4992) + `"}`},
	}
}

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
	writeVectors(t, "envelope.json", map[string]any{
		"about":         "docs/spec/envelope.md. Bytes are lower-case hex. padding: length of the event, length of the plaintext.",
		"canonical":     hexes(canonicalValues),
		"not_canonical": hexes(notCanonicalValues),
		"padding":       padding,
		"refused":       refused,
		"sealed":        vs,
	})
}

type memberVector struct {
	Name   string   `json:"name"`
	Digest hexBytes `json:"digest"`
}

type leafVector struct {
	Name     string         `json:"name"`
	Origin   string         `json:"origin"`
	R        hexBytes       `json:"r"`
	DE       hexBytes       `json:"d_e"`
	Members  []memberVector `json:"members"`
	DP       hexBytes       `json:"d_p"`
	Leaf     hexBytes       `json:"leaf"`
	LeafHash hexBytes       `json:"leaf_hash"`
}

type publicVector struct {
	Statement string   `json:"statement"`
	Leaf      hexBytes `json:"leaf"`
	LeafHash  hexBytes `json:"leaf_hash"`
}

type leafRefusal struct {
	Name    string         `json:"name"`
	Members []memberVector `json:"members"`
}

func TestLeafVectors(t *testing.T) {
	member := func(name string) memberVector { return memberVector{name, refSHA([]byte(name))} }
	list := func(names ...string) (ms []memberVector) {
		for _, n := range names {
			ms = append(ms, member(n))
		}
		return ms
	}
	var many []string
	for i := range 255 {
		many = append(many, "m"+string([]byte{'a' + byte(i/26), 'a' + byte(i%26)}))
	}
	field := func(ms []memberVector) *envelope.FieldOpening {
		f := &envelope.FieldOpening{R: [32]byte(refSHA([]byte("r"))), DE: [32]byte(refSHA([]byte("d_E")))}
		for _, m := range ms {
			f.Members = append(f.Members, envelope.MemberDigest{Name: m.Name, Digest: [32]byte(m.Digest)})
		}
		return f
	}
	var leaves []leafVector
	for _, c := range []struct {
		name, origin string
		ms           []memberVector
	}{
		{"one member", "ledger.example/log", list("type")},
		{"the same in another log", "ledger.example/log2", list("type")},
		{"order is bytewise", "ledger.example/log", list("!", "A", "Z", "_prev", "_seq", "a", "a!", "aa", "~")},
		{"longest name", "ledger.example/log", list(strings.Repeat("n", 255))},
		{"255 members", "ledger.example/log", list(many...)},
	} {
		f := field(c.ms)
		leaf, _, err := f.Verify(envelope.Origin(c.origin))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		dP, err := f.MembersHash()
		if err != nil {
			t.Fatal(err)
		}
		if want := refLeafFromDigests(f, c.origin); !bytes.Equal(leaf, want) {
			t.Fatalf("%s: the reference has another leaf", c.name)
		}
		hash := envelope.LeafHash(leaf)
		leaves = append(leaves, leafVector{c.name, c.origin, f.R[:], f.DE[:], c.ms, dP[:], leaf, hash[:]})
	}
	var refused []leafRefusal
	for _, c := range []leafRefusal{
		{"no member", []memberVector{}},
		{"one name twice, two truths", []memberVector{{"answer", refSHA([]byte("given"))}, {"answer", refSHA([]byte("refused"))}}},
		{"names out of order", list("b", "a")},
		{"256 members", list(append(many, "n")...)},
		{"empty name", list("")},
		{"name of 256 bytes", list(strings.Repeat("n", 256))},
		{"name with a space", list("a b")},
		{"name with a quotation mark", list(`a"`)},
		{"name with a backslash", list(`a\`)},
		{"name not ASCII", list("ä")},
	} {
		if _, _, err := field(c.Members).Verify(testOrigin); err == nil {
			t.Errorf("%s: accepted", c.Name)
		}
		refused = append(refused, c)
	}
	var public []publicVector
	for _, s := range []string{`{"type":"log.key"}`, `{"contact":"datenschutz@chinook.example","controller_id":"chinook","name":"Chinook Musik GmbH","type":"controller.registered"}`} {
		leaf, err := envelope.PublicLeaf([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(leaf, append([]byte{1, 1}, s...)) {
			t.Fatalf("public leaf of %s", s)
		}
		hash := envelope.LeafHash(leaf)
		public = append(public, publicVector{s, leaf, hash[:]})
	}
	var publicRefused []string
	for _, s := range []string{``, `{}`, `[]`, `{"a": 1}`, `{"a":1,"a":1}`, `{"b":1,"a":1}`, `{"a":1.0}`, `{"a":1}` + "\n"} {
		if _, err := envelope.PublicLeaf([]byte(s)); err == nil {
			t.Errorf("public leaf of %q", s)
		}
		publicRefused = append(publicRefused, s)
	}
	if _, err := envelope.PublicLeaf([]byte(`{"a":"` + strings.Repeat("x", 65533-8) + `"}`)); err != nil {
		t.Errorf("the largest public statement: %v", err)
	}
	if _, err := envelope.PublicLeaf([]byte(`{"a":"` + strings.Repeat("x", 65533-7) + `"}`)); err == nil {
		t.Error("a public statement too large for a log entry")
	}
	writeVectors(t, "leaf.json", map[string]any{
		"about":          "docs/spec/leaf.md. Bytes are lower-case hex, statements are text.",
		"public":         public,
		"public_refused": publicRefused,
		"refused":        refused,
		"sealed":         leaves,
	})
}

// refLeafFromDigests is the leaf of a list of digests, from the text.
func refLeafFromDigests(f *envelope.FieldOpening, origin string) []byte {
	b := append([]byte("lacuna/v1/members"), byte(len(f.Members)>>8), byte(len(f.Members)))
	for _, m := range f.Members {
		b = append(b, byte(len(m.Name)))
		b = append(b, m.Name...)
		b = append(b, m.Digest[:]...)
	}
	mac := refHMAC(f.R[:], []byte("lacuna/v1/leaf"), refSHA([]byte(origin)), f.DE[:], refSHA(b))
	return append([]byte{1, 0}, mac...)
}

type openingVector struct {
	Name     string            `json:"name"`
	Origin   string            `json:"origin"`
	Opening  string            `json:"opening"`
	Kind     envelope.Kind     `json:"kind"`
	Leaf     hexBytes          `json:"leaf"`
	Shown    map[string]string `json:"shown"`
	HeldBack []string          `json:"held_back"`
}

type openingRefusal struct {
	Name    string `json:"name"`
	Origin  string `json:"origin"`
	Opening string `json:"opening"`
}

func TestOpeningVectors(t *testing.T) {
	var accepted []openingVector
	var refused []openingRefusal
	accept := func(name, origin string, o *envelope.Opening) string {
		b, err := o.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		p, err := envelope.ParseOpening(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		leaf, shown, err := p.Verify(envelope.Origin(origin))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v := openingVector{name, origin, string(b), o.Kind(), leaf, map[string]string{}, shown.HeldBack()}
		if v.HeldBack == nil {
			v.HeldBack = []string{}
		}
		for _, m := range shown.Members {
			if m.Value != nil {
				v.Shown[m.Name] = string(m.Value)
			}
		}
		accepted = append(accepted, v)
		return string(b)
	}
	refuse := func(name, origin, opening string) {
		if o, err := envelope.ParseOpening([]byte(opening)); err == nil {
			if _, _, err := o.Verify(envelope.Origin(origin)); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
		refused = append(refused, openingRefusal{name, origin, opening})
	}
	all := allSealedVectors(t)
	for _, v := range []envelopeVector{all[1], all[len(all)/2+1], all[2]} {
		key := newTestKey(v.DEK)
		fields, err := envelope.OpenFields(key, v.Envelope, nil)
		if err != nil {
			t.Fatal(err)
		}
		full, err := envelope.OpenFull(key, v.Envelope)
		if err != nil {
			t.Fatal(err)
		}
		nothing := *fields
		nothing.Disclosures = nil
		text := accept(v.Name+", default field opening", v.Origin, fields.Opening(v.Leaf))
		accept(v.Name+", field opening of nothing", v.Origin, nothing.Opening(v.Leaf))
		fullText := accept(v.Name+", full opening", v.Origin, full.Opening(v.Leaf))
		if v.Name != all[1].Name {
			continue
		}
		refuse("transplanted into another log", "other.example", text)
		refuse("full opening transplanted into another log", "other.example", fullText)
		replace := func(name, text, old, new string) {
			if !strings.Contains(text, old) {
				t.Fatalf("%s: %q is not in the opening", name, old)
			}
			refuse(name, v.Origin, strings.Replace(text, old, new, 1))
		}
		replace("white space", text, `"kind":"field",`, `"kind": "field",`)
		refuse("line end behind", v.Origin, text+"\n")
		refuse("cut short", v.Origin, text[:len(text)-1])
		refuse("empty", v.Origin, "")
		replace("another version", text, `opening/v1`, `opening/v2`)
		replace("another kind", text, `"kind":"field"`, `"kind":"full"`)
		replace("a member too many", text, `"kind":"field"`, `"key":1,"kind":"field"`)
		replace("members out of order", text, `"kind":"field","lacuna":"opening/v1"`, `"lacuna":"opening/v1","kind":"field"`)
		replace("disclosure padded", text, `"],"kind"`, `="],"kind"`)
		d := string(fields.Disclosures[len(fields.Disclosures)-1])
		replace("disclosure in another place", text, `"`+string(fields.Disclosures[0])+`","`+string(fields.Disclosures[1])+`"`, `"`+string(fields.Disclosures[1])+`","`+string(fields.Disclosures[0])+`"`)
		replace("disclosure twice", text, `"`+d+`"`, `"`+d+`","`+d+`"`)
		replace("disclosure of no member", text, `"`+d+`"`, `"`+d+`","`+refB64([]byte(`["AAAAAAAAAAAAAAAAAAAAAA","zzz",1]`))+`"`)
		lie := refB64([]byte(`["AAAAAAAAAAAAAAAAAAAAAA","type","consent.withdrawn"]`))
		replace("another value", text, d, lie)
		wrong := *fields
		wrong.Members = slices.Clone(fields.Members)
		last := len(wrong.Members) - 1
		wrong.Members[last].Digest = [32]byte(refSHA([]byte(lie)))
		wrong.Disclosures = append(slices.Clone(fields.Disclosures[:len(fields.Disclosures)-1]), envelope.Disclosure(lie))
		b, err := wrong.Opening(v.Leaf).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		refuse("another value and its digest", v.Origin, string(b))
		digest := refB64(fields.Members[last].Digest[:])
		replace("one name twice, two truths", text, `["type","`+digest+`"]`, `["type","`+digest+`"],["type","`+refB64(refSHA([]byte(lie)))+`"]`)
		replace("names out of order", text, `["subject"`, `["zubject"`)
		replace("a member dropped", text, `,["type","`+digest+`"]`, ``)
		replace("r changed", text, `"r":"`, `"r":"A`)
		b64last := func(s string) string { // other bits that base64url ignores
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			i := strings.IndexByte(alphabet, s[len(s)-1])
			return s[:len(s)-1] + string(alphabet[i^1])
		}
		replace("base64 with other last bits", text, refB64(v.LeafHash), b64last(refB64(v.LeafHash)))
		replace("another leaf hash", text, refB64(v.LeafHash), refB64(refSHA(v.LeafHash)))
		replace("full opening with another secret", fullText, refB64(v.Secret), refB64(refSHA(v.Secret)))
		changed := bytes.Clone(v.Envelope)
		changed[100] ^= 1
		replace("full opening of a changed envelope", fullText, refB64(v.Envelope), refB64(changed))
	}
	for _, nested := range []string{`{"b":1,"b":2}`, `{"b":2,"a":1}`, `1.0`, ` 1`, `"\u0041"`} {
		d := refB64([]byte(`["AAAAAAAAAAAAAAAAAAAAAA","a",` + nested + `]`))
		f := &envelope.FieldOpening{Members: []envelope.MemberDigest{{Name: "a", Digest: [32]byte(refSHA([]byte(d)))}}, Disclosures: []envelope.Disclosure{envelope.Disclosure(d)}}
		b, err := f.Opening(refLeafFromDigests(f, "ledger.example/log")).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		refuse("value not canonical: "+nested, "ledger.example/log", string(b))
	}
	leaf, err := envelope.PublicLeaf([]byte(`{"name":"Chinook Musik GmbH","type":"controller.registered"}`))
	if err != nil {
		t.Fatal(err)
	}
	public, err := envelope.OpenPublic(leaf)
	if err != nil {
		t.Fatal(err)
	}
	text := accept("public statement", "ledger.example/log", public)
	refuse("public statement changed", "ledger.example/log", strings.Replace(text, "GmbH", "GmbX", 1))
	refuse("public statement not canonical", "ledger.example/log", strings.Replace(text, `{"name"`, `{ "name"`, 1))

	writeVectors(t, "opening.json", map[string]any{
		"about":    "docs/spec/opening.md. leaf is lower-case hex, openings and values are text.",
		"accepted": accepted,
		"refused":  refused,
	})
}
