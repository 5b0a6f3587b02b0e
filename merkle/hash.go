package merkle

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"sync"

	"github.com/lacunalog/lacuna/merkle/sha2"
)

// HashSize is the length of a [Hash] in bytes.
const HashSize = sha256.Size

// A Hash is a SHA-256 hash in the tree: of a leaf, of an inner node, or a root.
type Hash [HashSize]byte

// String returns the hash as it stands in checkpoints and proofs: base64,
// standard alphabet, padded.
func (h Hash) String() string {
	return base64.StdEncoding.EncodeToString(h[:])
}

// MarshalText returns what String returns, so that JSON shows hashes as
// checkpoints do.
func (h Hash) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, h[:]), nil
}

// UnmarshalText is [ParseHash].
func (h *Hash) UnmarshalText(text []byte) error {
	p, err := ParseHash(string(text))
	if err != nil {
		return err
	}
	*h = p
	return nil
}

// ParseHash reads a hash in the form that String writes, and no other form:
// bits that base64 ignores must be zero, and there are no line breaks.
func ParseHash(s string) (Hash, error) { return parseHash([]byte(s)) }

func parseHash(s []byte) (Hash, error) {
	var room [HashSize + 1]byte // for 44 characters without padding
	if len(s) == hashText {
		if n, err := strict.Decode(room[:], s); err == nil && n == HashSize {
			return Hash(room[:HashSize]), nil // the length leaves no place for a line break
		}
	}
	b, err := decodeBase64(string(s))
	if err != nil {
		return Hash{}, fmt.Errorf("hash %q: %w", s, err)
	}
	if len(b) != HashSize {
		return Hash{}, fmt.Errorf("hash %q: %d bytes, want %d", s, len(b), HashSize)
	}
	return Hash(b), nil
}

// hashText is the length of a hash as text.
var hashText = base64.StdEncoding.EncodedLen(HashSize)

// strict refuses bits that base64 ignores.
var strict = base64.StdEncoding.Strict()

// decodeBase64 accepts the one canonical encoding of a byte string. The
// standard decoder skips line breaks, and unless told otherwise ignores padding
// bits; either would let two texts mean the same bytes.
func decodeBase64(s string) ([]byte, error) {
	b, err := strict.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("not base64: %w", err)
	}
	if len(s) != base64.StdEncoding.EncodedLen(len(b)) {
		return nil, fmt.Errorf("not canonical base64")
	}
	return b, nil
}

const (
	leafPrefix = 0x00
	nodePrefix = 0x01
)

// fast says whether short messages are hashed with package sha2, which goes without
// the steps of crypto/sha256 around each of them. The proof of a receipt is
// followed a second time by golang.org/x/mod/sumdb/tlog (ledger/receipt), which hashes
// with crypto/sha256; an audit of a whole log (merkle/audit) is not.
var fast = sha2.Fast

// shortEntry is the longest entry that LeafHash hashes on the stack. Nearly all
// entries are 34-byte commitments.
const shortEntry = 255

// leafRoom is what the longest short entry takes, with prefix and padding.
const leafRoom = (1 + shortEntry + 9 + sha2.Block - 1) / sha2.Block * sha2.Block

// LeafHash returns the hash of an entry as a leaf: SHA-256(0x00 || entry).
// It does not allocate.
func LeafHash(entry []byte) Hash {
	if len(entry) > shortEntry {
		return longLeafHash(entry)
	}
	var b [leafRoom]byte
	b[0] = leafPrefix
	n := 1 + copy(b[1:], entry)
	if !fast {
		return sha256.Sum256(b[:n])
	}
	s := sha2.IV
	sha2.One(&s, sha2.Pad(b[:n], n))
	return s.Digest()
}

// A longHasher keeps the result beside the state, because what is handed to an
// interface method would otherwise be allocated anew for every call.
type longHasher struct {
	h   hash.Hash
	sum Hash
}

var longHashers = sync.Pool{New: func() any { return &longHasher{h: sha256.New()} }}

func longLeafHash(entry []byte) Hash {
	l := longHashers.Get().(*longHasher)
	l.h.Reset()
	l.sum[0] = leafPrefix
	l.h.Write(l.sum[:1])
	l.h.Write(entry)
	l.h.Sum(l.sum[:0])
	sum := l.sum
	longHashers.Put(l)
	return sum
}

// nodeSize is what the hash of a node is the hash of.
const nodeSize = 1 + 2*HashSize

// A node is that, with its padding.
type node [2 * sha2.Block]byte

var emptyNode = func() (n node) {
	n[0] = nodePrefix
	sha2.Pad(n[:nodeSize], nodeSize)
	return n
}()

func (n *node) set(left, right *Hash) {
	copy(n[1:], left[:])
	copy(n[1+HashSize:], right[:])
}

// NodeHash returns the hash of an inner node: SHA-256(0x01 || left || right).
// It does not allocate.
func NodeHash(left, right Hash) Hash {
	n := emptyNode
	n.set(&left, &right)
	if !fast {
		return sha256.Sum256(n[:nodeSize])
	}
	s := sha2.IV
	sha2.One(&s, n[:])
	return s.Digest()
}

// EmptyRoot returns the root of a log without entries: SHA-256 of nothing.
func EmptyRoot() Hash {
	return sha256.Sum256(nil)
}
