package certificate

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// A sweep commits to which leaves of the log are erased, one bit for each, so that an auditor who draws
// leaves can be shown the bit of each of them and of no other, and so that the total is that of the sweep
// record:
//
//	bit    h = SHA-256(0x02 || u64 g || u64 i || bit || HMAC(K_esc, u64 i))      bit: one byte, 0 or 1
//	inner  h = SHA-256(0x03 || l || r)                                           in a block of 4,096 leaves
//	sum    h = SHA-256(0x04 || u64 c_l || h_l || u64 c_r || h_r)                 above blocks; count = c_l + c_r
//
// Both trees have the shape of RFC 6962: level by level, where the last node of an odd level moves up as it
// is. K_esc is drawn anew for every generation and dies with it, so nobody can confirm a guess of a bit
// afterwards, and a proof of one bit says nothing about another. A log of no leaves has the root SHA-256().
//
// What a proof of a bit tells beyond the bit: how many leaves of its block, and of the blocks beside its way
// to the root, are erased. That a block's count is that of its bits is shown by a proof of the whole block.

// BlockLeaves is the number of leaves in a block.
const BlockLeaves = 4096

// An ErasedSet is the commitment of one sweep. It keeps one node for each block, and the hashes of one; bits and
// blinds are asked for again where something is proven.
type ErasedSet struct {
	g      uint32
	size   uint64
	erased func(i uint64) bool
	blind  func(i uint64) [32]byte
	levels [][]SumNode

	inside      [][]Digest // the hashes inside the block that was proven last
	insideBlock uint64
}

// NewErasedSet commits to the bits of the leaves below size in generation g. Its functions are called by
// several goroutines, and again by the proofs; they must not change their answers.
func NewErasedSet(g uint32, size uint64, erased func(i uint64) bool, blind func(i uint64) [32]byte) (*ErasedSet, error) {
	if size > maxExact {
		return nil, errors.New("an erased set of more than 2^53-1 leaves")
	}
	s := &ErasedSet{g: g, size: size, erased: erased, blind: blind}
	blocks := make([]SumNode, blocksOf(size))
	workers := min(runtime.GOMAXPROCS(0), len(blocks))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var hashes []Digest
			for b := w; b < len(blocks); b += workers {
				hashes = s.bitHashes(uint64(b), hashes)
				for i := range hashes {
					if erased(uint64(b)*BlockLeaves + uint64(i)) {
						blocks[b].Count++
					}
				}
				blocks[b].Hash = fold(hashes)
			}
		})
	}
	wg.Wait()
	if len(blocks) == 0 {
		s.levels = [][]SumNode{{{Hash: sha256.Sum256(nil)}}}
		return s, nil
	}
	s.levels = [][]SumNode{blocks}
	for below := blocks; len(below) > 1; {
		level := make([]SumNode, (len(below)+1)/2)
		for i := range level {
			if 2*i+1 == len(below) {
				level[i] = below[2*i]
				continue
			}
			var err error
			if level[i], err = sumNode(below[2*i], below[2*i+1]); err != nil {
				return nil, err
			}
		}
		s.levels = append(s.levels, level)
		below = level
	}
	return s, nil
}

// Generation is the generation whose blinding key hides the bits.
func (s *ErasedSet) Generation() uint32 { return s.g }

// Size is the number of leaves.
func (s *ErasedSet) Size() uint64 { return s.size }

// Total is the number of erased leaves.
func (s *ErasedSet) Total() uint64 { return s.root().Count }

// Root is the root hash that the sweep record publishes beside the total.
func (s *ErasedSet) Root() Digest { return s.root().Hash }

func (s *ErasedSet) root() SumNode { return s.levels[len(s.levels)-1][0] }

// Prove shows the bit of one leaf. Leaves that are proven in their order cost the hashes of each block once.
// It is for one goroutine at a time.
func (s *ErasedSet) Prove(i uint64) (*BitProof, error) {
	if i >= s.size {
		return nil, fmt.Errorf("proving the bit of leaf %d of %d: there is no such leaf", i, s.size)
	}
	b := i / BlockLeaves
	p := &BitProof{Index: i, Erased: s.erased(i), Blind: s.blind(i), Count: s.levels[0][b].Count, Path: []Digest{}, Blocks: s.path(b)}
	at := int(i % BlockLeaves)
	for _, level := range s.insideOf(b) {
		if beside := at ^ 1; beside < len(level) {
			p.Path = append(p.Path, level[beside])
		}
		at /= 2
	}
	return p, nil
}

