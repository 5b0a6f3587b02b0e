package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle/log"
)

// A burglar is whoever an erasure has to stand up to: it has every key page of every
// copy that the drill sees, and the root as it is now, and asks no tree what to make of
// them. That the restored ledger does not show what was erased says less.
type burglar struct {
	holders []keystore.Holder
	pages   []keystore.KV
	have    map[[32]byte]bool

	keys []*keystore.StolenKey // that were derived
	dead []*keystore.StolenKey // of them, those that nobody living has
}

func newBurglar(hs []keystore.Holder) *burglar {
	return &burglar{holders: hs, have: make(map[[32]byte]bool)}
}

// take takes a key page, once: the copies have most of them in common.
func (b *burglar) take(k, v []byte) {
	if sum := sha256.Sum256(v); !b.have[sum] {
		b.have[sum] = true
		b.pages = append(b.pages, keystore.KV{Key: bytes.Clone(k), Value: bytes.Clone(v)})
	}
}

// store takes all key pages of a store.
func (b *burglar) store(ctx context.Context, l *log.Log) error {
	return l.Scan(ctx, []byte{spaceKeys}, []byte{spaceKeys + 1}, func(k, v []byte) error {
		b.take(k, v)
		return nil
	})
}

// derive derives everything that can be derived, and finds out what of it nobody living
// has. alive was looked up later than the pages.
func (b *burglar) derive(ctx context.Context, alive keyMarks) error {
	t, err := keystore.Steal(ctx, b.pages, b.holders)
	if err != nil {
		return fmt.Errorf("deriving what key pages and root give: %w", err)
	}
	b.pages, b.have, b.keys = nil, nil, t.Keys()
	for _, k := range b.keys {
		if !alive[markOf(k.RowsKey())] {
			b.dead = append(b.dead, k)
		}
	}
	return nil
}

// opens reports whether one of the derived keys opens an event. An erased one is tried
// under those that nobody living has: under a living key the ledger itself would have
// opened it.
func opens(keys []*keystore.StolenKey, env []byte) bool {
	for _, k := range keys {
		if envelope.Opens(k, env) {
			return true
		}
	}
	return false
}

// keyMarks tell keys apart and give nothing of them.
type keyMarks map[[16]byte]bool

func markOf(k keystore.RowsKey) [16]byte {
	raw := k.Bytes()
	sum := sha256.Sum256(raw)
	clear(raw)
	return [16]byte(sum[:16])
}
