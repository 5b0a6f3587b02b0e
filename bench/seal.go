package bench

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// Units of sealing, on one processor.
const (
	UnitSeal       = "seal-µs"       // as the product does it
	UnitPrimitives = "primitives-µs" // the same hashes, encryption and encoding, on bytes that lie ready
	UnitHashes     = "sha256-µs"     // of that, the hashes
	UnitBlocks     = "sha256-blocks" // compressions that the format asks for
)

// A floor is what docs/spec/envelope.md asks the processor for to seal one event:
// every SHA-256 by its number of blocks, with all that can be computed once for a
// key left out; the bytes to encrypt, those of the key stream that salts are taken
// from, and those that are encoded.
type floor struct {
	hashes  []int // blocks of each
	sealed  int
	salts   int
	encoded []int
}

// blocks is how many times SHA-256 compresses for so many bytes.
func blocks(n int) int { return (n + 9 + 63) / 64 }

// floorOf counts for an event in members and its envelope.
func floorOf(members []envelope.Member, env []byte) floor {
	f := floor{sealed: len(env) - 1 - 16 - 32 - 16, salts: 16 * len(members)}
	one := func(n int) {
		for range n {
			f.hashes = append(f.hashes, 1)
		}
	}
	one(2)     // s: HMAC under a key whose pads were hashed before
	one(2 + 8) // K, KC, S and r: pads of s, then inner and outer hash of each
	list := len("lacuna/v1/members") + 2
	for _, m := range members {
		triple := len(`["0123456789012345678901","",]`) + len(m.Name) + len(m.Value)
		f.encoded = append(f.encoded, triple)
		f.hashes = append(f.hashes, blocks(base64.RawURLEncoding.EncodedLen(triple)))
		list += 1 + len(m.Name) + 32
	}
	f.hashes = append(f.hashes, blocks(list), blocks(len("lacuna/v1/envelope")+len(env)))
	one(2)                               // pads of r
	f.hashes = append(f.hashes, 2, 1, 1) // leaf: inner hash over the label and three digests, the origin's known; outer hash; and the tree's
	return f
}

// all is how many blocks there are.
func (f floor) all() (n int) {
	for _, h := range f.hashes {
		n += h
	}
	return n
}

// hash does the hashes.
func (f floor) hash(buf []byte) {
	for _, n := range f.hashes {
		sink = sha256.Sum256(buf[:n*64-9])
	}
}

// rest does what is not a hash.
func (f floor) rest(buf []byte) error {
	var key [32]byte
	var nonce [12]byte
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		return err
	}
	aead.Seal(buf[:0], nonce[:], buf[:f.sealed], nil)
	aead.Seal(buf[:0], nonce[:], buf[:f.salts], nil) // their key stream is that of the AEAD
	for _, n := range f.encoded {
		base64.RawURLEncoding.Encode(buf[n:], buf[:n])
	}
	return nil
}

// sink keeps the compiler from leaving hashes out.
var sink [32]byte

// SealCost seals one event of a size over and over on one goroutine, and then does
// what the format asks the processor for and nothing else, one after the other with
// the standard library. Where the processor has instructions for SHA-256, sealing
// hashes two messages at a time, and may cost less.
func SealCost(ctx context.Context, dir string, size int, long time.Duration) (*Result, error) {
	k, err := NewKeys(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	members, err := FullMembers(size)
	if err != nil {
		return nil, err
	}
	sealed, err := k.Seal(members)
	if err != nil {
		return nil, err
	}
	f := floorOf(members, sealed.Envelope)
	buf := make([]byte, 4*len(sealed.Envelope)+4096)
	m := Start()
	n, seal, err := each(long, func() error { _, err := k.Seal(members); return err })
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	_, hashes, err := each(long, func() error { f.hash(buf); return nil })
	if err != nil {
		return nil, err
	}
	_, rest, err := each(long, func() error { return f.rest(buf) })
	if err != nil {
		return nil, err
	}
	u := m.Stop()
	r := &Result{Name: fmt.Sprintf("Seal/size=%d/members=%d", size, len(members)), N: n}
	r.add("ns/op", float64(seal.Nanoseconds()))
	r.add(UnitSeal, micros(seal))
	r.add(UnitPrimitives, micros(hashes+rest))
	r.add(UnitHashes, micros(hashes))
	r.add(UnitBlocks, float64(f.all()))
	r.during(u.Busy)
	return r, nil
}

// each calls f for so long and says how long one call took: the median of several
// stretches, so that a moment in which others had the processor does not count.
func each(long time.Duration, f func() error) (n int, one time.Duration, err error) {
	const stretch = 64
	var took Latencies
	for until := time.Now().Add(long); n == 0 || time.Now().Before(until); n += stretch {
		began := time.Now()
		for range stretch {
			if err := f(); err != nil {
				return n, 0, err
			}
		}
		took = append(took, time.Since(began)/stretch)
	}
	return n, took.Quantile(0.5), nil
}
