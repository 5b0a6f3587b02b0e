package merkle

import (
	"slices"

	"github.com/lacunalog/lacuna/merkle/sha2"
)

// AppendEntries appends the leaves of some entries. It is [Range.Append] of each
// leaf hash, but goes level by level: visit is called for all new nodes of a level,
// from left to right, before the next.
func (r *Range) AppendEntries(entries [][]byte, visit func(level uint, index uint64, h Hash)) {
	if !fast {
		for _, e := range entries {
			r.Append(LeafHash(e), visit)
		}
		return
	}
	n := len(entries)
	if n == 0 {
		return
	}
	if uint64(n) > MaxSize-r.size {
		panic("merkle: compact range is full")
	}
	// room[0] is for the left sibling of the first new node of a level.
	room := slices.Grow(r.room[:0], 1+n)[:1+n]
	r.room = room
	nodes := room[1:]
	leafHashes(nodes, entries)
	// What was in the range and stands left of everything new, for the largest
	// subtree first; what is new and has no sibling, for the smallest first.
	old, rest := r.hashes, r.rest[:0]
	index := r.size
	for level := uint(0); len(nodes) > 0; level++ {
		if visit != nil {
			for i, h := range nodes {
				visit(level, index+uint64(i), h)
			}
		}
		if index&1 == 1 {
			nodes = room[:1+len(nodes)]
			nodes[0] = old[len(old)-1]
			old = old[:len(old)-1]
		}
		if k := len(nodes) - 1; k&1 == 0 {
			rest = append(rest, nodes[k])
			nodes = nodes[:k]
		}
		nodeHashes(room[1:], nodes)
		nodes = room[1 : 1+len(nodes)/2]
		index >>= 1
	}
	slices.Reverse(rest)
	r.hashes = append(old, rest...)
	r.rest = rest
	r.size += uint64(n)
}

// leafHashes hashes entries into to, two at a time where that is faster.
func leafHashes(to []Hash, entries [][]byte) {
	i := 0
	if fast {
		var a, b [leafRoom]byte
		for ; i+1 < len(entries); i += 2 {
			x, y := entries[i], entries[i+1]
			if len(x) > shortEntry || len(y) > shortEntry {
				to[i], to[i+1] = LeafHash(x), LeafHash(y)
				continue
			}
			p := sha2.Pad(append(append(a[:0], leafPrefix), x...), 1+len(x))
			q := sha2.Pad(append(append(b[:0], leafPrefix), y...), 1+len(y))
			s, t := sha2.IV, sha2.IV
			sha2.Two(&s, &t, p, q)
			s.Put((*[HashSize]byte)(&to[i]))
			t.Put((*[HashSize]byte)(&to[i+1]))
		}
	}
	for ; i < len(entries); i++ {
		to[i] = LeafHash(entries[i])
	}
}

// nodeHashes hashes the nodes above pairs of children into to, which may begin one
// place before them or behind.
func nodeHashes(to, children []Hash) {
	i := 0
	if fast {
		a, b := emptyNode, emptyNode
		for ; i+3 < len(children); i += 4 {
			a.set(&children[i], &children[i+1])
			b.set(&children[i+2], &children[i+3])
			s, t := sha2.IV, sha2.IV
			sha2.Two(&s, &t, a[:], b[:])
			s.Put((*[HashSize]byte)(&to[i/2]))
			t.Put((*[HashSize]byte)(&to[i/2+1]))
		}
	}
	for ; i < len(children); i += 2 {
		to[i/2] = NodeHash(children[i], children[i+1])
	}
}
