package event

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func refusal(t *testing.T, err error) *Refused {
	t.Helper()
	var r *Refused
	if !errors.As(err, &r) {
		t.Fatalf("error is %v, not a *Refused", err)
	}
	if len(r.Reasons) == 0 || strings.ContainsAny(r.Error(), "\n\r") {
		t.Errorf("refusal %q: want reasons in one line", r.Error())
	}
	return r
}

func TestParseRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	tests := []struct {
		text, reason, path string
		line, column       int
	}{
		{``, BadJSON, "", 1, 1},
		{`null`, WrongType, "", 1, 1},
		{`["type"]`, WrongType, "", 1, 1},
		{`{"a":1,}`, BadJSON, "", 1, 8},
		{`{'a':1}`, BadJSON, "", 1, 2},
		{`{"a":1 "b":2}`, BadJSON, "", 1, 8},
		{"{\"ä\":\"ö\",\n \"b\":tru}", BadJSON, "/b", 2, 9},
		{`{"a":01}`, BadJSON, "", 1, 7},
		{"{\"a\":\"x\ny\"}", BadJSON, "/a", 1, 8},
		{`{"a":1} {"b":2}`, BadJSON, "", 1, 9},
		{`{"a":1}x`, BadJSON, "", 1, 8},
		{`{"a":"`, BadJSON, "/a", 1, 7},
		{"\xef\xbb\xbf{}", BOM, "", 1, 1},
		{"{\"a\":\"\xfc\"}", BadUTF8, "/a", 1, 7},
		{"{\"a\":\"\xed\xa0\x80\"}", BadUTF8, "/a", 1, 7},
		{`{"a":"\ud800"}`, BadUTF8, "/a", 1, 7},
		{`{"a":"\udc00\ud800"}`, BadUTF8, "/a", 1, 7},
		{`{"a":1,"a":2}`, DuplicateName, "/a", 1, 8},
		{`{"a":1,"\u0061":2}`, DuplicateName, "/a", 1, 8},
		{`{"a":{"b":[1,{"c":1,"c":1}]}}`, DuplicateName, "/a/b/1/c", 1, 21},
		{`{"a":1e400}`, OutOfRange, "", 1, 6},
		{`{"a":1e-400}`, OutOfRange, "", 1, 6},
		{`{"a":9007199254740992}`, OutOfRange, "", 1, 6},
		{`{"a":[0,0.10000000000000000001]}`, OutOfRange, "", 1, 9},
		{deep(MaxDepth + 1), TooDeep, "", 0, 0},
		{deep(20000), TooDeep, "", 0, 0},
		{`{"a":"` + strings.Repeat("x", MaxSize) + `"}`, TooLarge, "", 0, 0},
		{`{` + strings.Repeat(" ", maxText) + `}`, TooLarge, "", 0, 0},
	}
	for _, x := range tests {
		_, err := Parse([]byte(x.text))
		r := refusal(t, err)
		if g := r.Reasons[0]; len(r.Reasons) != 1 || g.Reason != x.reason || g.Path != x.path || r.Line != x.line || r.Column != x.column {
			t.Errorf("Parse(%.60q): %v at %d:%d; want %s at %s, %d:%d", x.text, r.Reasons, r.Line, r.Column, x.reason, x.path, x.line, x.column)
		}
	}
}

