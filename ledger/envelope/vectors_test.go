package envelope_test

import (
	"encoding/hex"
	"strings"
)

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
