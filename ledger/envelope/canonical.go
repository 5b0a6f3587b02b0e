package envelope

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds the nesting of a JSON value: the scanner recurses, and
// whoever hands us an opening may be hostile.
const maxDepth = 64

// ErrNotCanonical is wrapped by every refusal of bytes that are not the RFC
// 8785 form of a JSON value. The text of such an error names an offset and a
// rule, never the bytes.
var ErrNotCanonical = errors.New("not canonical JSON (RFC 8785)")

// A canonicalError says which rule the byte at an offset broke.
type canonicalError struct {
	offset int
	rule   string
}

func (e *canonicalError) Error() string {
	return fmt.Sprintf("not canonical JSON (RFC 8785): byte %d: %s", e.offset, e.rule)
}

func (e *canonicalError) Is(target error) bool { return target == ErrNotCanonical }

// Canonicalize returns the RFC 8785 form of a JSON value. It refuses
// duplicate names at any depth, invalid UTF-8, and a number that is not the
// same number afterwards: RFC 8785 knows IEEE 754 doubles only, and silently
// rounding an amount or an identifier would seal something else than was said.
func Canonicalize(value []byte) ([]byte, error) {
	v := jsontext.Value(bytes.Clone(value))
	if err := checkNumbers(v); err != nil {
		return nil, err
	}
	if err := v.Canonicalize(); err != nil {
		// jsontext errors may quote the name of a member: say only that.
		return nil, fmt.Errorf("canonicalising: %w", errNotJSON)
	}
	if err := Canonical(v); err != nil {
		return nil, err
	}
	return v, nil
}

var (
	errNotJSON = errors.New("not JSON with unique names and valid UTF-8")
	errNumber  = errors.New("a number does not survive IEEE 754 double precision; write it as a string")
)

// checkNumbers refuses integers that a double cannot hold and numbers beyond
// its range. Fractions round as every JSON implementation rounds them.
func checkNumbers(v []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(v))
	for {
		switch d.PeekKind() {
		case '0':
			n, err := d.ReadValue()
			if err != nil {
				return fmt.Errorf("canonicalising: %w", errNotJSON)
			}
			f, err := strconv.ParseFloat(string(n), 64)
			if err != nil {
				return fmt.Errorf("canonicalising: %w", errNumber)
			}
			if bytes.ContainsAny(n, ".eE") || string(n) == "-0" {
				continue
			}
			exact := strconv.FormatFloat(f, 'f', 0, 64) == string(n)
			if _, err := scanNumber(n, 0); !exact && err != nil {
				return fmt.Errorf("canonicalising: %w", errNumber)
			}
		case 0:
			return nil // the end, or an error that Canonicalize will find again
		default:
			if _, err := d.ReadToken(); err != nil {
				return nil
			}
		}
	}
}

// Canonical returns nil if value is exactly one JSON value in RFC 8785 form,
// and otherwise an error that wraps [ErrNotCanonical].
//
// It is a scanner of its own, because it stands in the path of every seal and
// every verification: re-encoding and comparing costs some thirty times as
// much. Tests hold it against jsontext.
func Canonical(value []byte) error {
	end, err := scanValue(value, 0, 0)
	if err != nil {
		return err
	}
	if end != len(value) {
		return &canonicalError{end, "bytes after the value"}
	}
	return nil
}

// scanValue checks that a canonical value starts at b[i] and returns the
// offset behind it.
func scanValue(b []byte, i, depth int) (int, error) {
	if i >= len(b) {
		return i, &canonicalError{i, "a value is missing"}
	}
	switch c := b[i]; {
	case c == '"':
		end, _, err := scanString(b, i)
		return end, err
	case c == '-' || '0' <= c && c <= '9':
		return scanNumber(b, i)
	case c == '{':
		return scanObject(b, i, depth)
	case c == '[':
		return scanArray(b, i, depth)
	case c == 't' && bytes.HasPrefix(b[i:], []byte("true")):
		return i + 4, nil
	case c == 'f' && bytes.HasPrefix(b[i:], []byte("false")):
		return i + 5, nil
	case c == 'n' && bytes.HasPrefix(b[i:], []byte("null")):
		return i + 4, nil
	}
	return i, &canonicalError{i, "no JSON value starts here"}
}

func scanArray(b []byte, i, depth int) (int, error) {
	if depth >= maxDepth {
		return i, &canonicalError{i, "nested deeper than 64"}
	}
	i++
	if i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for {
		var err error
		if i, err = scanValue(b, i, depth+1); err != nil {
			return i, err
		}
		if i >= len(b) {
			return i, &canonicalError{i, "an array does not end"}
		}
		switch b[i] {
		case ',':
			i++
		case ']':
			return i + 1, nil
		default:
			return i, &canonicalError{i, "neither , nor ] after an element"}
		}
	}
}

