package certificate

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// The requests of one epoch are the leaves of a sum tree: a Merkle tree in which every node carries,
// beside its hash, how many log entries the requests below it made unreadable. The root hash is
// published and its count is not: the exact count of an epoch with one person in it is that person's
// number of events. A sweep, which closes many epochs at once, publishes the total.
//
//	leaf   h = SHA-256(0x05 || c || t)                                  count = entries of this request
//	inner  h = SHA-256(0x04 || u64 c_l || h_l || u64 c_r || h_r)        count = c_l + c_r
//
// c is the hiding commitment to the request, t the digest of the terms of its certificate. There are a
// power of two and at least 64 leaves; those that no request needs are 32 random bytes with count 0,
// and all of them are shuffled, so neither the shape nor the place says how many requests there were.
//
// Whoever holds a path learns the counts beside it: how many entries the other requests of the epoch
// had together, never whose.

// MinRequests is the least number of leaves of a requests tree.
const MinRequests = 64

// A SumNode is a node of the requests tree.
type SumNode struct {
	Count uint64 `json:"count"`
	Hash  Digest `json:"hash"`
}

var errOverflow = errors.New("the counts of a sum tree add up to more than 2^53-1")

// RequestLeaf is the leaf of a request with commitment c, terms t and count entries.
func RequestLeaf(c, t Digest, count uint64) SumNode {
	b := append([]byte{0x05}, c[:]...)
	return SumNode{Count: count, Hash: sha256.Sum256(append(b, t[:]...))}
}

func sumNode(l, r SumNode) (SumNode, error) {
	if l.Count > maxExact || r.Count > maxExact-l.Count {
		return SumNode{}, errOverflow
	}
	b := make([]byte, 0, 1+2*(8+sha256.Size))
	b = append(b, 0x04)
	b = binary.BigEndian.AppendUint64(b, l.Count)
	b = append(b, l.Hash[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Count)
	b = append(b, r.Hash[:]...)
	return SumNode{Count: l.Count + r.Count, Hash: sha256.Sum256(b)}, nil
}

// SumSize is how many leaves a tree for n requests has.
func SumSize(n int) int {
	size := MinRequests
	for size < n {
		size *= 2
	}
	return size
}

// SumTree returns the levels of the tree over a power of two leaves, the leaves first and the root,
// alone in its level, last.
func SumTree(leaves []SumNode) ([][]SumNode, error) {
	if n := len(leaves); n == 0 || n&(n-1) != 0 {
		return nil, fmt.Errorf("a sum tree of %d leaves: not a power of two", n)
	}
	levels := [][]SumNode{leaves}
	for below := leaves; len(below) > 1; {
		level := make([]SumNode, len(below)/2)
		for i := range level {
			var err error
			if level[i], err = sumNode(below[2*i], below[2*i+1]); err != nil {
				return nil, err
			}
		}
		levels = append(levels, level)
		below = level
	}
	return levels, nil
}

// SumPath returns the nodes beside the way from leaf i to the root.
func SumPath(levels [][]SumNode, i int) []SumNode {
	path := make([]SumNode, 0, len(levels)-1)
	for _, level := range levels[:len(levels)-1] {
		path = append(path, level[i^1])
		i /= 2
	}
	return path
}

// SumRoot recomputes the root from a leaf, its place among size leaves, and its path.
func SumRoot(leaf SumNode, i, size int, path []SumNode) (SumNode, error) {
	if size < 1 || size&(size-1) != 0 || i < 0 || i >= size || len(path) != bits.Len(uint(size))-1 {
		return SumNode{}, fmt.Errorf("a path of %d nodes for leaf %d does not fit a tree of %d leaves", len(path), i, size)
	}
	if leaf.Count > maxExact {
		return SumNode{}, errOverflow
	}
	node := leaf
	for _, beside := range path {
		var err error
		if i&1 == 0 {
			node, err = sumNode(node, beside)
		} else {
			node, err = sumNode(beside, node)
		}
		if err != nil {
			return SumNode{}, err
		}
		i /= 2
	}
	return node, nil
}
