package certificate

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
)

// Draw chooses n different numbers below size, all of them where there are no more, by a seed that whoever
// checks the choice can compute too:
//
//	d_j = the first 16 bytes of SHA-256(seed || u64 j) as a number, modulo size        j = 0, 1, 2, …
//
// leaving out those that were drawn before, until there are n. They are returned in order. It holds as
// many numbers in memory as it returns; callers bound n.
func Draw(seed Digest, size uint64, n int) []uint64 {
	drawn := make([]uint64, 0, min(uint64(max(n, 0)), size))
	if uint64(max(n, 0)) >= size {
		for i := range size {
			drawn = append(drawn, i)
		}
		return drawn
	}
	seen := make(map[uint64]bool, n)
	b := append(seed[:len(seed):len(seed)], make([]byte, 8)...)
	for j := uint64(0); len(drawn) < n; j++ {
		binary.BigEndian.PutUint64(b[len(seed):], j)
		h := sha256.Sum256(b)
		i := bits.Rem64(binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:16]), size)
		if !seen[i] {
			seen[i] = true
			drawn = append(drawn, i)
		}
	}
	slices.Sort(drawn)
	return drawn
}

// seedOf is the seed of a draw: the hash of what one side chose and what the other fixed.
func seedOf(chosen, fixed []byte) Digest {
	h := sha256.New()
	h.Write(chosen)
	h.Write(fixed)
	return Digest(h.Sum(nil))
}
