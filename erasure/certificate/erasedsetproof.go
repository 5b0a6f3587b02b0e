package certificate

import (
	"errors"
	"fmt"
	"math/bits"
)

// Bytes are written in JSON as base64url without padding.
type Bytes []byte

func (b Bytes) MarshalText() ([]byte, error) { return b64.AppendEncode(nil, b), nil }
func (b *Bytes) UnmarshalText(text []byte) error {
	*b = make(Bytes, b64.DecodedLen(len(text)))
	return decodeText(*b, text)
}

// A BitProof shows whether one leaf is erased, by the root of an erased set.
type BitProof struct {
	Index  uint64    `json:"index"`
	Erased bool      `json:"erased"`
	Blind  Digest    `json:"blind"`
	Path   []Digest  `json:"path"`   // beside the way to the root of the block
	Count  uint64    `json:"count"`  // erased leaves of the block
	Blocks []SumNode `json:"blocks"` // beside the way from the block to the root
}

// A BlockProof shows the bits of a whole block.
type BlockProof struct {
	Block  uint64    `json:"block"`
	Bits   Bytes     `json:"bits"`   // the first leaf is the highest bit of the first byte
	Blinds Bytes     `json:"blinds"` // 32 bytes for each leaf
	Blocks []SumNode `json:"blocks"`
}

var (
	errBitProof = errors.New("the proof does not lead to the root of the erased set")
	errBitShape = errors.New("the proof does not fit an erased set of this size")
	errBitCount = errors.New("the proof counts more erased leaves than there are leaves, or fewer than it shows")
)

// Verify checks the proof against what a sweep record states, and returns the bit. No count on the way
// may be more than the leaves below it, so that none can hide another.
func (p *BitProof) Verify(g uint32, size, total uint64, root Digest) (erased bool, err error) {
	if size > maxExact || p.Index >= size {
		return false, fmt.Errorf("leaf %d of %d: %w", p.Index, size, errBitShape)
	}
	b := p.Index / BlockLeaves
	n := blockLeaves(b, size)
	low, high := uint64(0), n-1
	if p.Erased {
		low, high = 1, n
	}
	if p.Count < low || p.Count > high {
		return false, errBitCount
	}
	hash := bitHash(g, p.Index, p.Erased, p.Blind)
	path := p.Path
	for at := p.Index % BlockLeaves; n > 1; at, n = at/2, (n+1)/2 {
		if at^1 >= n {
			continue
		}
		if len(path) == 0 {
			return false, errBitShape
		}
		if at&1 == 0 {
			hash = innerHash(hash, path[0])
		} else {
			hash = innerHash(path[0], hash)
		}
		path = path[1:]
	}
	if len(path) != 0 {
		return false, errBitShape
	}
	if err := verifySum(SumNode{Count: p.Count, Hash: hash}, b, p.Blocks, size, total, root); err != nil {
		return false, err
	}
	return p.Erased, nil
}

// Verify checks the proof against what a sweep record states. Erased and Leaves say what it shows.
func (p *BlockProof) Verify(g uint32, size, total uint64, root Digest) error {
	if size > maxExact || p.Block >= blocksOf(size) {
		return fmt.Errorf("block %d of %d leaves: %w", p.Block, size, errBitShape)
	}
	n := blockLeaves(p.Block, size)
	if uint64(len(p.Bits)) != (n+7)/8 || uint64(len(p.Blinds)) != 32*n {
		return errBitShape
	}
	if rest := n % 8; rest != 0 && p.Bits[n/8]<<rest != 0 {
		return errBitShape
	}
	hashes := make([]Digest, n)
	for j := range hashes {
		i := p.Block*BlockLeaves + uint64(j)
		hashes[j] = bitHash(g, i, p.Erased(i), [32]byte(p.Blinds[32*j:]))
	}
	return verifySum(SumNode{Count: p.Total(), Hash: fold(hashes)}, p.Block, p.Blocks, size, total, root)
}

// Erased reports the bit of leaf i, which must be one of the block.
func (p *BlockProof) Erased(i uint64) bool {
	j := i - p.Block*BlockLeaves
	return p.Bits[j/8]&(0x80>>(j%8)) != 0
}

// Total is the number of erased leaves in the block.
func (p *BlockProof) Total() (n uint64) {
	for _, b := range p.Bits {
		n += uint64(bits.OnesCount8(b))
	}
	return n
}

// verifySum leads block b to the root, above blocks.
func verifySum(node SumNode, b uint64, path []SumNode, size, total uint64, root Digest) error {
	for n, at, span := blocksOf(size), b, uint64(BlockLeaves); n > 1; at, n, span = at/2, (n+1)/2, span*2 {
		beside := at ^ 1
		if beside >= n {
			continue
		}
		if len(path) == 0 {
			return errBitShape
		}
		if path[0].Count > min(span, size-beside*span) {
			return errBitCount
		}
		var err error
		if at&1 == 0 {
			node, err = sumNode(node, path[0])
		} else {
			node, err = sumNode(path[0], node)
		}
		if err != nil {
			return err
		}
		path = path[1:]
	}
	switch {
	case len(path) != 0:
		return errBitShape
	case node.Hash != root || node.Count != total:
		return errBitProof
	}
	return nil
}
