package keystore

import (
	"context"
	"fmt"
	"math"
)

// ImportPages writes key pages that a [PageTarget] kept into rows that were
// restored from an older backup, before [Open]. Pages that no root opens are
// removed by Open. It refuses rows that are not key pages.
func ImportPages(ctx context.Context, rows Rows, pages []KV) error {
	if len(pages) == 0 {
		return nil
	}
	var epoch uint64
	for _, kv := range pages {
		k, err := parseRowKey(kv.Key)
		if err != nil {
			return fmt.Errorf("importing a key page: %w", err)
		}
		h, _, err := parseHeader(kv.Value)
		if err != nil {
			return fmt.Errorf("importing a key page: %w", err)
		}
		if k.gen == housekeeping || k.n != 0 || h.at != k.at || h.epoch != k.epoch || h.version != k.version {
			return fmt.Errorf("importing a key page: its row key is another's: %w", errCorrupt)
		}
		epoch = max(epoch, k.epoch)
	}
	t := newTree(rows, nil, Options{})
	t.opts.defaults()
	if err := t.put(ctx, []KV{mark(min(epoch, math.MaxUint64-1))}, nil); err != nil {
		return fmt.Errorf("importing key pages: %w", err)
	}
	if err := t.put(ctx, pages, nil); err != nil {
		return fmt.Errorf("importing key pages: %w", err)
	}
	return nil
}

// ImportPages is [ImportPages] for a tree that is open: it brings back pages that
// are missing in it.
func (t *Tree) ImportPages(ctx context.Context, pages []KV) error {
	return ImportPages(ctx, t.rows, pages)
}
