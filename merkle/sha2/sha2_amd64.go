//go:build !purego

package sha2

import "crypto/fips140"

// Fast says whether the processor has what [One] and [Two] need, and nobody asked for the
// FIPS module, which then hashes.
var Fast = hasSHA() && !fips140.Enabled()

// one compresses n blocks that begin at p.
//
//go:noescape
func one(s *State, p *byte, n int)

// two compresses n blocks that begin at p and n that begin at q.
//
//go:noescape
func two(s, t *State, p, q *byte, n int)

// cpuid asks the processor.
//
//go:noescape
func cpuid(leaf, sub uint32) (a, b, c, d uint32)

// hasSHA asks for SSSE3, SSE4.1 and the SHA extensions. All of them work on
// registers that every amd64 system saves.
func hasSHA() bool {
	most, _, _, _ := cpuid(0, 0)
	if most < 7 {
		return false
	}
	_, _, c, _ := cpuid(1, 0)
	_, b, _, _ := cpuid(7, 0)
	return c>>9&1 == 1 && c>>19&1 == 1 && b>>29&1 == 1
}
