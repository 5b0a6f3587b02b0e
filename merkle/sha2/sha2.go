// Package sha2 compresses two messages with SHA-256 at once.
//
// SHA-256 (FIPS 180-4) is a chain: each round waits for the one before. A
// processor with instructions for it finishes a round in four cycles and could
// begin another every two, so one message leaves half of it idle. Sealing an event
// hashes a dozen members that do not depend on each other; two of them, taken
// turn by turn, cost little more than one.
//
//	s, t := sha2.IV, sha2.IV
//	p = sha2.Pad(p, len(p)) // likewise q, of as many blocks
//	sha2.Two(&s, &t, p, q)
//	digest := s.Digest()
//
// It stands here because the tree, sealing and the keys' MACs all hash by it, and knows
// of none of them.
//
// It compresses blocks and leaves the rest to its caller, who so need not hash the
// pads of an HMAC key again for each message under it. Where [Fast] is false there
// is nothing here that works: then use crypto/sha256, which is also what this
// package is tested against, what field openings are verified with, and what a
// receipt's proof is followed with a second time.
package sha2

import "encoding/binary"

// Block is what one compression takes.
const Block = 64

// A State is the eight words between two blocks.
type State [8]uint32

// IV is where a message begins.
var IV = State{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}

// Put writes the state as a digest.
func (s *State) Put(d *[32]byte) {
	for i, w := range s {
		binary.BigEndian.PutUint32(d[4*i:], w)
	}
}

// Digest returns the state as a digest.
func (s *State) Digest() (d [32]byte) {
	s.Put(&d)
	return d
}

// Padded is the length of a message of n bytes with its padding.
func Padded(n int) int { return (n + 9 + Block - 1) / Block * Block }

// Pad appends the padding of a message that ends with p. size is the length of all
// of it, which is more than that of p where whole blocks went before.
func Pad(p []byte, size int) []byte {
	p = append(p, padding[:Padded(size)-size-8]...)
	return binary.BigEndian.AppendUint64(p, uint64(size)*8)
}

var padding = [Block]byte{0x80}

// One compresses the blocks of p into s. The length of p is a multiple of [Block].
func One(s *State, p []byte) {
	if len(p)%Block != 0 {
		panic("sha2: not whole blocks")
	}
	if len(p) > 0 {
		one(s, &p[0], len(p)/Block)
	}
}

// Two compresses the blocks of p into s and those of q into t. The shorter of the
// two ends first; s and t are not the same state.
func Two(s, t *State, p, q []byte) {
	if len(p)%Block != 0 || len(q)%Block != 0 {
		panic("sha2: not whole blocks")
	}
	if n := min(len(p), len(q)); n > 0 {
		two(s, t, &p[0], &q[0], n/Block)
		p, q = p[n:], q[n:]
	}
	One(s, p)
	One(t, q)
}
