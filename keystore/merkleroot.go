package keystore

import "crypto/sha256"

// merkleRoot is the tree hash of RFC 6962, section 2.1, over a list of hashes.
func merkleRoot(d [][32]byte) [32]byte {
	switch len(d) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, d[0][:]...))
	}
	k := 1
	for k*2 < len(d) {
		k *= 2
	}
	l, r := merkleRoot(d[:k]), merkleRoot(d[k:])
	b := append([]byte{1}, l[:]...)
	return sha256.Sum256(append(b, r[:]...))
}
