package envelope

import (
	"encoding/binary"
	"slices"
)

// Every seal encodes each member in base64url: a fifth of its time, with the
// encoder of the standard library. This one takes six bytes at a time and looks
// up two characters at once; a test holds it against the standard library.

// urlPairs are the two characters, first one low, that twelve bits stand for.
var urlPairs = func() (t [1 << 12]uint16) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range t {
		t[i] = uint16(alphabet[i>>6]) | uint16(alphabet[i&63])<<8
	}
	return t
}()

// put64 writes the eight characters that the six highest bytes of v stand for.
func put64(d []byte, v uint64) {
	binary.LittleEndian.PutUint64(d, uint64(urlPairs[v>>52])|uint64(urlPairs[v>>40&0xfff])<<16|
		uint64(urlPairs[v>>28&0xfff])<<32|uint64(urlPairs[v>>16&0xfff])<<48)
}

// appendEncode64 appends base64url without padding of src.
func appendEncode64(dst, src []byte) []byte {
	base, size := len(dst), b64.EncodedLen(len(src))
	dst = slices.Grow(dst, size+8) // what is written behind the end is cut off
	d := dst[base : base+size+8]
	for len(src) >= 8 {
		put64(d, binary.BigEndian.Uint64(src))
		src, d = src[6:], d[8:]
	}
	var last [12]byte
	copy(last[:], src)
	put64(d, binary.BigEndian.Uint64(last[:]))
	if len(src) == 7 {
		put64(d[8:], uint64(last[6])<<56)
	}
	return dst[:base+size]
}

// encodeSalt writes base64url without padding of a salt, and two characters more.
func encodeSalt(d *[saltChars + 2]byte, salt *[saltSize]byte) {
	put64(d[0:], binary.BigEndian.Uint64(salt[0:]))
	put64(d[8:], binary.BigEndian.Uint64(salt[6:]))
	put64(d[16:], uint64(binary.BigEndian.Uint32(salt[12:]))<<32)
}
