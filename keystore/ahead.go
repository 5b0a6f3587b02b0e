package keystore

import (
	"context"
	"sync"
)

// aheadMost is for how many keys pages are read ahead. Those of many more would have
// left the cache again before they are needed.
const aheadMost = 64

// Ahead reads the pages that an epoch which erases these keys needs, those of the keys
// and a few others at random. It is for who has to wait for something else before that
// epoch can begin, and changes nothing: what could not be read, the epoch reads itself,
// and says if it cannot.
func (t *Tree) Ahead(ctx context.Context, refs []Ref) {
	if len(refs) > aheadMost {
		refs = nil
	}
	ids, decoys := refIDs(refs), t.decoys.ahead(t.opts.Decoys)
	spread(len(ids)+len(decoys), 1, func(i int) error {
		t.openLeaf(ctx, func(sys *system) uint64 {
			if i < len(ids) {
				return t.keys.routeOf(sys, ids[i])
			}
			return decoys[i-len(ids)]
		})
		return nil
	})
}

// Hold reads the pages of keys that are about to be erased, however many, and keeps them
// in memory until release is called. Whoever goes through the keys several times on the
// way to an epoch would else read many of them each time. Like Ahead it says nothing of
// what could not be read.
func (t *Tree) Hold(ctx context.Context, refs []Ref) (release func()) {
	ids := t.byRoute(refIDs(refs))
	held := make([]*page, len(ids))
	_ = spread(len(ids), spreadLeast, func(i int) error {
		held[i], _ = t.holdLeaf(ctx, func(sys *system) uint64 { return t.keys.routeOf(sys, ids[i]) })
		return nil
	})
	return func() { letGo(held) }
}

// openLeaf brings the leaf page of a route into the cache, with all its entries.
func (t *Tree) openLeaf(ctx context.Context, route func(*system) uint64) {
	if p, err := t.holdLeaf(ctx, route); err == nil {
		letGo([]*page{p})
	}
}

// decoys are the routes of the pages that the next epoch re-keys beside those of the
// erased. They are drawn at random and used once, whether they are drawn for the epoch
// or ahead of it.
type decoys struct {
	mu   sync.Mutex
	next []uint64
}

// ahead draws n decoys for the next epoch, nil where that was done before.
func (d *decoys) ahead(n int) []uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next != nil {
		return nil
	}
	d.next = randomRoutes(n)
	return d.next
}

// take returns n decoys for an epoch that begins.
func (d *decoys) take(n int) []uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	routes := d.next
	if d.next = nil; routes == nil {
		routes = randomRoutes(n)
	}
	return routes
}

func randomRoutes(n int) []uint64 {
	routes := make([]uint64, n)
	for i := range routes {
		routes[i] = randomRoute()
	}
	return routes
}