// insideOf returns the hashes inside a block, level by level, and keeps them for the next proof.
func (s *ErasedSet) insideOf(b uint64) [][]Digest {
	if s.inside == nil || s.insideBlock != b {
		s.inside, s.insideBlock = [][]Digest{s.bitHashes(b, nil)}, b
		for level := s.inside[0]; len(level) > 1; {
			level = foldOnce(make([]Digest, (len(level)+1)/2), level)
			s.inside = append(s.inside, level)
		}
	}
	return s.inside
}

// ProveBlock shows every bit of one block.
func (s *ErasedSet) ProveBlock(b uint64) (*BlockProof, error) {
	if b >= blocksOf(s.size) {
		return nil, fmt.Errorf("proving the bits of block %d: there are %d blocks", b, blocksOf(s.size))
	}
	n := blockLeaves(b, s.size)
	p := &BlockProof{Block: b, Bits: make(Bytes, (n+7)/8), Blinds: make(Bytes, 0, 32*n), Blocks: s.path(b)}
	for j := range n {
		i := b*BlockLeaves + j
		if s.erased(i) {
			p.Bits[j/8] |= 0x80 >> (j % 8)
		}
		blind := s.blind(i)
		p.Blinds = append(p.Blinds, blind[:]...)
	}
	return p, nil
}

// bitHashes returns the hashes of the bits of block b, in a slice that it may reuse.
func (s *ErasedSet) bitHashes(b uint64, hashes []Digest) []Digest {
	n := blockLeaves(b, s.size)
	if uint64(cap(hashes)) < n {
		hashes = make([]Digest, n)
	}
	hashes = hashes[:n]
	for j := range hashes {
		i := b*BlockLeaves + uint64(j)
		hashes[j] = bitHash(s.g, i, s.erased(i), s.blind(i))
	}
	return hashes
}

// path returns the nodes beside the way from block b to the root.
func (s *ErasedSet) path(b uint64) []SumNode {
	path := []SumNode{}
	for _, level := range s.levels[:len(s.levels)-1] {
		if beside := b ^ 1; beside < uint64(len(level)) {
			path = append(path, level[beside])
		}
		b /= 2
	}
	return path
}

func bitHash(g uint32, i uint64, erased bool, blind [32]byte) Digest {
	var b [50]byte
	b[0] = 0x02
	binary.BigEndian.PutUint64(b[1:], uint64(g))
	binary.BigEndian.PutUint64(b[9:], i)
	if erased {
		b[17] = 1
	}
	copy(b[18:], blind[:])
	return sha256.Sum256(b[:])
}

func innerHash(l, r Digest) Digest {
	var b [65]byte
	b[0] = 0x03
	copy(b[1:], l[:])
	copy(b[33:], r[:])
	return sha256.Sum256(b[:])
}

// fold computes the root of the tree inside a block, in place.
func fold(hashes []Digest) Digest {
	for len(hashes) > 1 {
		hashes = foldOnce(hashes[:(len(hashes)+1)/2], hashes)
	}
	return hashes[0]
}

// foldOnce computes the next level of the tree inside a block, half as many hashes. It may be in place.
func foldOnce(up, hashes []Digest) []Digest {
	for i := range up {
		if 2*i+1 == len(hashes) {
			up[i] = hashes[2*i]
		} else {
			up[i] = innerHash(hashes[2*i], hashes[2*i+1])
		}
	}
	return up
}

// blocksOf is the number of blocks of size leaves.
func blocksOf(size uint64) uint64 { return (size + BlockLeaves - 1) / BlockLeaves }

// blockLeaves is the number of leaves in block b of size leaves.
func blockLeaves(b, size uint64) uint64 { return min(BlockLeaves, size-b*BlockLeaves) }
