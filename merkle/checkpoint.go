package merkle

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// A Checkpoint is the state of a log at one size, and the text that a log signs
// (https://c2sp.org/tlog-checkpoint).
type Checkpoint struct {
	// Origin names the log: a URL without scheme, which need not resolve.
	Origin string
	Size   uint64
	Root   Hash
	// Extensions are further lines. Logs of this project write none, because
	// nobody who watches a log can audit them; those of others are kept.
	Extensions []string
}

// maxOrigin is the longest origin that a checkpoint is signed for: cosignatures
// of the ML-DSA kind have one byte for its length (https://c2sp.org/tlog-cosignature).
const maxOrigin = 255

// errCheckpoint is wrapped by every refusal of a checkpoint's text.
var errCheckpoint = errors.New("malformed checkpoint")

// Text returns the body of the note: origin, size and root, one to a line, then
// the extension lines.
func (c Checkpoint) Text() string {
	var b strings.Builder
	b.WriteString(c.Origin)
	b.WriteByte('\n')
	b.WriteString(strconv.FormatUint(c.Size, 10))
	b.WriteByte('\n')
	b.WriteString(c.Root.String())
	b.WriteByte('\n')
	for _, e := range c.Extensions {
		b.WriteString(e)
		b.WriteByte('\n')
	}
	return b.String()
}

// ParseCheckpoint reads the body of a note as a checkpoint. Size and root must
// be written in the one canonical way, so that Text returns the same bytes. It
// says nothing about signatures: see [OpenCheckpoint].
func ParseCheckpoint(text string) (Checkpoint, error) {
	body, ok := strings.CutSuffix(text, "\n")
	if !ok {
		return Checkpoint{}, fmt.Errorf("%w: does not end in a newline", errCheckpoint)
	}
	lines := strings.Split(body, "\n")
	if len(lines) < 3 {
		return Checkpoint{}, fmt.Errorf("%w: %d lines, want origin, size and root", errCheckpoint, len(lines))
	}
	for i, l := range lines {
		if err := checkLine(l); err != nil {
			return Checkpoint{}, fmt.Errorf("%w: line %d: %w", errCheckpoint, i+1, err)
		}
	}
	size, ok := parseDecimal(lines[1])
	if !ok || size > MaxSize {
		return Checkpoint{}, fmt.Errorf("%w: size %q is not a decimal number of at most %d without leading zeros",
			errCheckpoint, lines[1], uint64(MaxSize))
	}
	root, err := ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: root: %w", errCheckpoint, err)
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if len(lines) > 3 {
		c.Extensions = lines[3:]
	}
	return c, nil
}

// checkLine refuses a line that cannot stand in a note.
func checkLine(l string) error {
	switch {
	case l == "":
		return errors.New("empty")
	case !utf8.ValidString(l):
		return errors.New("not UTF-8")
	case strings.ContainsFunc(l, func(r rune) bool { return r < 0x20 }):
		return errors.New("control character")
	}
	return nil
}

// An OriginError says that a checkpoint is one of another log.
type OriginError struct {
	Want, Got string
}

func (e *OriginError) Error() string {
	return fmt.Sprintf("checkpoint is of log %q, expected %q", e.Got, e.Want)
}

// A SignatureError says why no signature made a checkpoint acceptable.
type SignatureError struct {
	// Reason is a sentence without a full stop.
	Reason string
	// Invalid is true if a known key's signature is there but wrong, and false
	// if no known key signed at all.
	Invalid bool
}

func (e *SignatureError) Error() string { return e.Reason }

