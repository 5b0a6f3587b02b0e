package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzParse: what is accepted is valid JSON whose canonical text is stable, and
// the fast way agrees with the general one.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/dpv-27560/*/*.json")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, line := range registerLines {
		f.Add([]byte(line))
	}
	for _, s := range []string{benchLine, `{"a":1,"a":2}`, `{"a":{"b":1,"a":2}}`, `{"a":[1,2,{"x":null}],"b":true}`, `{"a":1.5e3}`, "{\"a\":\"\\u0041\"}",
		`{"a" : 1 , "A":"ä"}`, `{"":1}`, `{"a":truee}`, `{"a":01}`, `{"a":123456789012345678}`, `{"a!":1,"a":2}`, `{"a":[]}`, `{"a":{}}`, "{\"a\":\"\x7f\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		e, err := Parse(text)
		if !bytes.Equal(before, text) {
			t.Fatal("Parse changes the text it reads")
		}
		slow, slowErr := parseAny(text)
		if len(text) <= maxText && (err == nil) != (slowErr == nil) {
			t.Fatalf("%q: %v, the general way %v", text, err, slowErr)
		}
		if err != nil {
			var r *Refused
			if !errors.As(err, &r) || len(r.Reasons) == 0 {
				t.Fatalf("%q: error %v", text, err)
			}
			return
		}
		if !bytes.Equal(e.Canonical(), slow.Canonical()) || e.Len() != slow.Len() {
			t.Fatalf("%q: %s, the general way %s", text, e.Canonical(), slow.Canonical())
		}
		if !json.Valid(text) || !json.Valid(e.Canonical()) {
			t.Fatalf("%q is accepted as %s", text, e.Canonical())
		}
		checkEvent(t, e)
	})
}

// FuzzFill: whatever comes in, the result is a refusal that tells nothing or
// full forms that hold against the schema, and a withdrawal that holds against
// its schema but for its values is not refused.
func FuzzFill(f *testing.F) {
	for _, line := range registerLines {
		f.Add([]byte(line))
	}
	for _, s := range []string{
		benchLine,
		`{"type":"consent.given","subject":"c-2","form":"web-newsletter","token":"` + token + `"}`,
		`{"type":"consent.given","subject":"c-2","form":"chat-start","contact":"tel:+49711","decisions":{"newsletter":"no","chat-service":"yes"}}`,
		`{"type":"consent.given","subject":"c-2","form":"kids","contact":"mailto:a@b.de","age_check":"below_16","indicated_by":"guardian","guardian":"c-3"}`,
		`{"type":"consent.refused","subject":"c-2","form":"chat-start"}`,
		`{"type":"consent.withdrawn","subject":"c-2","purpose":"newsleter","channel":"sms","contact":"0711","event_time":"soon"}`,
		`{"type":"data.collected","subject":"c-36","purpose":"newsletter","categories":["EmailAddress"],"channel":"business_card"}`,
		`{"type":"data.disclosed","subject":"c-2","purpose":"newsletter","recipient":"mailer","attributes":["Name"]}`,
		`{"type":"communication.sent","subject":"c-2","purpose":"newsletter","channel":"email"}`,
		`{"type":"processing.performed","subject":"c-2","purpose":"invoices","operation":"store","event_time":"2021-01-01T09:00:00Z"}`,
		`{"type":"notice.delivered","subject":"c-2","notice":"privacy-de@1"}`,
		`{"type":"right.requested","subject":"c-2","right":"A7-3","scope":{"purposes":["newsletter"]}}`,
	} {
		f.Add([]byte(s))
	}
	r := testRegister(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		short, err := Parse(text)
		if err != nil {
			return
		}
		c := Context{Now: now, Register: r, Actor: Actor{Service: "webshop"}, Facts: leonie(), NewID: counter()}
		full, warnings, err := Fill(c, short)
		// However members are found, it comes to the same.
		slow, _ := parseAny(text)
		c.NewID = counter()
		again, warned, slowErr := Fill(c, slow)
		if !reflect.DeepEqual(err, slowErr) || !reflect.DeepEqual(warnings, warned) || len(full) != len(again) {
			t.Fatalf("%s: %d events, %v, %v; with searching %d, %v, %v", text, len(full), warnings, err, len(again), warned, slowErr)
		}
		for i := range full {
			if !bytes.Equal(full[i].Canonical(), again[i].Canonical()) {
				t.Fatalf("%s: %s, with searching %s", text, full[i].Canonical(), again[i].Canonical())
			}
		}
		if err != nil {
			r := refusal(t, err)
			for _, name := range []string{"subject", "contact", "token"} {
				if v := short.Str(name); len(v) > 7 && strings.Contains(r.Error(), v) && !strings.Contains("mailto:name@example.org tel:+491234567 chat:service:name chat:whatsapp:name", v) {
					t.Fatalf("%s: the refusal tells %s: %s", text, name, r.Error())
				}
			}
			return
		}
		typ, _ := Lookup(short.Type())
		if len(full) == 0 && !typ.Register() {
			t.Fatalf("%s: accepted, and nothing to record", text)
		}
		for _, e := range full {
			checkEvent(t, e)
			for _, m := range e.Members() {
				if v, ok := e.member(nameOf(m.Name)); !ok || !bytes.Equal(v, m.Value) {
					t.Fatalf("%s: member %s is %s", e.Canonical(), m.Name, v)
				}
			}
			if err := CheckFull(e); err != nil {
				t.Fatalf("%s: full form %s: %v", text, e.Canonical(), err)
			}
			if len(e.WithChain(1<<40, [32]byte{1}, now).Canonical()) > MaxSize {
				t.Fatalf("%.100s: too large when sealed", text)
			}
			if _, _, err := Route(r, c.Facts, e); err != nil {
				t.Fatalf("%s: no route for %s: %v", text, e.Canonical(), err)
			}
			if typ.Register() {
				if _, err := r.Apply(e, nil); err != nil {
					t.Fatalf("%s: %v", text, err)
				}
			}
		}
	})
}
