package audit

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// evidenceFormat names the form of an evidence file, docs/spec/evidence.md.
const evidenceFormat = "lacuna/log-evidence/v1"

// maxEvidence is the longest evidence that is read: two checkpoints, each byte of
// them escaped, and what little there is besides.
const maxEvidence = 4 << 20

// A Kind is what two signed heads of one log show together.
type Kind string

const (
	// Fork: the log has signed two histories. Nobody needs to be believed: the
	// two heads and the hashes beside them contradict each other.
	Fork Kind = "fork"
	// Older: a head was shown that is older than one that was shown before, both
	// of one history. A cache may do that for seconds. A log that keeps doing it
	// hides what came after, and a copy that was restored from a backup is about
	// to fork.
	Older Kind = "older"
	// Unshown: the log has signed a head, and what it serves leads to another
	// root. That both heads are signed is certain; that the tree could not be
	// had is the word of whoever looked.
	Unshown Kind = "unshown"
)

// An Evidence is kept of two heads that do not follow each other: what a log
// has signed, in a form that others can check without it. See
// docs/spec/evidence.md.
type Evidence struct {
	Format string `json:"format"`
	Kind   Kind   `json:"kind"`
	Origin string `json:"origin"`
	// VKey is the public key of the log. Whoever checks brings their own.
	VKey string `json:"vkey"`
	// Source and Found say where and when the second head was shown. They are
	// the word of whoever looked.
	Source string `json:"source"`
	Found  string `json:"found"`
	// Remembered and Shown are the signed heads, byte for byte: first seen, and
	// seen after that.
	Remembered string `json:"remembered"`
	Shown      string `json:"shown"`
	// Root of a fork of two sizes is the root that the tree of the larger head
	// has at the size of the smaller one.
	Root *merkle.Hash `json:"root,omitempty"`
	// Proof is the consistency proof from the smaller size to the larger one, in
	// the tree of the larger head.
	Proof []merkle.Hash `json:"proof,omitempty"`
	// What says what was found instead of the tree of an unshown head.
	What string `json:"what,omitempty"`

	known, shown merkle.Checkpoint
}

// Marshal returns the bytes of the file.
func (e *Evidence) Marshal() ([]byte, error) {
	return marshal(e)
}

// ParseEvidence reads an evidence file. Nothing is verified: see
// [Evidence.Verify].
func ParseEvidence(b []byte) (*Evidence, error) {
	if len(b) > maxEvidence {
		return nil, fmt.Errorf("malformed evidence: %d bytes, at most %d", len(b), maxEvidence)
	}
	e := &Evidence{}
	if err := unmarshal(b, e, evidenceFormat); err != nil {
		return nil, fmt.Errorf("malformed evidence: %w", err)
	}
	if _, err := time.Parse(time.RFC3339, e.Found); err != nil {
		return nil, fmt.Errorf("malformed evidence: found %q is not a time", e.Found)
	}
	switch e.Kind {
	case Fork:
		if e.Root == nil && e.Proof != nil || e.What != "" {
			return nil, fmt.Errorf("malformed evidence: members that no %s has", e.Kind)
		}
	case Older:
		if e.Root != nil || e.What != "" {
			return nil, fmt.Errorf("malformed evidence: members that no %s has", e.Kind)
		}
	case Unshown:
		if e.Root != nil || e.Proof != nil || e.What == "" {
			return nil, fmt.Errorf("malformed evidence: members that no %s has, or none of its own", e.Kind)
		}
	default:
		return nil, fmt.Errorf("malformed evidence: unknown kind %q", e.Kind)
	}
	return e, nil
}

// Verify checks that the log has signed both heads and that they show what the
// evidence says. A proof that leads elsewhere is a *[merkle.RootMismatchError].
func (e *Evidence) Verify(l *Log) error {
	if err := e.verify(l); err != nil {
		return fmt.Errorf("verifying evidence: %w", err)
	}
	return nil
}

