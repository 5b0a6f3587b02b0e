package envelope

import (
	"crypto/sha256"
	"errors"
	"fmt"
)

// A FieldOpening shows chosen members of one event and nothing else. With r
// and d_E anyone can recompute the leaf from the list of names and digests;
// the members that are held back cannot be guessed, because their salts come
// from a secret that is not here. The names of all members are visible.
type FieldOpening struct {
	R           [32]byte       // blinds the leaf
	DE          [32]byte       // SHA-256("lacuna/v1/envelope" || E)
	Members     []MemberDigest // every member, names strictly increasing
	Disclosures []Disclosure   // the chosen ones, in the order of Members
}

// A MemberDigest is a member's name and SHA-256(D_i).
type MemberDigest struct {
	Name   string
	Digest [32]byte
}

// DefaultReveal is what a field opening shows unless told otherwise:
// everything but _seq and _prev. The hash in _prev is the hash of another
// public leaf, so whoever reads it can point at a second record of the same
// person for ever; _seq tells how many there are.
func DefaultReveal(name string) bool { return name != "_seq" && name != "_prev" }

// OpenFields opens an envelope and returns the opening of the members for
// which reveal is true; nil is [DefaultReveal].
func OpenFields(k Keys, env []byte, reveal func(name string) bool) (*FieldOpening, error) {
	w := works.Get().(*work)
	defer w.release()
	if err := w.derive(k, env); err != nil {
		return nil, err
	}
	event, err := w.open(env)
	if err != nil {
		return nil, err
	}
	return w.fields(env, event, reveal), nil
}

// fields makes the field opening of the event that w describes.
func (w *work) fields(env, event []byte, reveal func(string) bool) *FieldOpening {
	if reveal == nil {
		reveal = DefaultReveal
	}
	n := w.spans.n
	salts := w.salts[:n*saltSize]
	w.p.salts(Suite(env[0]), salts)
	f := &FieldOpening{R: w.p.r, DE: envelopeHash(env), Members: make([]MemberDigest, n)}
	for i := range n {
		w.disclose(salts, event, i)
		f.Members[i] = MemberDigest{string(w.spans.name(event, i)), sha256.Sum256(w.enc)}
		if reveal(f.Members[i].Name) {
			f.Disclosures = append(f.Disclosures, Disclosure(w.enc))
		}
	}
	return f
}

var (
	errListed   = fmt.Errorf("%w: a disclosure is out of order, shown twice, or of no listed member", ErrDisclosure)
	errDigest   = fmt.Errorf("%w: it is not the one that the list of members has a digest of", ErrDisclosure)
	errNoOpener = errors.New("opening: neither field, full nor public")
)

// MembersHash is d_P: what the leaf commits to of the members. It refuses a
// list that is empty, too long, or whose names are not strictly increasing:
// with two digests for one name the same leaf would tell two auditors two
// truths.
func (f *FieldOpening) MembersHash() (d [32]byte, err error) {
	if err := f.checkNames(); err != nil {
		return d, err
	}
	size := len(labelMembers) + 2
	for i := range f.Members {
		size += 1 + len(f.Members[i].Name) + 32
	}
	list := appendMembersHead(make([]byte, 0, size), len(f.Members))
	for i := range f.Members {
		m := &f.Members[i]
		list = append(list, byte(len(m.Name)))
		list = append(list, m.Name...)
		list = append(list, m.Digest[:]...)
	}
	return sha256.Sum256(list), nil
}

func (f *FieldOpening) checkNames() error {
	if len(f.Members) == 0 {
		return errEmpty
	}
	if len(f.Members) > MaxMembers {
		return errCount
	}
	for i := range f.Members {
		if !validName(f.Members[i].Name) {
			return errName
		}
		if i > 0 && f.Members[i-1].Name >= f.Members[i].Name {
			return errOrder
		}
	}
	return nil
}

// Verify recomputes the leaf that this opening opens in the log with the
// given origin, and returns it with what the opening shows. Whether that leaf
// is in the log is for an inclusion proof to say.
func (f *FieldOpening) Verify(origin [32]byte) (leaf []byte, shown Disclosed, err error) {
	dP, err := f.MembersHash()
	if err != nil {
		return nil, Disclosed{}, fmt.Errorf("verifying a field opening: %w", err)
	}
	shown.Members = make([]DisclosedMember, len(f.Members))
	for i := range f.Members {
		shown.Members[i].Name = f.Members[i].Name
	}
	size := 0
	for _, d := range f.Disclosures {
		size += b64.DecodedLen(len(d))
	}
	buf, next := make([]byte, 0, size), 0
	for _, d := range f.Disclosures {
		var name, value []byte
		if name, value, buf, err = d.parse(buf); err != nil {
			return nil, Disclosed{}, fmt.Errorf("verifying a field opening: %w", err)
		}
		// Both lists are in order, so one walk pairs them.
		for next < len(f.Members) && f.Members[next].Name < string(name) {
			next++
		}
		if next == len(f.Members) || f.Members[next].Name != string(name) {
			return nil, Disclosed{}, fmt.Errorf("verifying a field opening: %w", errListed)
		}
		if sha256.Sum256([]byte(d)) != f.Members[next].Digest {
			return nil, Disclosed{}, fmt.Errorf("verifying a field opening: %w", errDigest)
		}
		shown.Members[next].Value = value
		next++
	}
	l := leafOf(&f.R, &origin, &f.DE, &dP)
	return l[:], shown, nil
}
