package jsonv1_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
)

// TestEncode: no character that a terminal acts upon is printed, and a reader gets
// the same text.
func TestEncode(t *testing.T) {
	var all strings.Builder
	for r := range rune(0x120) {
		all.WriteRune(r)
	}
	want := all.String() + "<>&\u2028\U0001f600"
	for _, indent := range []string{"", "  "} {
		b, err := jsonv1.Encode(map[string]string{want: want}, indent)
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(string(b), func(r rune) bool { return r != '\n' && unicode.IsControl(r) }); i >= 0 {
			t.Errorf("prints %q", b[i])
		}
		if !strings.Contains(string(b), "<>&") {
			t.Errorf("escapes what is harmless: %s", b)
		}
		var got map[string]string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if got[want] != want {
			t.Error("a reader gets another text")
		}
	}
}
