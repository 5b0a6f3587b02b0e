package event

import (
	"bytes"
	"iter"
	"strconv"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// The functions of this file walk canonical JSON that Parse has already
// accepted, so they need not look for faults: they find where things end.

// skipString returns the length of the JSON string at the start of b.
func skipString(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// skipValue returns the length of the JSON value at the start of b.
func skipValue(b []byte) int {
	depth := 0
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			i += skipString(b[i:])
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			if depth == 0 {
				return i // end of the enclosing value
			}
			depth--
			i++
		case ',', ':':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
	return len(b)
}

// elements yields the elements of a canonical JSON array with their index.
func elements(v []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		if len(v) < 2 || v[0] != '[' {
			return
		}
		v = v[1:]
		for i := 0; len(v) > 0 && v[0] != ']'; i++ {
			n := skipValue(v)
			if !yield(i, v[:n:n]) {
				return
			}
			if v = v[n:]; len(v) > 0 && v[0] == ',' {
				v = v[1:]
			}
		}
	}
}

// fields yields the names (unescaped) and values of a canonical JSON object.
func fields(v []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if len(v) < 2 || v[0] != '{' {
			return
		}
		v = v[1:]
		for len(v) > 0 && v[0] != '}' {
			n := skipString(v)
			name, _ := unquote(v[:n])
			v = v[n+1:]
			n = skipValue(v)
			if !yield(name, v[:n:n]) {
				return
			}
			if v = v[n:]; len(v) > 0 && v[0] == ',' {
				v = v[1:]
			}
		}
	}
}

// field returns one member of a canonical JSON object.
func field(v []byte, name string) ([]byte, bool) {
	for n, x := range fields(v) {
		if n == name {
			return x, true
		}
	}
	return nil, false
}

// strs returns the strings of a canonical JSON array; other elements are left out.
func strs(v []byte) []string {
	var out []string
	for _, x := range elements(v) {
		if s, ok := unquote(x); ok {
			out = append(out, s)
		}
	}
	return out
}

// unquote returns the text of a JSON string. Where nothing is escaped, the text
// is v's own memory: values of an event are never changed, and copying each that
// is looked at was a fifth of all that an append allocated.
func unquote(v []byte) (string, bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	in := v[1 : len(v)-1]
	if bytes.IndexByte(in, '\\') >= 0 {
		b, err := jsontext.AppendUnquote(nil, v)
		return string(b), err == nil
	}
	return unsafe.String(unsafe.SliceData(in), len(in)), true
}

// inner returns the bytes between the quotes of a JSON string without escapes.
func inner(v []byte) ([]byte, bool) {
	if len(v) < 2 || v[0] != '"' {
		return nil, false
	}
	in := v[1 : len(v)-1]
	if bytes.IndexByte(in, '\\') >= 0 {
		b, err := jsontext.AppendUnquote(nil, v)
		return b, err == nil
	}
	return in, true
}

// quote returns s as a canonical JSON string.
func quote(s string) []byte { return appendQuoted(make([]byte, 0, len(s)+2), s) }

// needsEscape says whether s as a JSON string is more than s in quotes.
func needsEscape(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x80 {
			return true
		}
	}
	return false
}

func appendQuoted(dst []byte, s string) []byte {
	if !needsEscape(s) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	// Strings come from texts that were checked to be UTF-8, or from code; what
	// is not UTF-8 is mended by U+FFFD rather than lost with the whole event.
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

// plainScalar says that v is canonical as it stands: true, false, null or a
// string without anything to escape.
func plainScalar(v []byte) bool {
	switch string(v) {
	case "true", "false", "null":
		return true
	}
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return false
	}
	for _, c := range v[1 : len(v)-1] {
		if c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}

func appendInt(dst []byte, n int) []byte { return strconv.AppendInt(dst, int64(n), 10) }

func intValue(n int) []byte { return appendInt(nil, n) }

// sequenceOf reads a whole number that a double holds exactly.
func sequenceOf(v []byte) (uint64, bool) {
	n, err := strconv.ParseUint(string(v), 10, 53)
	return n, err == nil
}

// intOf reads a small non-negative integer in canonical form.
func intOf(v []byte) (int, bool) {
	if len(v) == 0 || len(v) > 9 {
		return 0, false
	}
	n := 0
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

var jsonTrue, jsonFalse = []byte("true"), []byte("false")

func boolValue(b bool) []byte {
	if b {
		return jsonTrue
	}
	return jsonFalse
}

func isTrue(v []byte) bool { return string(v) == "true" }