// SignCheckpoint returns the checkpoint as a signed note, the signatures in the
// order of the signers. The first should be the log's own, under a key whose
// name is the origin.
//
// A signature is a promise that no other tree of that size exists: sign only
// what is stored durably, and never show a signature before.
func SignCheckpoint(c Checkpoint, signers ...Signer) ([]byte, error) {
	if len(signers) == 0 {
		return nil, errors.New("signing checkpoint: no signer")
	}
	if len(c.Origin) > maxOrigin {
		return nil, fmt.Errorf("signing checkpoint: origin of %d bytes, at most %d", len(c.Origin), maxOrigin)
	}
	if c.Size == 0 && c.Root != EmptyRoot() {
		return nil, errors.New("signing checkpoint: the root of an empty log is the hash of nothing")
	}
	text := c.Text()
	if p, err := ParseCheckpoint(text); err != nil || p.Origin != c.Origin || !slices.Equal(p.Extensions, c.Extensions) {
		if err == nil {
			err = fmt.Errorf("%w: line break inside a line", errCheckpoint)
		}
		return nil, fmt.Errorf("signing checkpoint: %w", err)
	}
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing checkpoint: %w", err)
	}
	return signed, nil
}

// OpenCheckpoint reads a signed checkpoint of the log with that origin. At least
// one of the verifiers must have signed, and no signature of any of them may be
// wrong; signatures of keys that are not among the verifiers are not looked at.
//
// The error is an *[OriginError] if it is of another log, and a
// *[SignatureError] if the signatures do not suffice.
func OpenCheckpoint(signed []byte, origin string, verifiers ...Verifier) (Checkpoint, error) {
	c, err := openCheckpoint(signed, origin, verifiers)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("opening checkpoint: %w", err)
	}
	return c, nil
}

func openCheckpoint(signed []byte, origin string, verifiers []Verifier) (Checkpoint, error) {
	n, err := openNote(signed, verifiers)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ParseCheckpoint(n.Text)
	// Another log's checkpoint is signed by another key, and then to name the
	// log helps more than to name the key.
	if err == nil && c.Origin != origin {
		return Checkpoint{}, &OriginError{Want: origin, Got: c.Origin}
	}
	if len(n.Sigs) == 0 {
		return Checkpoint{}, &SignatureError{Reason: missingSignature(n, verifiers)}
	}
	return c, err
}

// openNote verifies the signatures of a note that are made with a known key,
// and refuses the note if one of them is wrong. Unlike note.Open it does not
// ask that there be any, and it holds their base64 to the one canonical form.
func openNote(signed []byte, verifiers []Verifier) (*note.Note, error) {
	n, err := note.Open(signed, note.VerifierList(distinct(verifiers)...))
	if unverified, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		return unverified.Note, nil
	}
	if invalid, ok := errors.AsType[*note.InvalidSignatureError](err); ok {
		return nil, &SignatureError{
			Reason:  fmt.Sprintf("the signature of key %s+%08x does not match the text", invalid.Name, invalid.Hash),
			Invalid: true,
		}
	}
	if err != nil {
		return nil, err
	}
	for _, s := range n.Sigs {
		if _, err := decodeBase64(s.Base64); err != nil {
			return nil, &SignatureError{
				Reason:  fmt.Sprintf("the signature of key %s+%08x: %v", s.Name, s.Hash, err),
				Invalid: true,
			}
		}
	}
	return n, nil
}

// distinct leaves out verifiers of a key that is there already: a log may be
// its own witness, and note.VerifierList refuses to choose between two.
func distinct(verifiers []Verifier) []Verifier {
	var ds []Verifier
	for _, v := range verifiers {
		if !slices.ContainsFunc(ds, func(d Verifier) bool { return sameKey(d, v) }) {
			ds = append(ds, v)
		}
	}
	return ds
}

func sameKey(a, b Verifier) bool {
	if a == b {
		return true
	}
	x, ok := a.(*verifier)
	y, ok2 := b.(*verifier)
	return ok && ok2 && x.name == y.name && x.algorithm == y.algorithm && bytes.Equal(x.public, y.public)
}

func missingSignature(n *note.Note, verifiers []Verifier) string {
	var want, got []string
	for _, v := range verifiers {
		want = append(want, fmt.Sprintf("%s+%08x", v.Name(), v.KeyHash()))
	}
	for _, s := range n.UnverifiedSigs {
		got = append(got, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
	}
	return fmt.Sprintf("signed by %s, not by %s", strings.Join(got, ", "), strings.Join(want, " or "))
}
