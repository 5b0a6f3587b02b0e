package certificate

import (
	"errors"
	"fmt"
)

// The members of a statement of loss, and of an opening of it, that are fixed.
const (
	LostType          = "entries.lost"
	LostSchema        = 1
	LostOpeningType   = "entries.lost-opening"
	LostOpeningSchema = 1
)

// lostGeneration is the generation in whose place lost sets are hashed. Sweeps begin with 2, so nothing that an
// erased set shows can be taken for a part of a lost set, nor the other way round.
const lostGeneration = 0

// A LostRecord is the public statement that some entries of the log were lost: no key opens them any more, and
// no erasure accounts for that, because their key page or their sealed event is nowhere. It says how many they
// are and commits to which. Their indexes in plain text would show which entries shared a key page.
type LostRecord struct {
	Type   string `json:"type"`   // "entries.lost"
	Schema int    `json:"schema"` // 1
	Size   uint64 `json:"size"`   // leaves of the log that were looked at
	// Lost is how many of them are lost, and LostRoot the root of the set that they are.
	Lost     uint64 `json:"lost"`
	LostRoot Digest `json:"lost_root"`
	StatedAt string `json:"stated_at"`
}

// ParseLostRecord reads a statement of loss from the text of the public statement, strictly.
func ParseLostRecord(statement []byte) (*LostRecord, error) {
	r := new(LostRecord)
	if err := ParseCanonical(statement, r); err != nil {
		return nil, fmt.Errorf("statement of loss: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("statement of loss: %w", err)
	}
	return r, nil
}

// Statement returns the text that is published.
func (r *LostRecord) Statement() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("statement of loss: %w", err)
	}
	return Canonical(r)
}

func (r *LostRecord) check() error {
	switch {
	case r.Type != LostType || r.Schema != LostSchema:
		return fmt.Errorf("not type %s, schema %d", LostType, LostSchema)
	case r.Size > maxExact:
		return errors.New("a number is beyond 2^53-1")
	case r.Lost == 0 || r.Lost > r.Size:
		return errors.New("no leaf is lost, or more than there are")
	}
	return checkInstant(r.StatedAt)
}

// A LostSet is a set of lost leaves. It has the form of an erased set of generation 0, in which the bit of a leaf
// says that it is lost.
type LostSet struct{ bits *ErasedSet }

// NewLostSet commits to which of the leaves below size are lost. What it is given is as for NewErasedSet; the
// blinds must be those of no other set.
func NewLostSet(size uint64, lost func(i uint64) bool, blind func(i uint64) [32]byte) (*LostSet, error) {
	s, err := NewErasedSet(lostGeneration, size, lost, blind)
	if err != nil {
		return nil, err
	}
	return &LostSet{s}, nil
}

// Record returns the statement about the set, made at a time that is written as by Instant.
func (s *LostSet) Record(at string) *LostRecord {
	return &LostRecord{Type: LostType, Schema: LostSchema, Size: s.bits.Size(), Lost: s.bits.Total(), LostRoot: s.bits.Root(), StatedAt: at}
}

// Prove shows that one leaf is lost. There is no proof for a leaf that is not.
func (s *LostSet) Prove(i uint64) (*LostProof, error) {
	p, err := s.bits.Prove(i)
	if err != nil {
		return nil, err
	}
	if !p.Erased {
		return nil, fmt.Errorf("proving that leaf %d is lost: it is not", i)
	}
	return &LostProof{Index: p.Index, Blind: p.Blind, Path: p.Path, Count: p.Count, Blocks: p.Blocks}, nil
}

// A LostProof shows that one leaf is lost, by the root of a lost set.
type LostProof struct {
	Index  uint64    `json:"index"`
	Blind  Digest    `json:"blind"`
	Path   []Digest  `json:"path"`   // beside the way to the root of the block
	Count  uint64    `json:"count"`  // lost leaves of the block
	Blocks []SumNode `json:"blocks"` // beside the way from the block to the root
}

// Verify checks the proof against a statement of loss.
func (p *LostProof) Verify(r *LostRecord) error {
	b := BitProof{Index: p.Index, Erased: true, Blind: p.Blind, Path: p.Path, Count: p.Count, Blocks: p.Blocks}
	_, err := b.Verify(lostGeneration, r.Size, r.Lost, r.LostRoot)
	return err
}

// A LostOpening is what somebody gets who asks about an entry that was stated as lost: the statement, with the
// proof that the log has it, and the opening of this one entry in it.
type LostOpening struct {
	Type      string    `json:"type"`      // "entries.lost-opening"
	Schema    int       `json:"schema"`    // 1
	Origin    string    `json:"origin"`    // the log
	Statement string    `json:"statement"` // receipt (.tlog-proof) of the statement of loss
	Entry     LostProof `json:"entry"`
}

// NewLostOpening puts a proof and the receipt of its statement together.
func NewLostOpening(origin string, receipt []byte, p *LostProof) *LostOpening {
	return &LostOpening{Type: LostOpeningType, Schema: LostOpeningSchema, Origin: origin, Statement: string(receipt), Entry: *p}
}

// ParseLostOpening reads an opening, strictly.
func ParseLostOpening(b []byte) (*LostOpening, error) {
	o := new(LostOpening)
	if err := ParseCanonical(b, o); err != nil {
		return nil, fmt.Errorf("opening of a loss: %w", err)
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("opening of a loss: %w", err)
	}
	return o, nil
}

// Marshal returns the text of an opening.
func (o *LostOpening) Marshal() ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("opening of a loss: %w", err)
	}
	return Canonical(o)
}

func (o *LostOpening) check() error {
	if o.Type != LostOpeningType || o.Schema != LostOpeningSchema {
		return fmt.Errorf("not type %s, schema %d", LostOpeningType, LostOpeningSchema)
	}
	return nil
}
