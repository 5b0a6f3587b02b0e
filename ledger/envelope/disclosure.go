package envelope

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

const (
	saltSize = 16
	// saltChars is the length of a salt in base64url without padding.
	saltChars = 22
)

// b64 decodes strictly, and encodes, base64url without padding (RFC 4648
// section 5).
var b64 = base64.RawURLEncoding.Strict()

var errBase64 = errors.New("not canonical base64url without padding")

// decode64 decodes s, appended to dst. The decoder of the standard library
// skips line ends even when it is strict, so what was decoded must also take
// as many characters as there are.
func decode64[T string | []byte](dst []byte, s T) ([]byte, error) {
	base := len(dst)
	dst, err := b64.AppendDecode(dst, []byte(s))
	if err != nil || b64.EncodedLen(len(dst)-base) != len(s) {
		return nil, errBase64
	}
	return dst, nil
}

// ErrDisclosure is wrapped by refusals of a disclosure that is not the RFC
// 9901 form of one member.
var ErrDisclosure = errors.New("disclosure not acceptable")

// A Disclosure is one D_i: base64url(JCS([base64url(salt), name, value])).
type Disclosure string

// urlDigit marks the characters of base64url.
var urlDigit = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		t[c] = true
	}
	return t
}()

// spelled reports whether a disclosure has only characters of base64url, so
// that it can stand in a JSON string. All the rest is for parse to say.
func (d Disclosure) spelled() bool {
	for i := range len(d) {
		if !urlDigit[d[i]] {
			return false
		}
	}
	return len(d) > 0
}

// parse checks a disclosure and returns its name and value; both alias buf,
// which is scratch space.
func (d Disclosure) parse(buf []byte) (name, value, rest []byte, err error) {
	fail := func(why string) ([]byte, []byte, []byte, error) {
		return nil, nil, buf, fmt.Errorf("%w: %s", ErrDisclosure, why)
	}
	base := len(buf)
	grown, err := decode64(buf, string(d))
	if err != nil {
		return fail("not canonical base64url without padding")
	}
	buf = grown
	b := buf[base:len(buf):len(buf)]
	const head = len(`["`) + saltChars + len(`",`)
	if len(b) < head || b[0] != '[' || b[1] != '"' || b[head-2] != '"' || b[head-1] != ',' {
		return fail("not an array that starts with a salt of 16 bytes")
	}
	var salt [saltSize + 2]byte
	if s, err := decode64(salt[:0], b[2:2+saltChars]); err != nil || len(s) != saltSize {
		return fail("the salt is not canonical base64url of 16 bytes")
	}
	end, err := scanName(b, head)
	if err != nil {
		return fail("the name is missing or no member name")
	}
	if end+1 >= len(b) || b[end+1] != ',' {
		return fail("no value")
	}
	last, err := scanValue(b, end+2, 1)
	if err != nil {
		return nil, nil, buf, fmt.Errorf("%w: %w", ErrDisclosure, err)
	}
	if !bytes.Equal(b[last:], []byte("]")) {
		return fail("more than salt, name and value")
	}
	return b[head+1 : end], b[end+2 : last], buf, nil
}
