package envelope_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// canonicalByRewriting is the slow way to the same answer: rewrite with
// jsontext and compare.
func canonicalByRewriting(b []byte) bool {
	v := jsontext.Value(bytes.Clone(b))
	return v.Canonicalize() == nil && bytes.Equal(v, b)
}

var (
	canonicalValues = []string{
		`null`, `true`, `false`, `0`, `-1`, `123456789012345`, `1234567890123456`, `9007199254740992`, `1e+21`, `0.000001`, `1e-7`,
		`100000000000000000000`, `-0.5`, `5e-324`, `1.7976931348623157e+308`, `""`, `"ß😀"`, "\"\u007f\u2028\"", `"\"\\\b\f\n\r\t\u0000\u001f"`,
		`[]`, `{}`, `[1,[],{}]`, `{"":1,"a":{"b":[null]},"b":2}`, "{\"\U0001f600\":1,\"\ue000\":2}", `{"a\"":1,"a#":2}`, "{\"a\\u0000\":1,\"a\\u001f\":2,\"a \":3}",
		strings.Repeat("[", 64) + strings.Repeat("]", 64),
	}
	notCanonicalValues = []string{
		``, ` `, ` 1`, `1 `, `01`, `-0`, `+1`, `1.0`, `1.50`, `.5`, `1.`, `1e5`, `1E+21`, `1e21`, `1000000000000000000000`, `9007199254740993`, `1e400`, `-`, `NaN`, `1_0`, `0x1`, `0e0`, `00`,
		`"`, `"\/"`, `"\u0041"`, `"\u000A"`, `"\u000a"`, `"\u0008"`, `"\u001F"`, `"\u007f"`, `"\u00e4"`, `"\ud83d\ude00"`, `"\ud800"`, `"\x"`, `"\u00"`, "\"\n\"", "\"\xff\"", "\"\xed\xa0\x80\"", "\"\xc0\xaf\"", `"\`,
		`[`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 ,2]`, `[1]]`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{"a" :1}`, `{"a": 1}`, `{a:1}`, `{"b":1,"a":2}`, `{"a":1,"a":2}`, `{"a":{"x":1,"x":2}}`,
		"{\"\ue000\":1,\"\U0001f600\":2}", `tru`, `nul`, `True`, `nulll`, `'a'`, `{"a#":1,"a\"":2}`,
		strings.Repeat("[", 65) + strings.Repeat("]", 65),
	}
)

func TestCanonical(t *testing.T) {
	for _, s := range canonicalValues {
		if err := envelope.Canonical([]byte(s)); err != nil {
			t.Errorf("%q refused: %v", s, err)
		}
		if !canonicalByRewriting([]byte(s)) {
			t.Errorf("%q: jsontext disagrees", s)
		}
	}
	for _, s := range notCanonicalValues {
		err := envelope.Canonical([]byte(s))
		if !errors.Is(err, envelope.ErrNotCanonical) {
			t.Errorf("%q: got %v", s, err)
		}
	}
}

// TestCanonicalAgrees compares scanner and rewriting on values, and on
// values with one byte changed, where nearly all the mistakes are near.
func TestCanonicalAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, err := json.Marshal(genValue(3).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := envelope.Canonicalize(b); err == nil {
			if !canonicalByRewriting(c) {
				t.Fatalf("Canonicalize made %q of %q", c, b)
			}
			b = c
		}
		if rapid.Bool().Draw(t, "change") && len(b) > 0 {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("{}[],:\"\\0123456789eE+-. \x00\x1fnulltrfas/ub\xff\xc3")).Draw(t, "byte")
		}
		agree(t, b)
	})
}

func agree(t fataler, b []byte) {
	got, want := envelope.Canonical(b), canonicalByRewriting(b)
	if (got == nil) != want {
		if want && strings.Contains(got.Error(), "nested deeper") {
			return // our limit, not RFC 8785's
		}
		t.Fatalf("%q: scanner says %v, jsontext says canonical=%v", b, got, want)
	}
}

func TestCanonicalizeRefuses(t *testing.T) {
	for _, s := range []string{`{"a":1,"a":1}`, `{"n":{"x":1,"x":2}}`, `{"a":9007199254740993}`, `{"a":1e999}`, "\"\xff\"", `"\ud800"`, `{"a":1`, `{} {}`, ``} {
		if c, err := envelope.Canonicalize([]byte(s)); err == nil {
			t.Errorf("%q became %q", s, c)
		}
	}
	c, err := envelope.Canonicalize([]byte(` { "b" : 1.50, "a" : [ 1E3, "\u0041\/", -0 ] } `))
	if want := `{"a":[1000,"A/",0],"b":1.5}`; err != nil || string(c) != want {
		t.Errorf("got %q, %v; want %q", c, err, want)
	}
}

func TestMemberNames(t *testing.T) {
	long := strings.Repeat("n", 255)
	for _, s := range []string{`{"a":1}`, `{"!":1,"~":2}`, `{"` + long + `":0}`} {
		if _, err := envelope.Split([]byte(s)); err != nil {
			t.Errorf("%.40q: %v", s, err)
		}
	}
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`,"` + string([]byte{'a' + byte(i/26), 'a' + byte(i%26)}) + `":0`)
		}
		return "{" + b.String()[1:] + "}"
	}
	if m, err := envelope.Split([]byte(many(255))); err != nil || len(m) != 255 {
		t.Errorf("255 members: %v", err)
	}
	for what, s := range map[string]string{
		"256 members":         many(256),
		"no object":           `[1]`,
		"no members":          `{}`,
		"empty name":          `{"":1}`,
		"name of 256 bytes":   `{"n` + long + `":0}`,
		"space in a name":     `{"a b":1}`,
		"escape in a name":    `{"a\"b":1}`,
		"Cyrillic look-alike": `{"answer":1,"аnswer":2}`,
		"duplicate":           `{"a":1,"a":2}`,
		"disorder":            `{"b":1,"a":2}`,
		"something behind":    `{"a":1}1`,
		"nested duplicate":    `{"a":{"b":1,"b":1}}`,
	} {
		if _, err := envelope.Split([]byte(s)); err == nil {
			t.Errorf("%s: accepted by Split", what)
		}
		if _, err := envelope.Seal(alice, 1, testOrigin, []byte(s)); err == nil {
			t.Errorf("%s: sealed", what)
		}
	}
	if _, err := envelope.SealMembers(alice, 1, testOrigin, []envelope.Member{{"b", []byte("1")}, {"a", []byte("1")}}); !errors.Is(err, envelope.ErrMembers) {
		t.Errorf("disorder sealed in pieces: %v", err)
	}
	for _, members := range [][]envelope.Member{
		nil,
		{{"a", nil}},
		{{"a", []byte("1.0")}},
		{{"a", []byte(`1,"b":2`)}},
		{{"a", []byte(`{"x":1`)}, {"b", []byte("2}")}},
		{{"a", []byte(`1,"b":{"x":1`)}, {"c", []byte("2}")}},
		{{`a":1,"b`, []byte("2")}},
	} {
		if _, err := envelope.SealMembers(alice, 1, testOrigin, members); err == nil {
			t.Errorf("%d members were sealed", len(members))
		}
	}
	big := []byte(`{"a":"` + strings.Repeat("x", envelope.MaxEvent) + `"}`)
	if _, err := envelope.Seal(alice, 1, testOrigin, big); !errors.Is(err, envelope.ErrMembers) {
		t.Errorf("too big an event: %v", err)
	}
	if _, err := envelope.SealMembers(alice, 1, testOrigin, []envelope.Member{{"a", big}}); !errors.Is(err, envelope.ErrMembers) {
		t.Errorf("too big an event in pieces: %v", err)
	}
	exact := []byte(`{"a":"` + strings.Repeat("x", envelope.MaxEvent-8) + `"}`)
	sealed, err := envelope.Seal(alice, 1, testOrigin, exact)
	if err != nil {
		t.Fatalf("the largest event: %v", err)
	}
	full, err := envelope.OpenFull(alice, sealed.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	b, err := full.Opening(sealed.Leaf[:]).Marshal()
	if err != nil {
		t.Fatalf("full opening of the largest event: %v", err)
	}
	if _, err := envelope.ParseOpening(b); err != nil {
		t.Fatal(err)
	}
	fields, err := envelope.OpenFields(alice, sealed.Envelope, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fields.Opening(sealed.Leaf[:]).Marshal(); err != nil {
		t.Fatalf("field opening of the largest event: %v", err)
	}
}

// TestStringBytes puts every byte at every place of a string, alone and behind every
// byte that the scanner has to stop at.
func TestStringBytes(t *testing.T) {
	for at := range 19 {
		for c := range 256 {
			b := []byte(`"` + strings.Repeat("a", 20) + `"`)
			b[1+at] = byte(c)
			agree(t, b)
			for _, stop := range []byte{0, 0x1f, '"', '\\', 0x80, 0xff} {
				b[2+at] = stop
				agree(t, b)
			}
		}
	}
}

// FuzzPieces seals a value as the first, the only and the last member. It is refused
// exactly where the value alone is, or would be too deep.
func FuzzPieces(f *testing.F) {
	for _, s := range slices.Concat(canonicalValues, notCanonicalValues) {
		f.Add([]byte(s))
	}
	f.Add([]byte(`1,"b":2`))
	f.Add([]byte(`"abcdefgh`))
	f.Fuzz(func(t *testing.T, v []byte) {
		deep := slices.Concat([]byte{'['}, v, []byte{']'})
		want := envelope.Canonical(v)
		if want == nil {
			want = envelope.Canonical(deep)
		}
		m, one := envelope.Member{Name: "m", Value: v}, []byte("1")
		for _, members := range [][]envelope.Member{{m}, {m, {Name: "n", Value: one}}, {{Name: "l", Value: one}, m}} {
			sealed, err := envelope.SealMembers(alice, 1, testOrigin, members)
			if (err == nil) != (want == nil) {
				t.Fatalf("%q as one of %d members: %v; alone: %v", v, len(members), err, want)
			}
			if err != nil {
				continue
			}
			event, err := envelope.Open(alice, sealed.Envelope)
			if err != nil {
				t.Fatal(err)
			}
			got, err := envelope.Split(event)
			if err != nil || len(got) != len(members) {
				t.Fatalf("%q is %d members, %v; want %d", event, len(got), err, len(members))
			}
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{testEvent, `{"a":[1,2.5,1e+21],"b":"\n\u0001"}`, "{\"\U0001f600\":1,\"\ue000\":2}", `[[[]]]`, `-0`, `1e-7`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { agree(t, b) })
}
