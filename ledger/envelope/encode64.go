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

// appendEncode64 appends base64url without padding of src.
func appendEncode64(dst, src []byte) []byte {
	base := len(dst)
	size := b64.EncodedLen(len(src))
	dst = slices.Grow(dst, size)[:base+size]
	d := dst[base:]
	for len(src) >= 8 && len(d) >= 8 {
		v := binary.BigEndian.Uint64(src)
		binary.LittleEndian.PutUint64(d, uint64(urlPairs[v>>52])|uint64(urlPairs[v>>40&0xfff])<<16|
			uint64(urlPairs[v>>28&0xfff])<<32|uint64(urlPairs[v>>16&0xfff])<<48)
		src, d = src[6:], d[8:]
	}
	b64.Encode(d, src)
	return dst
}
