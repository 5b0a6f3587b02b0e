package ledger

import (
	"bytes"
	"context"
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
}

const (
	// Each key is tried on each page, so that large trees take too long.
	burglarPages = 1500
	// burglaries bounds how many erased events are tried.
	burglaries = 1 << 12
)

type sealedEvent struct {
	index uint64
	env   []byte
}

func newBurglar(hs []keystore.Holder) *burglar { return &burglar{holders: hs} }

// store takes all key pages of a store.
func (b *burglar) store(ctx context.Context, l *log.Log) error {
	return l.Scan(ctx, []byte{spaceKeys}, []byte{spaceKeys + 1}, func(k, v []byte) error {
		if len(b.pages) <= burglarPages {
			b.pages = append(b.pages, keystore.KV{Key: bytes.Clone(k), Value: bytes.Clone(v)})
		}
		return nil
	})
}

// try tries erased events under everything that can be derived. It must open an
// event of somebody living, or it shows nothing.
func (b *burglar) try(ctx context.Context, d *Drilled, erased []sealedEvent, living *sealedEvent) error {
	if len(b.pages) > burglarPages {
		return nil
	}
	t, err := keystore.Steal(ctx, b.pages, b.holders)
	if err != nil {
		return fmt.Errorf("deriving what key pages and root give: %w", err)
	}
	d.Tried = len(t.Keys())
	opens := living == nil
	for _, k := range t.Keys() {
		if err := ctx.Err(); err != nil {
			return err
		}
		opens = opens || envelope.Opens(k, living.env)
		for _, e := range erased {
			if envelope.Opens(k, e.env) {
				d.problem("entry %d was erased, and a key that can be derived from old key pages opens it", e.index)
			}
		}
	}
	if !opens {
		d.problem("what can be derived from all key pages does not open a living person's event: they are not those of this ledger")
	}
	return nil
}
