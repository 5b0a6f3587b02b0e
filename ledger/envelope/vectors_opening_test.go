package envelope_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
	"github.com/lacunalog/lacuna/ledger/envelope"
)

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

	// An event that names the leaf of the statement above: the statement may come
	// along, and nothing else may.
	hash := envelope.LeafHash(leaf)
	key := newTestKey(bytes.Repeat([]byte{3}, 32))
	referring := fmt.Appendf(nil, `{"form":{"id":"f","leaf":"%s","version":1},"type":"consent.given"}`, base64.StdEncoding.EncodeToString(hash[:]))
	sealed, err := envelope.SealWith(key, envelope.ChaCha20Poly1305, envelope.Origin("ledger.example/log"), referring, [16]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	fields, err := envelope.OpenFields(key, sealed.Envelope, nil)
	if err != nil {
		t.Fatal(err)
	}
	with := fields.Opening(sealed.Leaf[:])
	with.Statements = [][]byte{public.Public}
	text = accept("field opening with the statement that the event names", "ledger.example/log", with)
	refuse("field opening with another statement", "ledger.example/log", strings.Replace(text, "GmbH", "GmbX", 1))
	refuse("field opening with an empty list of statements", "ledger.example/log", text[:strings.Index(text, `"statements":[`)]+`"statements":[]}`)
	refuse("field opening with a statement twice", "ledger.example/log", strings.Replace(text, `]}`, `,`+string(public.Public)+`]}`, 1))
	full, err := envelope.OpenFull(key, sealed.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	with = full.Opening(sealed.Leaf[:])
	with.Statements = [][]byte{public.Public}
	accept("full opening with the statement that the event names", "ledger.example/log", with)

	vectors.Same(t, "opening.json", map[string]any{
		"about":    "docs/spec/opening.md. leaf is lower-case hex, openings and values are text.",
		"accepted": accepted,
		"refused":  refused,
	})
}
