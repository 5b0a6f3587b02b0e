package envelope

// SealWith is Seal with a given e: the seam for vectors and comparison with
// the reference. Nothing outside tests may choose e.
func SealWith(k Keys, suite Suite, origin [32]byte, event []byte, e [16]byte) (Sealed, error) {
	return seal(k, suite, &origin, event, nil, &e)
}

var PaddedSize = paddedSize

// AppendEncode64 is what seals encode members with.
var AppendEncode64 = appendEncode64

// Alone makes seals hash one message at a time, as on a processor without
// instructions for SHA-256, until the returned function is called.
func Alone() (restore func()) {
	was := paired
	paired = false
	return func() { paired = was }
}
