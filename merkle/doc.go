// Package merkle is the mathematics of the log: how entries become one root
// hash, how a few hashes prove that an entry is under that root or that one
// root grew into another, and what the bytes look like that carry all this to
// a stranger. It holds no state, reads no files and knows no clock; it also
// builds for GOOS=js GOARCH=wasm, so that a browser runs the very same checks.
//
// # Words
//
// An entry is a byte string of at most 65,535 bytes. What it means is nobody's
// business here: the log commits to bytes. Entry number i, counted from zero,
// is hashed with [LeafHash] and becomes leaf i of a Merkle tree as defined by
// RFC 6962, section 2.1, with SHA-256. The hash at the top is the root; tree
// size and root together are the whole state of a log.
//
//	leaf       SHA-256(0x00 || entry)
//	node       SHA-256(0x01 || left || right)
//	empty log  SHA-256("")
//
// A [Range] is the least a writer must remember to go on appending: at most 63
// hashes, one for each one-bit of the size.
//
// A [Tile] is 256 hashes beside each other on one level of the tree, and levels
// are eight apart, so a tile at level L holds hashes of level 8·L. Tiles are
// files that never change (https://c2sp.org/tlog-tiles). A bundle is the file
// with the entries of one level-0 tile, each after its length in two bytes.
// Everything else that can be asked of a log (proofs, roots of older sizes) is
// computed from tiles, through a [TileReader] that the caller provides.
//
// A [Checkpoint] is origin, size and root of a log; signed, it is a note
// (https://c2sp.org/signed-note) and the promise of the log that there is only
// one such tree. A [Cosigner] is the key of somebody else who signs it together
// with the time (https://c2sp.org/tlog-cosignature), and a [Policy] is the text
// file that says who must have (https://c2sp.org/tlog-policy). A [Proof] is a
// text file that joins entry index, inclusion proof and signed checkpoint
// (https://c2sp.org/tlog-proof).
//
// # Use
//
//	var r merkle.Range
//	for _, e := range entries {
//		r.Append(merkle.LeafHash(e), nil)
//	}
//	c := merkle.Checkpoint{Origin: "log.example", Size: r.Size(), Root: r.Root()}
//	signed, err := merkle.SignCheckpoint(c, signer)
//
// and, years later, with nothing but a file and the log's public key:
//
//	p, err := merkle.ParseProof(file)
//	c, err := p.Verify(entry, verifier)
//
// # What is not promised
//
// A proof that verifies says that the entry is in the tree whose root the log
// signed. It does not say when, and it does not say that the log showed
// everybody the same tree: for that, ask for cosignatures of witnesses, or
// compare checkpoints with others and ask for a consistency proof. A
// cosignature is the word of its maker, time included: choose witnesses that do
// not answer to the log.
//
// Functions that compute proofs from tiles trust the tiles; only a Verify
// function against a root from a signed checkpoint does not.
//
// Parsers are strict. Of two texts with the same meaning only one is accepted,
// so that a file cannot be altered without notice; only policies, which people
// write, have comments and free white space.
package merkle
