package merkle

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxSignatures is how many signatures a note may have. The text of
// https://c2sp.org/signed-note asks for 16 at least; this is what the reader
// that we use accepts, so no note is written that it would refuse.
const maxSignatures = 100

// signaturePrefix begins every signature line.
const signaturePrefix = "— "

// errSignatureLine is wrapped by every refusal of a signature line.
var errSignatureLine = errors.New("malformed signature line")

// AddSignatures returns a signed note with signature lines added at the end, as
// a witness answers them. The lines are not verified: see [Cosignatures]. They
// must be written in the one canonical way, and at least one must be there.
//
// A line of a key that has signed already is left out, so the earlier signature
// stands: it is the earlier time that a cosignature of a checkpoint is good for.
func AddSignatures(signed []byte, lines []byte) ([]byte, error) {
	have, err := noteLines(signed)
	if err != nil {
		return nil, fmt.Errorf("adding signatures: %w", err)
	}
	more, err := parseSignatureLines(lines)
	if err != nil {
		return nil, fmt.Errorf("adding signatures: %w", err)
	}
	out := bytes.Clone(signed)
	n := len(have)
	for _, l := range more {
		if slices.ContainsFunc(have, l.sameKey) {
			continue
		}
		if n++; n > maxSignatures {
			return nil, fmt.Errorf("adding signatures: more than %d", maxSignatures)
		}
		have = append(have, l)
		out = append(out, l.text...)
	}
	return out, nil
}

// SignatureLines returns the signature lines of a note as they stand there; if
// keys are given, only lines of those, and nothing if there are none. The
// signatures are not verified. What a witness answers is its own lines, and
// what a log sends to a witness is the text with the log's own lines.
func SignatureLines(signed []byte, keys ...Verifier) ([]byte, error) {
	lines, err := noteLines(signed)
	if err != nil {
		return nil, fmt.Errorf("reading signature lines: %w", err)
	}
	var out []byte
	for _, l := range lines {
		if len(keys) == 0 || slices.ContainsFunc(keys, func(v Verifier) bool { return v.Name() == l.name && v.KeyHash() == l.hash }) {
			out = append(out, l.text...)
		}
	}
	return out, nil
}

// A signatureLine is one line of a note, after its text.
type signatureLine struct {
	text string // with dash and newline
	name string
	hash uint32
	sig  []byte // without the key id
}

func (l signatureLine) sameKey(o signatureLine) bool { return l.name == o.name && l.hash == o.hash }

// noteLines returns the signature lines of a note that is well formed.
func noteLines(signed []byte) ([]signatureLine, error) {
	_, lines, err := cutNote(signed)
	if err != nil {
		return nil, err
	}
	return parseSignatureLines(lines)
}

var errNote = errors.New("malformed note")

// cutNote takes a signed note apart into its text and its signature lines. It accepts
// what note.Open accepts where no key is known, and verifies nothing: a fuzz target
// compares the two. note.Open takes as long as ten steps of a proof.
func cutNote(b []byte) (text, lines []byte, err error) {
	control := func(c byte) bool { return c < 0x20 && c != '\n' }
	at := bytes.LastIndex(b, []byte("\n\n"))
	if at < 0 || !utf8.Valid(b) || slices.ContainsFunc(b, control) {
		return nil, nil, errNote
	}
	text, lines = b[:at+1], b[at+2:]
	if len(lines) == 0 || bytes.Count(lines, []byte("\n")) > maxSignatures {
		return nil, nil, errNote
	}
	for line := range bytes.Lines(lines) {
		var room [128]byte
		line, dash := bytes.CutPrefix(line, []byte(signaturePrefix))
		line, end := bytes.CutSuffix(line, []byte("\n"))
		name, sig, _ := bytes.Cut(line, []byte(" "))
		sig, err := base64.StdEncoding.AppendDecode(room[:0], sig)
		if !dash || !end || checkKeyName(string(name)) != nil || err != nil || len(sig) < 5 {
			return nil, nil, errNote
		}
	}
	return text, lines, nil
}

func parseSignatureLines(b []byte) ([]signatureLine, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: none", errSignatureLine)
	}
	var lines []signatureLine
	for text := range bytes.Lines(b) {
		if len(lines) == maxSignatures {
			return nil, fmt.Errorf("%w: more than %d", errSignatureLine, maxSignatures)
		}
		l, err := parseSignatureLine(string(text))
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", errSignatureLine, len(lines)+1, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func parseSignatureLine(text string) (signatureLine, error) {
	rest, ok := strings.CutPrefix(text, signaturePrefix)
	if !ok {
		return signatureLine{}, errors.New("does not begin with a dash and a space")
	}
	if rest, ok = strings.CutSuffix(rest, "\n"); !ok {
		return signatureLine{}, errors.New("does not end in a newline")
	}
	name, b64, _ := strings.Cut(rest, " ")
	if err := checkKeyName(name); err != nil {
		return signatureLine{}, err
	}
	sig, err := decodeBase64(b64)
	if err != nil {
		return signatureLine{}, err
	}
	if len(sig) < 5 {
		return signatureLine{}, errors.New("too short for a key id and a signature")
	}
	return signatureLine{text, name, binary.BigEndian.Uint32(sig), sig[4:]}, nil
}
