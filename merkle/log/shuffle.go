package log

import (
	"cmp"
	crand "crypto/rand"
	"math/rand/v2"
	"slices"
)

// A shuffler decides the order of the entries inside a group. Whoever reads the
// log must not learn from neighbouring indexes which requests came together, so
// the order is drawn from a cipher seeded by the system, not from a fast
// generator whose state could be computed from its output.
type shuffler struct {
	rng   *rand.ChaCha8
	keyed []keyed
	slots []uint32
}

// keyed is an entry whose place is bound to others.
type keyed struct {
	order uint64
	pos   uint32
}

func newShuffler() *shuffler {
	var seed [32]byte
	crand.Read(seed[:])
	return &shuffler{rng: rand.NewChaCha8(seed)}
}

// place returns, for each entry in the order of the queue, its place in the
// group. Every order that keeps entries of equal Order in sequence is equally
// likely. The result is valid until the next call.
func (s *shuffler) place(entries []Entry) []uint32 {
	n := len(entries)
	s.slots = slices.Grow(s.slots[:0], n)[:n]
	for i := range s.slots {
		s.slots[i] = uint32(i)
	}
	if n < 2 {
		return s.slots
	}
	for i := n - 1; i > 0; i-- {
		j := s.below(uint64(i + 1))
		s.slots[i], s.slots[j] = s.slots[j], s.slots[i]
	}
	s.keyed = s.keyed[:0]
	for i := range entries {
		if o := entries[i].Order; o != 0 {
			s.keyed = append(s.keyed, keyed{o, uint32(i)})
		}
	}
	slices.SortFunc(s.keyed, func(a, b keyed) int {
		if c := cmp.Compare(a.order, b.order); c != 0 {
			return c
		}
		return cmp.Compare(a.pos, b.pos)
	})
	// The places that chance gave to the entries of one Order stay theirs, and
	// are handed out in sequence.
	for i := 0; i < len(s.keyed); {
		j := i + 1
		for j < len(s.keyed) && s.keyed[j].order == s.keyed[i].order {
			j++
		}
		if j > i+1 {
			s.sortSlots(s.keyed[i:j])
		}
		i = j
	}
	return s.slots
}

func (s *shuffler) sortSlots(run []keyed) {
	got := make([]uint32, len(run))
	for i, k := range run {
		got[i] = s.slots[k.pos]
	}
	slices.Sort(got)
	for i, k := range run {
		s.slots[k.pos] = got[i]
	}
}

// below returns a uniform number below n, which is at most 2^32.
func (s *shuffler) below(n uint64) uint64 {
	// Multiply and shift, rejecting the few values that would favour some results.
	for {
		x := s.rng.Uint64() >> 32
		m := x * n
		if low := m & (1<<32 - 1); low >= (1<<32)%n {
			return m >> 32
		}
	}
}
