package jsonv1

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Encode returns v as one JSON document with a line end, indented where indent is
// not empty. Control characters that JSON allows in a string, DEL and those from
// U+0080 to U+009F, are escaped as well: what is printed may hold names and texts
// of others, and a terminal acts upon these.
func Encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	// They stand nowhere but in strings, so each can be replaced where it is.
	text := b.Bytes()
	if bytes.IndexFunc(text, acts) < 0 {
		return text, nil
	}
	safe := make([]byte, 0, len(text)+64)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if acts(r) {
			safe = fmt.Appendf(safe, `\u%04x`, r)
		} else {
			safe = append(safe, text[:n]...)
		}
		text = text[n:]
	}
	return safe, nil
}

func acts(r rune) bool { return r >= 0x7f && r <= 0x9f }
