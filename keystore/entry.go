package keystore

import (
	"encoding/binary"
	"fmt"
	"io"
)

// A State is what may be done with a key.
type State uint8

const (
	_       State = iota // 0 marks the padding of a page
	Active               // may seal and open
	Erasing              // fenced: refuses new leases, awaits its epoch
)

func (s State) String() string {
	switch s {
	case Active:
		return "active"
	case Erasing:
		return "erasing"
	}
	return "unknown"
}

// MarshalText writes the state as its name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

const (
	entrySize = 64

	flagAlias      = 1 // tag is that of a contact address, the 32 bytes name the subject
	flagHeld       = 2 // may not be erased until the hold is lifted
	flagRestricted = 4 // Art. 18: stored, not used
	flagsKnown     = flagAlias | flagHeld | flagRestricted
)

// An entry is one key in a leaf page:
//
//	tag16 | DEK32 | u16 compartment | u16 cohort | state | flags | u16 created, expiry, review day | 4 zero bytes
type entry struct {
	tag                     [16]byte
	dek                     Secret
	comp, cohort            uint16
	state                   State
	flags                   uint8
	created, expiry, review uint16
}

func (e *entry) id() keyID { return keyID{e.tag, e.comp, e.cohort, e.flags&flagAlias != 0} }

func (e *entry) put(b []byte) {
	_ = b[entrySize-1]
	copy(b, e.tag[:])
	copy(b[16:], e.dek[:])
	binary.BigEndian.PutUint16(b[48:], e.comp)
	binary.BigEndian.PutUint16(b[50:], e.cohort)
	b[52], b[53] = byte(e.state), e.flags
	binary.BigEndian.PutUint16(b[54:], e.created)
	binary.BigEndian.PutUint16(b[56:], e.expiry)
	binary.BigEndian.PutUint16(b[58:], e.review)
	clear(b[60:entrySize])
}

// parse reads an entry strictly: what this version does not know it refuses,
// because a page is written back as a whole.
func (e *entry) parse(b []byte) error {
	if len(b) != entrySize {
		return fmt.Errorf("an entry of %d bytes: %w", len(b), errCorrupt)
	}
	copy(e.tag[:], b)
	copy(e.dek[:], b[16:])
	e.comp = binary.BigEndian.Uint16(b[48:])
	e.cohort = binary.BigEndian.Uint16(b[50:])
	e.state, e.flags = State(b[52]), b[53]
	e.created = binary.BigEndian.Uint16(b[54:])
	e.expiry = binary.BigEndian.Uint16(b[56:])
	e.review = binary.BigEndian.Uint16(b[58:])
	switch {
	case e.state != Active && e.state != Erasing:
		return fmt.Errorf("an entry in state %d: %w", b[52], errCorrupt)
	case e.flags&^flagsKnown != 0:
		return fmt.Errorf("an entry with flags %#x: %w", b[53], errCorrupt)
	case e.comp == 0 || b[60]|b[61]|b[62]|b[63] != 0:
		return fmt.Errorf("an entry with reserved values: %w", errCorrupt)
	}
	return nil
}

// A Ref names one key of the tree without naming the person. It may be kept in
// a sealed row and compared; it prints as "[ref]", because it is the same for
// all that a person has in a compartment.
type Ref struct{ id keyID }

const refLen = 16 + 2 + 2 + 1

// Bytes is the form in which a ref is stored.
func (r Ref) Bytes() []byte {
	b := make([]byte, refLen)
	copy(b, r.id.tag[:])
	binary.BigEndian.PutUint16(b[16:], r.id.comp)
	binary.BigEndian.PutUint16(b[18:], r.id.cohort)
	if r.id.alias {
		b[20] = 1
	}
	return b
}

// ParseRef is the inverse of [Ref.Bytes].
func ParseRef(b []byte) (Ref, error) {
	if len(b) != refLen {
		return Ref{}, fmt.Errorf("a key reference has %d bytes, not %d", refLen, len(b))
	}
	var r Ref
	copy(r.id.tag[:], b)
	r.id.comp = binary.BigEndian.Uint16(b[16:])
	r.id.cohort = binary.BigEndian.Uint16(b[18:])
	r.id.alias = b[20] == 1
	if b[20] > 1 {
		return Ref{}, fmt.Errorf("reading a key reference: %w", errCorrupt)
	}
	return r, nil
}

// SameSubject reports whether two refs belong to one person.
func (r Ref) SameSubject(o Ref) bool { return equal(r.id.tag[:], o.id.tag[:]) }

const redactedRef = "[ref]"

func (Ref) String() string               { return redactedRef }
func (Ref) GoString() string             { return redactedRef }
func (Ref) Format(f fmt.State, _ rune)   { io.WriteString(f, redactedRef) }
func (Ref) MarshalText() ([]byte, error) { return []byte(redactedRef), nil }
func (Ref) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedRef + `"`), nil }

// KeyInfo is what may be known of a key outside this package. Days count from
// 1970-01-01; 0 is none.
type KeyInfo struct {
	Ref         Ref
	Compartment string
	Cohort      Cohort
	State       State
	Created     uint16
	Expiry      uint16
	Review      uint16
	Held        bool
	Restricted  bool
	Alias       bool
}
