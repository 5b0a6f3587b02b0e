package keystore

import (
	"context"
	"sync"
)

// aheadMost is for how many keys pages are read ahead. Those of many more would have
// left the cache again before they are needed.
const aheadMost = 64

// Ahead says which pages are to be read for an epoch that erases these keys, those of the
// keys and a few others at random, and returns what reads them, nil where all are in
// memory. It is for who has to wait for something else before that epoch can begin, and
// changes nothing: what could not be read, the epoch reads itself, and says if it cannot.
func (t *Tree) Ahead(refs []Ref) (read func(context.Context)) {
	if len(refs) > aheadMost {
		refs = nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	sys := t.sys.Load()
	if sys == nil {
		return nil
	}
	var missing []uint64
	miss := func(route uint64) {
		if !t.whole(route) {
			missing = append(missing, route)
		}
	}
	for _, id := range refIDs(refs) {
		miss(t.keys.routeOf(sys, id))
	}
	for _, route := range t.decoys.ahead(t.opts.Decoys) {
		miss(route)
	}
	if len(missing) == 0 {
		return nil
	}
	return func(ctx context.Context) {
		_ = spread(len(missing), 1, func(i int) error {
			if p, err := t.holdLeaf(ctx, func(*system) uint64 { return missing[i] }); err == nil {
				letGo([]*page{p})
			}
			return nil
		})
	}
}

// whole reports whether the leaf page of a route is in memory, with all its entries. The
// caller holds t.mu.
func (t *Tree) whole(route uint64) bool {
	p := t.resident(t.cur, route)
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.dead && p.shell == nil
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
