package event

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse reads one event: a JSON object, strictly, into canonical form. It knows
// no types; [Check] and [Fill] do. The error is always a *[Refused], with the
// line and column within the text for faults of syntax. The text is not kept.
func Parse(line []byte) (*Event, error) {
	if len(line) > maxText {
		return nil, refuse(Reason{Reason: TooLarge, Hint: "an event is at most 65,535 bytes"})
	}
	if e, ok := parsePlain(line); ok {
		return e, nil
	}
	return parseAny(line)
}

// parseAny is Parse for every text.
func parseAny(line []byte) (*Event, error) {
	if bytes.HasPrefix(line, []byte("\xef\xbb\xbf")) {
		return nil, refuseAt(line, 0, Reason{Reason: BOM, Hint: "save the file as UTF-8 without a byte order mark"})
	}
	// A copy: canonicalising happens in place, and the caller keeps the text.
	v := jsontext.Value(append(make([]byte, 0, len(line)), line...))
	if err := v.Canonicalize(); err != nil {
		return nil, syntaxFault(line, err)
	}
	if v[0] != '{' {
		return nil, refuseAt(line, 0, Reason{Reason: WrongType, Hint: "an event is a JSON object"})
	}
	if tooDeep(v) {
		return nil, refuse(Reason{Reason: TooDeep, Hint: "at most 32 levels of objects and arrays"})
	}
	// Canonicalising rounds numbers to doubles without a word, so the numbers
	// of the text that came in are looked at.
	if at, ok := lossyNumber(line); ok {
		return nil, refuseAt(line, at, Reason{Reason: OutOfRange, Hint: "a double cannot hold this number; send it as a string"})
	}
	if len(v) > MaxSize {
		return nil, refuse(Reason{Reason: TooLarge, Hint: "an event is at most 65,535 bytes"})
	}
	return split(v), nil
}

// ParseFull reads the canonical text of a full event, as it comes out of an
// envelope or a public leaf. It is as strict as Parse and refuses a text that is
// not canonical; it does not hold the event against the schema of its type,
// since what was sealed under an older schema has to stay readable.
func ParseFull(text []byte) (*Event, error) {
	e, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(e.Canonical(), text) {
		return nil, Refuse(BadJSON, "", "not in canonical form")
	}
	return e, nil
}

// split cuts a canonical object into its members.
func split(text []byte) *Event {
	n := 0
	for i := 1; i < len(text)-1; n++ {
		i += skipString(text[i:]) + 1
		i += skipValue(text[i:]) + 1
	}
	members := make([]Member, 0, n)
	for i := 1; i < len(text)-1; {
		nameEnd := i + skipString(text[i:])
		at := nameEnd + 1
		end := at + skipValue(text[at:])
		members = append(members, Member{intern(text[i:nameEnd]), text[at:end:end]})
		i = end + 1
	}
	return newEvent(text, members)
}

// intern returns the name in a quoted string, without allocating if it is a
// name of the catalogue.
func intern(quoted []byte) string {
	if n := nameOf(string(quoted[1 : len(quoted)-1])); n != unnamed {
		return names[n]
	}
	s, _ := unquote(quoted)
	return strings.Clone(s) // quoted is the caller's
}

// tooDeep says whether a valid text nests deeper than MaxDepth.
func tooDeep(v []byte) bool {
	depth := 0
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '"':
			i += skipString(v[i:]) - 1
		case '{', '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// lossyNumber returns where a valid text has a number that its canonical form
// would change: digits that a double does not hold, or a magnitude beyond it.
func lossyNumber(v []byte) (at int, ok bool) {
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '"':
			i += skipString(v[i:]) - 1
		case c == '-' || '0' <= c && c <= '9':
			n := i
			for n < len(v) && strings.IndexByte("+-.eE0123456789", v[n]) >= 0 {
				n++
			}
			if !holds(v[i:n]) {
				return i, true
			}
			i = n - 1
		}
	}
	return 0, false
}