func TestParseCanonical(t *testing.T) {
	tests := []struct{ text, want string }{
		{`{}`, `{}`},
		{" {\t\"b\" : 1.0 ,\r\n\"a\":[ true , null ] } ", `{"a":[true,null],"b":1}`},
		{`{"a":-0,"b":1e3,"c":0.1,"d":100E-2,"e":0e99999999999999}`, `{"a":0,"b":1000,"c":0.1,"d":1,"e":0}`},
		{`{"a":"\u00e4\/\u0007\ud83d\ude00"}`, `{"a":"ä/\u0007😀"}`},
		{`{"a":{"z":1,"y":{"b":1,"a":2}}}`, `{"a":{"y":{"a":2,"b":1},"z":1}}`},
		// RFC 8785, section 3.2.3: names by UTF-16 code units.
		{`{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`,
			`{"\r":2,"1":4,"` + "\u0080" + `":6,"ö":7,"€":1,"😀":5,"` + "\ufb33" + `":3}`},
		{`{"a!":1,"a":2,"a b":3,"ab":4}`, `{"a":2,"a b":3,"a!":1,"ab":4}`},
	}
	for _, x := range tests {
		e, err := Parse([]byte(x.text))
		if err != nil {
			t.Errorf("Parse(%q): %v", x.text, err)
			continue
		}
		if got := string(e.Canonical()); got != x.want {
			t.Errorf("Parse(%q) = %s, want %s", x.text, got, x.want)
		}
		checkEvent(t, e)
	}
}

// checkEvent holds the parts of an event against each other.
func checkEvent(t *testing.T, e *Event) {
	t.Helper()
	again, err := parseAny(e.Canonical())
	if err != nil {
		t.Fatalf("canonical text %s: %v", e.Canonical(), err)
	}
	if !bytes.Equal(again.Canonical(), e.Canonical()) || again.Len() != e.Len() {
		t.Fatalf("canonical text %s reads back as %s", e.Canonical(), again.Canonical())
	}
	for i, m := range e.Members() {
		if o := again.Members()[i]; o.Name != m.Name || !bytes.Equal(o.Value, m.Value) {
			t.Fatalf("member %d of %s is %s, not %s", i, e.Canonical(), m.Name, o.Name)
		}
		if v, ok := e.Get(m.Name); !ok || !bytes.Equal(v, m.Value) {
			t.Fatalf("Get(%q) of %s gives %s", m.Name, e.Canonical(), v)
		}
		if i > 0 && compareNames(e.Members()[i-1].Name, m.Name) >= 0 {
			t.Fatalf("members of %s are out of order", e.Canonical())
		}
	}
}

// TestPublishedExamples: of the records in the DPV guide to ISO/IEC TS 27560
// some are no JSON and some repeat a name. Each is refused with its place.
func TestPublishedExamples(t *testing.T) {
	want := map[string]string{
		"duplicate-keys/09.json": "duplicate_name /dpv:hasNotice 11:5",
		"duplicate-keys/13.json": "duplicate_name /dpv:hasProcess/dpv:hasProcess 12:9",
		"duplicate-keys/15.json": "duplicate_name /dpv:hasProcess/dpv:hasPurpose 11:9",
		"invalid/10.json":        "bad_json /dpv:hasStatus 6:9",
		"invalid/27.json":        "bad_json /dpv:hasProcess/0/dpv:hasPersonalData 7:32",
		"invalid/29.json":        "bad_json /dpv:hasProcess/0/dpv:hasProcessing/0/skos:broader 10:29",
		"invalid/30.json":        "bad_json /dpv:hasProcess/0/dpv:hasPersonalData 7:32",
		"invalid/31.json":        "bad_json /dpv:hasProcess/0/dpv:hasPersonalData 7:32",
		"invalid/34.json":        "bad_json /dpv:hasProcess/0/dpv:hasDataProcessingCondition/0 11:9",
		"invalid/35.json":        "bad_json /dpv:hasProcess/dpv:hasRule/0 10:9",
		"invalid/41.json":        "bad_json /dpv:hasProcess/1/dpv:hasProcessing 18:5",
		"invalid/50.json":        "bad_json /dpv:hasProcess/dpv:hasRight/dpv:hasObligation/schema:object/schema:distribution 26:1",
		"invalid/65.json":        "bad_json /dpv:hasEntity/schema:url 9:13",
		"invalid/79.json":        "bad_json /dpv:hasProcess/dpv:hasStorageCondition/0 22:9",
		// A name like example-processor.com may be a person's; the place tells it.
		"../opendsr-02.json": "bad_json /extensions/? 20:5",
	}
	for name, w := range want {
		text, err := os.ReadFile(filepath.Join("testdata/dpv-27560", name))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse(text)
		r := refusal(t, err)
		if got := fmt.Sprintf("%s %s %d:%d", r.Reasons[0].Reason, r.Reasons[0].Path, r.Line, r.Column); got != w {
			t.Errorf("%s: %s, want %s", name, got, w)
		}
	}
	valid, err := filepath.Glob("testdata/dpv-27560/valid/*.json")
	if err != nil || len(valid) == 0 {
		t.Fatal("no valid examples")
	}
	for _, name := range valid {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkEvent(t, e)
		// Strict JSON, but no event of ours.
		if r := refusal(t, Check(e)); !r.Has(MissingMember) {
			t.Errorf("%s: %v", name, r)
		}
	}
}

