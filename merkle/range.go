package merkle

import (
	"fmt"
	"math/bits"
	"slices"
)

// MaxSize is the largest tree this package reckons with. The formats allow one
// bit more; other implementations keep sizes in signed integers.
const MaxSize = 1<<63 - 1

// A Range is the compact range [0, size) of a tree: the roots of the largest
// perfect subtrees that cover it, left to right, one for each one-bit of the
// size. That is all a log needs to remember in order to append and to know its
// root. The zero value is the range of the empty log. A Range is not safe for
// concurrent use.
//
// The idea and its proof-carrying cousins are described in
// https://github.com/transparency-dev/merkle/blob/main/docs/compact_ranges.md.
// That library's own range allocates each node it makes; Append is the hot path
// of a log, so this type does the same on values, and a test drives both.
type Range struct {
	size   uint64
	hashes []Hash

	room, rest []Hash // memory of AppendEntries
}

// NewRange returns the range of a log of the given size from the hashes that
// [Range.Hashes] returned at that size. It cannot know whether they are the
// right ones: compare Root with a checkpoint.
func NewRange(size uint64, hashes []Hash) (*Range, error) {
	if size > MaxSize {
		return nil, fmt.Errorf("compact range of size %d: larger than %d", size, uint64(MaxSize))
	}
	if got, want := len(hashes), bits.OnesCount64(size); got != want {
		return nil, fmt.Errorf("compact range of size %d: got %d hashes, want %d", size, got, want)
	}
	return &Range{size: size, hashes: slices.Clone(hashes)}, nil
}

// Append adds one leaf. For every node that is now complete and will never
// change again, visit is called with its level, its index on that level and its
// hash: first the leaf itself (level 0), then its ancestors upward. A nil visit
// is allowed.
func (r *Range) Append(leaf Hash, visit func(level uint, index uint64, h Hash)) {
	if r.size == MaxSize {
		// At a million entries a second this takes 292,000 years.
		panic("merkle: compact range is full")
	}
	h, index, level := leaf, r.size, uint(0)
	if visit != nil {
		visit(level, index, h)
	}
	// Each trailing one-bit of the size is a perfect subtree whose right
	// sibling is complete now.
	n := len(r.hashes)
	for ; index&1 == 1; index >>= 1 {
		n--
		h = NodeHash(r.hashes[n], h)
		level++
		if visit != nil {
			visit(level, index>>1, h)
		}
	}
	r.hashes = append(r.hashes[:n], h)
	r.size++
}

// Size returns how many leaves the range covers.
func (r *Range) Size() uint64 { return r.size }

// Hashes returns a copy of the hashes of the range, for the largest subtree first.
func (r *Range) Hashes() []Hash { return slices.Clone(r.hashes) }

// Root returns the root hash of the tree that the range covers.
func (r *Range) Root() Hash {
	n := len(r.hashes)
	if n == 0 {
		return EmptyRoot()
	}
	h := r.hashes[n-1]
	for i := n - 2; i >= 0; i-- {
		h = NodeHash(r.hashes[i], h)
	}
	return h
}

// Clone returns a range that can be appended to independently.
func (r *Range) Clone() *Range {
	return &Range{size: r.size, hashes: slices.Clone(r.hashes)}
}