// holds says whether the nearest double to a JSON number is written with the
// same decimal digits, so that nothing is lost. Integers have to be within
// ±(2^53-1), as I-JSON (RFC 7493, section 2.2) asks: beyond, a neighbour may
// share the double.
func holds(num []byte) bool {
	f, err := strconv.ParseFloat(string(num), 64)
	if err != nil || math.IsInf(f, 0) {
		return false
	}
	if f == math.Trunc(f) && math.Abs(f) > 1<<53-1 {
		return false
	}
	d1, e1 := decimal(num)
	d2, e2 := decimal(strconv.AppendFloat(nil, f, 'e', -1, 64))
	return d1 == d2 && (e1 == e2 || d1 == "")
}

// decimal writes a number as significant digits without zeros at either end,
// and the power of ten of the last of them.
func decimal(num []byte) (digits string, exp int) {
	mant, ex := num, 0
	if i := bytes.IndexAny(num, "eE"); i >= 0 {
		mant = num[:i]
		x, err := strconv.Atoi(string(num[i+1:]))
		if err != nil {
			x = math.MaxInt32 // no such double; ParseFloat has said so, unless the digits are all zero
		}
		ex = x
	}
	mant = bytes.TrimPrefix(mant, []byte("-"))
	if i := bytes.IndexByte(mant, '.'); i >= 0 {
		ex -= len(mant) - i - 1
		mant = append(append([]byte(nil), mant[:i]...), mant[i+1:]...)
	}
	mant = bytes.TrimLeft(mant, "0")
	for len(mant) > 0 && mant[len(mant)-1] == '0' {
		mant, ex = mant[:len(mant)-1], ex+1
	}
	if len(mant) == 0 {
		return "", 0
	}
	return string(mant), ex
}

// syntaxFault turns what jsontext says about a text into a refusal.
func syntaxFault(text []byte, err error) *Refused {
	var syn *jsontext.SyntacticError
	if !errors.As(err, &syn) {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return refuseAt(text, len(text), Reason{Reason: BadJSON, Hint: "the text ends before the event does"})
		}
		return refuse(Reason{Reason: BadJSON})
	}
	at := int(syn.ByteOffset)
	path := shownPointer(string(syn.JSONPointer))
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return refuseAt(text, at, Reason{DuplicateName, path, "a name may stand once in an object; of two values one would be lost"})
	case !utf8.Valid(text):
		return refuseAt(text, firstInvalid(text), Reason{BadUTF8, path, "the text has to be UTF-8; convert it, from Windows-1252 perhaps"})
	case strings.Contains(err.Error(), "surrogate"):
		return refuseAt(text, at, Reason{BadUTF8, path, `half a surrogate pair: \u escapes above U+FFFF come in twos`})
	case strings.Contains(err.Error(), "depth"):
		return refuse(Reason{Reason: TooDeep, Hint: "at most 32 levels of objects and arrays"})
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refuseAt(text, len(text), Reason{BadJSON, path, "the text ends before the event does"})
	}
	hint := "not JSON"
	switch c := byteAt(text, at); {
	case strings.Contains(err.Error(), "after top-level value"):
		path, hint = "", "nothing may follow the object; one event is one line"
	case c == '\'':
		hint = `strings and names stand in double quotes: "`
	case c == '/' || c == '#':
		hint = "JSON has no comments"
	case (c == '}' || c == ']') && precededByComma(text, at):
		hint = "no comma after the last member"
	case c == '"':
		hint = "a comma or a colon is missing before this"
	case c < 0x20 && c != 0:
		hint = `control characters in strings are escaped: \n, \t, \u0000`
	}
	return refuseAt(text, at, Reason{BadJSON, path, hint})
}

func byteAt(text []byte, at int) byte {
	if at < 0 || at >= len(text) {
		return 0
	}
	return text[at]
}

func precededByComma(text []byte, at int) bool {
	return bytes.HasSuffix(bytes.TrimRight(text[:min(at, len(text))], " \t\r\n"), []byte(","))
}

func firstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(text)
}

// position turns an offset into line and column, both from 1, columns counted in characters.
func position(text []byte, at int) (line, column int) {
	at = min(max(at, 0), len(text))
	before := text[:at]
	line = 1 + bytes.Count(before, []byte("\n"))
	if i := bytes.LastIndexByte(before, '\n'); i >= 0 {
		before = before[i+1:]
	}
	return line, 1 + utf8.RuneCount(before)
}