func (e *Evidence) verify(l *Log) error {
	if e.Origin != l.Origin {
		return &merkle.OriginError{Want: l.Origin, Got: e.Origin}
	}
	var err error
	if e.known, err = l.open([]byte(e.Remembered)); err != nil {
		return fmt.Errorf("remembered head: %w", err)
	}
	if e.shown, err = l.open([]byte(e.Shown)); err != nil {
		return fmt.Errorf("shown head: %w", err)
	}
	small, large := e.known, e.shown
	if small.Size > large.Size {
		small, large = large, small
	}
	switch {
	case small.Size == large.Size && small.Root == large.Root:
		return fmt.Errorf("both heads are of size %d and root %s: they do not contradict each other", small.Size, small.Root)
	case e.Kind == Fork && small.Size == large.Size:
		if e.Root != nil {
			return errors.New("two heads of one size need no further root")
		}
		return nil
	case small.Size == large.Size:
		return fmt.Errorf("two roots of one size are a fork, the evidence says %s", e.Kind)
	case e.Kind == Fork && e.Root == nil:
		return fmt.Errorf("the root at size %d in the tree of size %d is missing", small.Size, large.Size)
	case e.Kind == Fork && *e.Root == small.Root:
		return fmt.Errorf("the root at size %d in the tree of size %d is that of the smaller head: they do not contradict each other", small.Size, large.Size)
	case e.Kind == Fork:
		return merkle.VerifyConsistency(small.Size, large.Size, e.Proof, *e.Root, large.Root)
	case e.Kind == Older && e.shown.Size > e.known.Size:
		return errors.New("the head that was shown is the newer one")
	case e.Kind == Older:
		return merkle.VerifyConsistency(small.Size, large.Size, e.Proof, small.Root, large.Root)
	}
	return nil
}

// Proves reports whether the evidence, once verified, leaves nothing to believe.
func (e *Evidence) Proves() bool { return e.Kind == Fork }

// Summary says in one line what the evidence shows. It is for an evidence that
// was verified, or made here.
func (e *Evidence) Summary() string {
	known, shown := e.known, e.shown
	switch {
	case e.Kind == Fork && known.Size == shown.Size:
		return fmt.Sprintf("fork: log %s has signed two histories of size %d, one with root %s, one with root %s", e.Origin, known.Size, known.Root, shown.Root)
	case e.Kind == Fork:
		small, large := known, shown
		if small.Size > large.Size {
			small, large = large, small
		}
		return fmt.Sprintf("fork: log %s has signed two histories: size %d with root %s, and size %d whose first %d entries have root %s",
			e.Origin, small.Size, small.Root, large.Size, small.Size, e.Root)
	case e.Kind == Older:
		return fmt.Sprintf("went back: log %s shows size %d and has shown size %d before; both are of one history, and a cache may serve an old head for seconds",
			e.Origin, shown.Size, known.Size)
	case shown.Size < known.Size:
		return fmt.Sprintf("went back: log %s shows size %d and has shown size %d before; whether both are of one history cannot be seen, since the tree of the larger one is not there: %s",
			e.Origin, shown.Size, known.Size, e.What)
	default:
		return fmt.Sprintf("log %s has signed a head of size %d and does not show its tree (size %d is remembered): %s",
			e.Origin, shown.Size, known.Size, e.What)
	}
}

// FileName returns the name of a file for the evidence, made from that of the
// state or mirror that it belongs to. It is the same whenever the same two heads
// are seen, so that a program that is started again and again keeps one file.
func (e *Evidence) FileName(base string) string {
	sum := sha256.Sum256([]byte(e.known.Text() + e.shown.Text()))
	return fmt.Sprintf("%s.%s-%d-%x.json", base, e.Kind, e.shown.Size, sum[:4])
}

// Write stores the evidence beside the state or mirror that it belongs to, and
// returns where. What is there already stays: it was found first.
func (e *Evidence) Write(base string) (string, error) {
	name := e.FileName(base)
	b, err := e.Marshal()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	if err := writeFile(osDisk{}, name, b); err != nil {
		return "", fmt.Errorf("writing evidence: %w", err)
	}
	return name, nil
}
