package envelope

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// A Kind says what an opening shows.
type Kind string

const (
	Field  Kind = "field"  // chosen members of a sealed event
	Full   Kind = "full"   // a sealed event as a whole
	Public Kind = "public" // a public statement, which hides nothing
)

// An Opening belongs to one leaf of one log; a .tlog-proof file carries it
// in its extra line. Exactly one of Field, Full and Public is set.
type Opening struct {
	// LeafHash is the hash of the leaf, SHA-256(0x00 || leaf), that the
	// opening is said to open. It is a claim like all the rest; it is there so
	// that a verifier can tell a changed opening from a changed proof.
	LeafHash [32]byte

	Field  *FieldOpening
	Full   *FullOpening
	Public []byte // the statement, canonical JSON

	// Statements are public statements of the same log that the event refers to
	// by their leaf hashes: the form whose words the person read, say. They go
	// with an opening so that its reader needs no second file. Only with Field
	// and Full.
	Statements [][]byte
}

// Kind returns which one it is, or "" if it is none or several.
func (o *Opening) Kind() Kind {
	switch {
	case o.Field != nil && o.Full == nil && o.Public == nil:
		return Field
	case o.Field == nil && o.Full != nil && o.Public == nil:
		return Full
	case o.Field == nil && o.Full == nil && o.Public != nil:
		return Public
	}
	return ""
}

// Opening joins a field opening with the leaf it opens, as it stands in the
// log.
func (f *FieldOpening) Opening(leaf []byte) *Opening {
	return &Opening{LeafHash: LeafHash(leaf), Field: f}
}

// Opening joins a full opening with the leaf it opens, as it stands in the
// log.
func (f *FullOpening) Opening(leaf []byte) *Opening {
	return &Opening{LeafHash: LeafHash(leaf), Full: f}
}

// OpenPublic returns the opening of a public leaf.
func OpenPublic(leaf []byte) (*Opening, error) {
	statement, ok := PublicStatement(leaf)
	if !ok {
		return nil, errors.New("opening a public statement: not the leaf of one")
	}
	return &Opening{LeafHash: LeafHash(leaf), Public: statement}, nil
}

// LeafHash is the RFC 6962 hash of a leaf, SHA-256(0x00 || leaf).
func LeafHash(leaf []byte) (h [32]byte) {
	d := sha256.New()
	d.Write([]byte{0})
	d.Write(leaf)
	d.Sum(h[:0])
	return h
}

// A LeafError says that an opening is well-formed and opens another leaf
// than the one it names: a byte was changed, or it belongs to another log.
type LeafError struct {
	Expected [32]byte // the leaf hash that the opening names
	Got      [32]byte // the one its content gives
}

func (e *LeafError) Error() string {
	return fmt.Sprintf("leaf: expected %s…, got %s…", hex.EncodeToString(e.Expected[:4]), hex.EncodeToString(e.Got[:4]))
}

// Verify recomputes the leaf from the opening and compares it with the one
// the opening names; the error is a [*LeafError] if they differ. What the
// opening shows is proven only once an inclusion proof shows that the leaf is
// in the log with that origin.
func (o *Opening) Verify(origin [32]byte) (leaf []byte, shown Disclosed, err error) {
	switch o.Kind() {
	case Field:
		leaf, shown, err = o.Field.Verify(origin)
	case Full:
		leaf, shown, err = o.Full.Verify(origin)
	case Public:
		var members []Member
		if leaf, err = PublicLeaf(o.Public); err == nil {
			members, err = Split(o.Public)
		}
		for _, m := range members {
			shown.Members = append(shown.Members, DisclosedMember(m))
		}
	default:
		err = errNoOpener
	}
	if err != nil {
		return nil, Disclosed{}, err
	}
	if got := LeafHash(leaf); got != o.LeafHash {
		return nil, Disclosed{}, &LeafError{o.LeafHash, got}
	}
	if err := o.checkStatements(shown); err != nil {
		return nil, Disclosed{}, err
	}
	return leaf, shown, nil
}

// checkStatements refuses a statement that no shown member refers to. A member
// refers to one as an object whose member "leaf" is the leaf hash, in base64: the
// leaf of the event commits to it, so what the statement says is what the event
// means, whoever brings it along.
func (o *Opening) checkStatements(shown Disclosed) error {
	var used [][]byte
	for _, s := range o.Statements {
		leaf, err := PublicLeaf(s)
		if err != nil {
			return err
		}
		hash := LeafHash(leaf)
		ref := []byte(`"` + base64.StdEncoding.EncodeToString(hash[:]) + `"`)
		found := false
		for _, m := range shown.Members {
			if ms, err := Split(m.Value); err == nil {
				for _, x := range ms {
					found = found || x.Name == "leaf" && bytes.Equal(x.Value, ref)
				}
			}
		}
		if !found {
			return fmt.Errorf("%w: a statement that the event does not refer to", ErrOpening)
		}
		if slices.ContainsFunc(used, func(u []byte) bool { return bytes.Equal(u, s) }) {
			return fmt.Errorf("%w: a statement twice", ErrOpening)
		}
		used = append(used, s)
	}
	return nil
}