func TestParseFull(t *testing.T) {
	if _, err := ParseFull([]byte(`{"a":1,"b":2}`)); err != nil {
		t.Error(err)
	}
	for _, text := range []string{`{"b":1,"a":2}`, `{"a": 1}`, `{"a":1.0}`, "{}\n"} {
		if _, err := ParseFull([]byte(text)); err == nil {
			t.Errorf("ParseFull(%q) accepts what is not canonical", text)
		}
	}
}

func TestEventIsImmutable(t *testing.T) {
	e, err := Parse([]byte(`{"a":1,"c":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	w := e.With("b", []byte(` { "z" : 1, "y":2 } `)).WithString("ü", "ä\"").With("a", []byte("2"))
	if got, want := string(w.Canonical()), `{"a":2,"b":{"y":2,"z":1},"c":"x","ü":"ä\""}`; got != want {
		t.Errorf("With: %s, want %s", got, want)
	}
	checkEvent(t, w)
	checkEvent(t, w.Without("b", "c"))
	if got := string(e.Canonical()); got != `{"a":1,"c":"x"}` {
		t.Errorf("the event changed to %s", got)
	}
	if got := w.Str("ü"); got != `ä"` {
		t.Errorf("Str = %q", got)
	}
	if got := string(w.Without("a", "b", "c", "ü").Canonical()); got != "{}" {
		t.Errorf("Without everything: %s", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("With accepts what is not JSON")
		}
	}()
	e.With("x", []byte("{"))
}

// TestPrintsNothing: an event that lands in a log line must not tell whom it is about.
func TestPrintsNothing(t *testing.T) {
	e := mustParse(t, `{"type":"consent.withdrawn","subject":"leonie","contact":"mailto:leonie@surfeu.de"}`)
	k := Key{Subject: "leonie", Compartment: "marketing", Cohort: "2021"}
	q := Request{ID: "leonie", Contact: "mailto:leonie@surfeu.de"}
	bad := mustParse(t, `{"type":"leonie"}`)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{e, *e, e.Members(), e.Members()[0], k, &k, bad} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "leonie") || strings.Contains(s, "6c656f6e") {
				t.Errorf("%T with %s prints %s", v, verb, s)
			}
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, q); strings.Contains(s, "leonie") {
			t.Errorf("a request with %s prints %s", verb, s)
		}
	}
	for _, text := range []string{
		`{"leonie@surfeu.de":1,"type":"consent.given"}`, `{"+49711":1}`, `{"type":"c-2"}`, `{"c-2":1,"c-2":2}`, `{"type":"consent.given","subject":{"c-2":1}}`,
	} {
		e, err := Parse([]byte(text))
		if err == nil {
			err = Check(e)
		}
		if s := refusal(t, err).Error(); strings.Contains(s, "leonie") || strings.Contains(s, "c-2") || strings.Contains(s, "+49") {
			t.Errorf("%s: %s", text, s)
		}
	}
}

func mustParse(t testing.TB, text string) *Event {
	t.Helper()
	e, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}
