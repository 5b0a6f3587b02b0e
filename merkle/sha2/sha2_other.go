//go:build !amd64 || purego

package sha2

// Fast says whether the processor has what [One] and [Two] need, and nobody asked for the
// FIPS module, which then hashes.
var Fast = false

func one(*State, *byte, int)             { panic("sha2: not on this processor") }
func two(_, _ *State, _, _ *byte, _ int) { panic("sha2: not on this processor") }
