package envelope

import "slices"

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

// LeftBehind seals an event in scratch of its own and returns the salts and parts that are
// left in it when it has gone back to where the next caller takes it from.
func LeftBehind(k Keys, suite Suite, event []byte) []byte {
	var w work
	secret := k.EventSecret(byte(suite), [16]byte{})
	w.p.derive(suite, &secret)
	if err := w.spans.split(event); err != nil {
		panic(err)
	}
	w.membersHash(suite, event)
	json, enc, list := w.json[:cap(w.json)], w.enc[:cap(w.enc)], w.list[:cap(w.list)]
	w.release()
	return slices.Concat(w.salts[:], w.p.k[:], w.p.kc[:], w.p.s[:], w.p.r[:], json, enc, list)
}
