package certificate

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Digest is 32 bytes, written in JSON as base64url without padding.
type Digest [32]byte

// ID is 16 random bytes that name a key tree, a holder, an attempt or a job. It is written in hex.
type ID [16]byte

// maxExact is the largest integer that every JSON implementation reads back as it was written.
const maxExact = 1<<53 - 1

var (
	errHex       = errors.New("not 16 bytes in hex")
	errBase64    = errors.New("not canonical base64url without padding of the right length")
	errCanonical = errors.New("not the canonical JSON (RFC 8785) of exactly the members that the type has")
)

var b64 = base64.RawURLEncoding.Strict()

func (d Digest) String() string               { return b64.EncodeToString(d[:]) }
func (d Digest) MarshalText() ([]byte, error) { return b64.AppendEncode(nil, d[:]), nil }
func (d *Digest) UnmarshalText(text []byte) error {
	return decodeText(d[:], text)
}

func (id ID) String() string               { return hex.EncodeToString(id[:]) }
func (id ID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(id)) {
		return errHex
	}
	if _, err := hex.Decode(id[:], text); err != nil {
		return errHex
	}
	return nil
}

// decodeText fills dst. The decoder of the standard library skips line ends even when it is strict, so
// the length of the text is checked too.
func decodeText(dst, text []byte) error {
	if len(text) != b64.EncodedLen(len(dst)) {
		return errBase64
	}
	if n, err := b64.Decode(dst, text); err != nil || n != len(dst) {
		return errBase64
	}
	return nil
}

// Canonical returns the RFC 8785 form of v, whose numbers are integers of at most maxExact.
func Canonical(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, errCanonical // the error could quote a value
	}
	if err := (*jsontext.Value)(&b).Canonicalize(); err != nil {
		return nil, errCanonical
	}
	return b, nil
}

// ParseCanonical reads v from its RFC 8785 form. It is as strict as can be: what it accepts is exactly what
// Canonical writes, so there is one text for one meaning and no place for anything else.
func ParseCanonical[T any](b []byte, v *T) error {
	if err := json.Unmarshal(b, v, json.RejectUnknownMembers(true)); err != nil {
		return errCanonical
	}
	again, err := Canonical(*v)
	if err != nil || !bytes.Equal(again, b) {
		return errCanonical
	}
	return nil
}

// Instant writes a time as the records do: UTC, whole seconds, rounded up, because nothing may claim
// to have been done before it was.
func Instant(t time.Time) string {
	up := t.UTC().Truncate(time.Second)
	if up.Before(t) {
		up = up.Add(time.Second)
	}
	return up.Format(time.RFC3339)
}

func checkInstant(s string) error {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || Instant(t) != s {
		return fmt.Errorf("a time is not written as UTC with whole seconds")
	}
	return nil
}

// Date writes a day that is counted from 1970-01-01.
func Date(day uint16) string {
	return time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly)
}

func checkDate(s string) error {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Format(time.DateOnly) != s {
		return errors.New("a day is not written as YYYY-MM-DD")
	}
	return nil
}
