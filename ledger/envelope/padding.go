package envelope

import "math/bits"

// padMark ends the event inside the plaintext; zeros follow it.
const padMark = 0x80

// paddedSize is the length of the plaintext for an event of n bytes. With
// L = n + 1, the mark included: the next multiple of 256 while L is at most
// 4,096, and above that Padmé (Nikitin, Barman, Lueks, Underwood, Hubaux and
// Ford, "Reducing Metadata Leakage from Encrypted Files and Communication
// with PURBs", 2019), which leaks O(log log L) bits of the length and costs at
// most 12 %.
func paddedSize(n int) int {
	l := n + 1
	if l <= 4096 {
		return (l + 255) &^ 255
	}
	e := bits.Len(uint(l)) - 1       // floor(log2 l)
	s := bits.Len(uint(e))           // floor(log2 e) + 1
	mask := 1<<(uint(e)-uint(s)) - 1 // so many low bits are zero
	return (l + mask) &^ mask
}

// unpad returns the event inside a plaintext, and false unless the padding
// is exactly what paddedSize asks for.
func unpad(plaintext []byte) (event []byte, ok bool) {
	n := len(plaintext)
	for n > 0 && plaintext[n-1] == 0 {
		n--
	}
	if n == 0 || plaintext[n-1] != padMark {
		return nil, false
	}
	return plaintext[:n-1], paddedSize(n-1) == len(plaintext)
}