func scanObject(b []byte, i, depth int) (int, error) {
	if depth >= maxDepth {
		return i, &canonicalError{i, "nested deeper than 64"}
	}
	i++
	if i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	var last []byte
	var lastEscaped bool
	for first := true; ; first = false {
		if i >= len(b) || b[i] != '"' {
			return i, &canonicalError{i, "a member name is missing"}
		}
		end, escaped, err := scanString(b, i)
		if err != nil {
			return end, err
		}
		name := b[i+1 : end-1]
		if !first && !nameLess(last, lastEscaped, name, escaped) {
			return i, &canonicalError{i, "member names are not strictly increasing"}
		}
		last, lastEscaped = name, escaped
		if end >= len(b) || b[end] != ':' {
			return end, &canonicalError{end, "no : after a member name"}
		}
		if i, err = scanValue(b, end+1, depth+1); err != nil {
			return i, err
		}
		if i >= len(b) {
			return i, &canonicalError{i, "an object does not end"}
		}
		switch b[i] {
		case ',':
			i++
		case '}':
			return i + 1, nil
		default:
			return i, &canonicalError{i, "neither , nor } after a member"}
		}
	}
}

// odd marks bytes among the eight of x that are not printable ASCII, or are a quotation
// mark or a backslash: the high bit of each. A mark may be wrong above one that is
// right, so only the lowest says anything. DEL stands for itself, as RFC 8785 has it.
func odd(x uint64) uint64 {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, slash := x^ones*'"', x^ones*'\\'
	return (x | (x - ones*0x20) | (quote - ones) | (slash - ones)) & high
}

// scanString checks the canonical string whose opening quotation mark is
// b[i]; it returns the offset behind the closing one, and whether there are
// escapes inside.
func scanString(b []byte, i int) (end int, escaped bool, err error) {
	i++
	for i < len(b) {
		if i+8 <= len(b) {
			m := odd(binary.LittleEndian.Uint64(b[i:]))
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) / 8
		}
		c := b[i]
		switch {
		case c == '"':
			return i + 1, escaped, nil
		case c == '\\':
			n := canonicalEscape(b[i:])
			if n == 0 {
				return i, escaped, &canonicalError{i, "an escape that RFC 8785 does not write so"}
			}
			escaped = true
			i += n
		case c < 0x20:
			return i, escaped, &canonicalError{i, "a bare control character"}
		case c < 0x80:
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return i, escaped, &canonicalError{i, "invalid UTF-8"}
			}
			i += n
		}
	}
	return i, escaped, &canonicalError{i, "a string does not end"}
}

// canonicalEscape returns the length of the escape at the start of b if RFC
// 8785 section 3.2.2.2 would write it so, and 0 otherwise.
func canonicalEscape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 || b[2] != '0' || b[3] != '0' || b[4] != '0' && b[4] != '1' {
			return 0
		}
		low := b[5]
		if ('0' > low || low > '9') && ('a' > low || low > 'f') {
			return 0
		}
		if b[4] == '0' {
			switch low {
			case '8', '9', 'a', 'c', 'd': // these have a short form
				return 0
			}
		}
		return 6
	}
	return 0
}

// unescape decodes the escapes of a string that scanString accepted.
func unescape(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			c, _ := strconv.ParseUint(string(s[i+1:i+5]), 16, 8)
			out = append(out, byte(c))
			i += 4
		default:
			out = append(out, s[i])
		}
	}
	return out
}

// nameLess reports whether member name a sorts before b, as RFC 8785 sorts:
// by UTF-16 code units of the unescaped names.
func nameLess(a []byte, aEscaped bool, b []byte, bEscaped bool) bool {
	if aEscaped {
		a = unescape(a)
	}
	if bEscaped {
		b = unescape(b)
	}
	for i := 0; i < len(a) && i < len(b); i++ {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		// UTF-8 sorts as code points do. UTF-16 differs in one place:
		// characters above U+FFFF (first byte F0 and up) are written with
		// surrogates, which sort below U+E000 to U+FFFF (first byte EE, EF).
		if x >= 0xf0 && (y == 0xee || y == 0xef) {
			return true
		}
		if y >= 0xf0 && (x == 0xee || x == 0xef) {
			return false
		}
		return x < y
	}
	return len(a) < len(b)
}

// scanNumber checks that the number at b[i] is written as ECMAScript writes
// the double it stands for.
func scanNumber(b []byte, i int) (int, error) {
	start := i
	if b[i] == '-' {
		i++
	}
	digits := i
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	n := i - digits
	if i == len(b) || b[i] != '.' && b[i] != 'e' && b[i] != 'E' {
		// An integer of at most 15 digits is exact, so it is canonical if it
		// has no leading zero and is not -0.
		if 1 <= n && n <= 15 {
			if b[digits] == '0' && (n > 1 || digits > start) {
				return start, &canonicalError{start, "a leading zero, or -0"}
			}
			return i, nil
		}
	}
	for i < len(b) {
		c := b[i]
		if ('0' > c || c > '9') && c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-' {
			break
		}
		i++
	}
	f, err := strconv.ParseFloat(string(b[start:i]), 64)
	if err != nil || f == 0 {
		return start, &canonicalError{start, "a number that is no double, or a zero not written 0"}
	}
	var buf [32]byte
	if !bytes.Equal(jsontext.AppendFloat(buf[:0], f, 64), b[start:i]) {
		return start, &canonicalError{start, "a number not written as RFC 8785 writes it"}
	}
	return i, nil
}
