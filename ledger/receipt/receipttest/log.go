// Package receipttest is a log in memory that hands out receipts, for tests of
// whoever verifies them. It keeps nothing and scales to nothing; the log itself
// is merkle/log.
package receipttest

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/merkle"
)

// A Log is an append-only log with a key of its own. Its methods panic where a
// test has made a mistake.
type Log struct {
	Origin    string
	VKey      string
	Witnesses []merkle.Signer // countersign every head from now on
	Approvers []merkle.Signer // approve every erasure from now on
	signer    merkle.Signer
	leaves    [][]byte
	envelopes [][]byte // nil for public statements
	epoch     uint64   // of the last erasure
}

// NewLog returns an empty log with a fresh key.
func NewLog(origin string) *Log { return newLog(origin, rand.Reader) }

// NewFixedLog returns an empty log whose key is the same every time: the processes of
// a fuzzer have to agree on it.
func NewFixedLog(origin string) *Log { return newLog(origin, bytes.NewReader(make([]byte, 64))) }

func newLog(origin string, rand io.Reader) *Log {
	skey, vkey, err := merkle.GenerateKey(rand, origin)
	check(err)
	signer, err := merkle.NewSigner(skey)
	check(err)
	return &Log{Origin: origin, VKey: vkey, signer: signer}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Key is the only data encryption key there is: who holds it is not what these
// tests are about.
type Key struct{}

// EventSecret derives an event secret as a keystore does.
func (Key) EventSecret(suite byte, e [16]byte) [32]byte {
	prk, err := hkdf.Extract(sha256.New, make([]byte, 32), []byte("lacuna/v1"))
	check(err)
	s, err := hkdf.Expand(sha256.New, prk, "lacuna/v1/event"+string([]byte{suite})+string(e[:]), 32)
	check(err)
	return [32]byte(s)
}

// Append seals an event, given as JSON, and returns its index.
func (l *Log) Append(event string) uint64 {
	canonical, err := envelope.Canonicalize([]byte(event))
	check(err)
	sealed, err := envelope.Seal(Key{}, envelope.ChaCha20Poly1305, envelope.Origin(l.Origin), canonical)
	check(err)
	return l.AppendLeaf(sealed.Leaf[:], sealed.Envelope)
}

// Publish appends a public statement.
func (l *Log) Publish(statement string) uint64 {
	canonical, err := envelope.Canonicalize([]byte(statement))
	check(err)
	leaf, err := envelope.PublicLeaf(canonical)
	check(err)
	return l.AppendLeaf(leaf, nil)
}

// AppendLeaf appends a leaf as it is, a stolen one say.
func (l *Log) AppendLeaf(leaf, env []byte) uint64 {
	l.leaves = append(l.leaves, leaf)
	l.envelopes = append(l.envelopes, env)
	return uint64(len(l.leaves) - 1)
}

// Fill appends n events about nothing.
func (l *Log) Fill(n int) {
	for range n {
		l.Append(fmt.Sprintf(`{"n":%d,"type":"filler"}`, len(l.leaves)))
	}
}

// Fork returns a log that goes on differently under the same key.
func (l *Log) Fork() *Log {
	f := *l
	f.leaves, f.envelopes = slices.Clone(l.leaves), slices.Clone(l.envelopes)
	return &f
}

// Cut returns the log as it was with so many entries.
func (l *Log) Cut(size uint64) *Log {
	f := l.Fork()
	f.leaves, f.envelopes = f.leaves[:size], f.envelopes[:size]
	return f
}

// Rewrite puts another leaf in the place of one that was logged.
func (l *Log) Rewrite(index uint64, leaf []byte) { l.leaves[index], l.envelopes[index] = leaf, nil }

// Leaf returns leaf and envelope of an entry.
func (l *Log) Leaf(index uint64) (leaf, env []byte) { return l.leaves[index], l.envelopes[index] }

// LeafHash returns the leaf hash of an entry, as _prev and head write it.
func (l *Log) LeafHash(index uint64) string { return merkle.LeafHash(l.leaves[index]).String() }

// Chain appends events of one chain behind one another: each gets _seq and
// _prev. It returns their indexes.
func (l *Log) Chain(events ...string) (indexes []uint64) {
	prev := "null"
	for i, e := range events {
		index := l.Append(strings.Replace(e, "{", fmt.Sprintf(`{"_prev":%s,"_seq":%d,`, prev, i+1), 1))
		prev = `"` + l.LeafHash(index) + `"`
		indexes = append(indexes, index)
	}
	return indexes
}

// Checkpoint signs the head; the witnesses and further signers countersign.
func (l *Log) Checkpoint(others ...merkle.Signer) []byte {
	signed, err := merkle.SignCheckpoint(l.head(), slices.Concat([]merkle.Signer{l.signer}, l.Witnesses, others)...)
	check(err)
	return signed
}

func (l *Log) head() merkle.Checkpoint {
	return merkle.Checkpoint{Origin: l.Origin, Size: uint64(len(l.leaves)), Root: root(l.leaves)}
}

// Proof returns the inclusion proof of an entry under the present head.
func (l *Log) Proof(index uint64) []merkle.Hash { return path(index, l.leaves) }

// Consistency returns the proof that the log of that size is the beginning of this one.
func (l *Log) Consistency(size uint64) []merkle.Hash { return consistency(size, l.leaves, true) }

// Receipt returns a receipt with a field opening, or the opening of a public
// statement; reveal is as in [envelope.OpenFields].
func (l *Log) Receipt(index uint64, reveal func(string) bool) []byte {
	leaf, env := l.Leaf(index)
	if env == nil {
		o, err := envelope.OpenPublic(leaf)
		check(err)
		return l.Build(index, o)
	}
	f, err := envelope.OpenFields(Key{}, env, reveal)
	check(err)
	return l.Build(index, f.Opening(leaf))
}

// FullReceipt returns a receipt with a full opening.
func (l *Log) FullReceipt(index uint64) []byte {
	leaf, env := l.Leaf(index)
	f, err := envelope.OpenFull(Key{}, env)
	check(err)
	return l.Build(index, f.Opening(leaf))
}

// Build puts an opening and the present head into a receipt.
func (l *Log) Build(index uint64, o *envelope.Opening) []byte {
	file, err := receipt.Build(index, l.Proof(index), l.Checkpoint(), o)
	check(err)
	return file
}

// All reveals every member, _seq and _prev included.
func All(string) bool { return true }

// Tile returns the hashes of a tile of the log: a [merkle.TileReader].
func (l *Log) Tile(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) {
	under := 1 << (merkle.TileHeight * t.Level) // leaves under each hash
	var hashes []merkle.Hash
	for i := int(t.Index) * merkle.TileWidth; len(hashes) < t.Width; i++ {
		if (i+1)*under > len(l.leaves) {
			return nil, fmt.Errorf("the log has no tile %s", t)
		}
		hashes = append(hashes, root(l.leaves[i*under:(i+1)*under]))
	}
	return hashes, nil
}

// Export writes a static copy of the tree into a folder, as C2SP tlog-tiles has it.
func (l *Log) Export(folder string) error {
	for t := range merkle.TilesOf(uint64(len(l.leaves))) {
		hashes, err := l.Tile(context.Background(), t)
		if err != nil {
			return err
		}
		name := filepath.Join(folder, t.Path())
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(name, merkle.AppendTile(nil, hashes), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// root and path are MTH and PATH of RFC 6962, section 2.1.
func root(leaves [][]byte) merkle.Hash {
	switch len(leaves) {
	case 0:
		return merkle.EmptyRoot()
	case 1:
		return merkle.LeafHash(leaves[0])
	}
	k := split(len(leaves))
	return merkle.NodeHash(root(leaves[:k]), root(leaves[k:]))
}

func path(m uint64, leaves [][]byte) []merkle.Hash {
	if len(leaves) <= 1 {
		return nil
	}
	k := split(len(leaves))
	if m < uint64(k) {
		return append(path(m, leaves[:k]), root(leaves[k:]))
	}
	return append(path(m-uint64(k), leaves[k:]), root(leaves[:k]))
}

// consistency is SUBPROOF of RFC 6962, section 2.1.2.
func consistency(m uint64, leaves [][]byte, whole bool) []merkle.Hash {
	if m == 0 {
		return nil
	}
	if m == uint64(len(leaves)) {
		if whole {
			return nil
		}
		return []merkle.Hash{root(leaves)}
	}
	k := split(len(leaves))
	if m <= uint64(k) {
		return append(consistency(m, leaves[:k], whole), root(leaves[k:]))
	}
	return append(consistency(m-uint64(k), leaves[k:], false), root(leaves[:k]))
}

// split is the largest power of two below n.
func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}
