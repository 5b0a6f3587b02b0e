package certificate

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

// The members of paired openings that are fixed.
const (
	PairedType   = "erasure.paired"
	PairedSchema = 1
)

// Paired openings show that what one sweep committed to as erased is still erased in the next: without
// them an operator could show a leaf as erased to one auditor and open it to another. They are made while
// both blinding keys live, and the new sweep record has the SHA-256 of their text.
//
// The leaves are chosen by SHA-256(root of the new set || signed head). For a leaf that was not erased
// before there is nothing to show in the new set, and nothing is shown: that keeps the openings from
// telling what was erased in between. For the same reason they are one in 256 leaves of the set before,
// and at most 1,000: in a small log more of them would put one person's entries side by side.
type Paired struct {
	Type   string `json:"type"`   // "erasure.paired"
	Schema int    `json:"schema"` // 1
	Origin string `json:"origin"`
	Before SetRef `json:"before"`
	After  SetRef `json:"after"`
	// Head is the signed head of the log, with the cosignatures it has, that chose the leaves.
	Head   string       `json:"head"`
	Leaves []PairedLeaf `json:"leaves"`
}

// A SetRef names an erased set by what its sweep record says.
type SetRef struct {
	Generation uint32 `json:"generation"`
	Size       uint64 `json:"size"`
	Erased     uint64 `json:"erased"`
	Root       Digest `json:"root"`
}

// A PairedLeaf is one leaf in both sets; After is only there if it was erased before.
type PairedLeaf struct {
	Before BitProof  `json:"before"`
	After  *BitProof `json:"after"`
}

// Set returns what a sweep record says of its erased set.
func (r *SweepRecord) Set() SetRef {
	return SetRef{Generation: r.Generation, Size: r.Size, Erased: r.Erased, Root: r.ErasedRoot}
}

// Ref names the set.
func (s *ErasedSet) Ref() SetRef {
	return SetRef{Generation: s.g, Size: s.size, Erased: s.Total(), Root: s.Root()}
}

const (
	pairedMost  = 1000
	pairedOneIn = 256
)

// pairedLeaves is how many leaves of a set of that size are opened.
func pairedLeaves(size uint64) int { return int(min(pairedMost, (size+pairedOneIn-1)/pairedOneIn)) }

// Pair opens leaves of the set of the sweep before in that set and in the new one. head is the newest
// signed head of the log, as a signed note with its cosignatures. It fails where a bit went from 1 to 0.
func Pair(origin string, before, after *ErasedSet, head []byte) (*Paired, error) {
	p := &Paired{Type: PairedType, Schema: PairedSchema, Origin: origin, Before: before.Ref(), After: after.Ref(), Head: string(head), Leaves: []PairedLeaf{}}
	for _, i := range p.draw() {
		b, err := before.Prove(i)
		if err != nil {
			return nil, fmt.Errorf("pairing erased sets: %w", err)
		}
		leaf := PairedLeaf{Before: *b}
		if b.Erased {
			if leaf.After, err = after.Prove(i); err != nil {
				return nil, fmt.Errorf("pairing erased sets: %w", err)
			}
			if !leaf.After.Erased {
				return nil, errUnerased
			}
		}
		p.Leaves = append(p.Leaves, leaf)
	}
	return p, p.check()
}

func (p *Paired) draw() []uint64 {
	return Draw(seedOf(p.After.Root[:], []byte(p.Head)), p.Before.Size, pairedLeaves(p.Before.Size))
}

var errUnerased = errors.New("a leaf that was erased is not erased any more")

// ParsePaired reads paired openings, strictly.
func ParsePaired(b []byte) (*Paired, error) {
	p := new(Paired)
	if err := ParseCanonical(b, p); err != nil {
		return nil, fmt.Errorf("paired openings: %w", err)
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("paired openings: %w", err)
	}
	return p, nil
}

// Marshal returns the text whose SHA-256 the sweep record has.
func (p *Paired) Marshal() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("paired openings: %w", err)
	}
	return Canonical(p)
}

func (p *Paired) check() error {
	switch {
	case p.Type != PairedType || p.Schema != PairedSchema:
		return fmt.Errorf("not type %s, schema %d", PairedType, PairedSchema)
	case p.Before.Generation >= p.After.Generation || p.Before.Size > p.After.Size || p.Before.Erased > p.After.Erased || p.After.Size > maxExact:
		return errors.New("the two sets do not follow each other")
	case len(p.Leaves) > pairedMost:
		return errors.New("more leaves than are ever drawn")
	}
	return nil
}

// Verify checks paired openings, given as their text, with the two sweep records that they stand between.
// It says which leaves show something: how many were opened, and how many of these were erased before.
// That head is signed by the log is for the caller to check.
func (p *Paired) Verify(text []byte, before, after *SweepRecord) (opened, erased int, err error) {
	differ := func(what string) (int, int, error) { return 0, 0, &MismatchError{"paired openings", what} }
	switch {
	case after.Paired == nil || *after.Paired != sha256.Sum256(text):
		return differ("the sweep record has the digest of others")
	case p.Before != before.Set() || before.Tree != after.Tree:
		return differ("the set before is not that of the sweep record before")
	case p.After != after.Set():
		return differ("the new set is not that of the sweep record")
	}
	drawn := p.draw()
	if !slices.EqualFunc(p.Leaves, drawn, func(l PairedLeaf, i uint64) bool {
		return l.Before.Index == i && (l.After == nil || l.After.Index == i)
	}) {
		return differ("the leaves are not those that the head and the new root choose")
	}
	for _, l := range p.Leaves {
		was, err := l.Before.Verify(p.Before.Generation, p.Before.Size, p.Before.Erased, p.Before.Root)
		if err != nil {
			return 0, 0, fmt.Errorf("paired openings: leaf %d before: %w", l.Before.Index, err)
		}
		switch {
		case !was && l.After == nil:
			continue
		case !was:
			return differ(fmt.Sprintf("leaf %d was not erased before, and its new bit is shown", l.Before.Index))
		case l.After == nil:
			return differ(fmt.Sprintf("leaf %d was erased before, and its new bit is not shown", l.Before.Index))
		}
		is, err := l.After.Verify(p.After.Generation, p.After.Size, p.After.Erased, p.After.Root)
		if err != nil {
			return 0, 0, fmt.Errorf("paired openings: leaf %d after: %w", l.Before.Index, err)
		}
		if !is {
			return 0, 0, fmt.Errorf("paired openings: leaf %d: %w", l.Before.Index, errUnerased)
		}
		erased++
	}
	return len(p.Leaves), erased, nil
}
