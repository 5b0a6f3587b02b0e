package keystore

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
)

// Begin makes the pages of the next epoch, in which the keys of refs are not:
// fresh keys for the pages they lie on, for every page above those, for the
// system page, and for a few other leaf pages chosen at random. It returns when
// the pages are queued, so that what the caller has to write down about the epoch
// can go into the same sync; Settle waits for them. Nothing is destroyed
// yet, and Abort gives it up.
//
// The keys must be fenced. From now on they cannot be leased at all; Begin
// waits until the last lease ends. If we stop here, recovery removes the pages,
// and the keys stay fenced if that was durable.
func (t *Tree) Begin(ctx context.Context, refs []Ref) (*Epoch, error) {
	return t.begin(ctx, &Epoch{ids: refIDs(refs)})
}

// Prepare is Begin and Settle: when it returns, the pages are durable.
func (t *Tree) Prepare(ctx context.Context, refs []Ref) (*Epoch, error) {
	return t.prepare(ctx, &Epoch{ids: refIDs(refs)})
}

func (t *Tree) prepare(ctx context.Context, e *Epoch) (*Epoch, error) {
	if _, err := t.begin(ctx, e); err != nil {
		return nil, err
	}
	if err := e.Settle(ctx); err != nil {
		return nil, e.failed(ctx, err)
	}
	return e, nil
}

func (t *Tree) begin(ctx context.Context, e *Epoch) (*Epoch, error) {
	if t.sys.Load() == nil {
		return nil, ErrClosed
	}
	if t.running.Swap(true) {
		return nil, ErrEpochRunning
	}
	e.t = t
	if err := e.prepare(ctx); err != nil {
		t.running.Store(false)
		return nil, fmt.Errorf("preparing an epoch: %w", err)
	}
	return e, nil
}

// failed gives an epoch up because of an error, which it returns.
func (e *Epoch) failed(ctx context.Context, err error) error {
	// The caller's context may be what ended.
	if aerr := e.abort(context.WithoutCancel(ctx)); aerr != nil {
		return fmt.Errorf("%w (and giving it up: %v)", err, aerr)
	}
	return err
}

// Settle returns when the pages are durable in the rows and at the page target. The
// caller gives the epoch up after an error.
func (e *Epoch) Settle(ctx context.Context) error {
	if err := e.settle(ctx); err != nil {
		return fmt.Errorf("preparing an epoch: %w", err)
	}
	e.settled = true
	return nil
}

func (e *Epoch) settle(ctx context.Context) error {
	t := e.t
	if err := e.wait(ctx); err != nil {
		return err
	}
	for _, p := range e.pages {
		p.mu.Lock()
		if p.version == 0 && p.n == 0 {
			p.wrote = false // that was its newest row
		}
		p.mu.Unlock()
	}
	if err := t.opts.step("written"); err != nil {
		return err
	}
	if t.opts.PageTarget != nil {
		if err := e.shipParts(ctx); err != nil {
			return err
		}
	}
	if err := t.ship(ctx, e.v.epoch, e.images); err != nil {
		return err
	}
	return t.opts.step("prepared")
}

func (e *Epoch) prepare(ctx context.Context) (err error) {
	t := e.t
	for _, id := range e.ids {
		if err := await(ctx, t.keys.close(id)); err != nil {
			e.reopen()
			return fmt.Errorf("waiting for a key to be out of use: %w", err)
		}
	}
	t.mu.RLock()
	cur := t.cur
	e.old = t.holders
	t.mu.RUnlock()
	e.v = &view{gen: cur.gen, epoch: cur.epoch + 1}
	if err := e.gather(ctx); err != nil {
		e.reopen()
		return err
	}
	if e.sweep {
		e.v.gen++
	}
	copyRandom(e.v.attempt[:])
	// The mark goes first: where recovery finds it, it looks for pages that no
	// root opens. What an attempt before has left goes with it: this one has rows of
	// the same names, and what followed on the old ones would not open behind them.
	if _, err := t.enqueue([]KV{mark(e.v.epoch)}, t.stale); err != nil {
		e.reopen()
		return err
	}
	t.stale = nil
	defer func() {
		if err != nil {
			err = e.failed(ctx, err)
		}
	}()
	if err := t.opts.step("marked"); err != nil {
		return err
	}
	if e.sweep {
		return e.rebuild(ctx)
	}
	return e.rekey(ctx)
}

// mark is the row that says which epoch was begun, 0 for none.
func mark(epoch uint64) KV {
	return KV{rowKey{gen: housekeeping}.bytes(), binary.BigEndian.AppendUint64(nil, epoch)}
}

// rekey makes the pages of an epoch that replaces as little as it has to.
func (e *Epoch) rekey(ctx context.Context) error {
	held, err := e.prefetch(ctx)
	defer letGo(held)
	if err != nil {
		return err
	}
	if err := e.shape(ctx); err != nil {
		return err
	}
	if err := e.t.opts.step("shaped"); err != nil {
		return err
	}
	return e.write()
}

// prefetch opens the pages concerned and holds them, so that shape does not read under
// the tree's write lock.
func (e *Epoch) prefetch(ctx context.Context) (held []*page, err error) {
	t := e.t
	e.decoys = t.decoys.take(t.opts.Decoys)
	e.ids = t.byRoute(e.ids)
	held = make([]*page, len(e.ids)+len(e.decoys))
	err = spread(len(e.ids), spreadLeast, func(i int) (err error) {
		held[i], err = t.holdLeaf(ctx, func(sys *system) uint64 { return t.keys.routeOf(sys, e.ids[i]) })
		return err
	})
	for i, r := range e.decoys {
		// A decoy whose page is lost is no decoy.
		held[len(e.ids)+i], _ = t.holdLeaf(ctx, func(*system) uint64 { return r })
	}
	return held, err
}

// holdLeaf opens the leaf page of a route and holds it, with all its entries.
func (t *Tree) holdLeaf(ctx context.Context, route func(*system) uint64) (*page, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	sys := t.sys.Load()
	if sys == nil {
		return nil, ErrClosed
	}
	p, err := t.lockLeaf(ctx, t.cur, route(sys))
	if err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	return p.hold(), nil
}

func randomRoute() uint64 {
	for {
		var b [8]byte
		copyRandom(b[:])
		if r := binary.BigEndian.Uint64(b[:]); r < systemStart {
			return r
		}
	}
}

// shape makes the pages of the next view in memory. From its end on, whatever
// changes is changed in both views.
func (e *Epoch) shape(ctx context.Context) error {
	t := e.t
	t.mu.Lock()
	defer t.mu.Unlock()
	sys := t.sys.Load()
	if sys == nil {
		return ErrClosed
	}
	doomed := make(map[keyID]bool, len(e.ids))
	var leaves []*page
	tags := make(map[[16]byte]bool)
	for _, id := range e.ids {
		p, err := t.lockLeaf(ctx, t.cur, sys.routeOf(&id.tag))
		if err != nil {
			return err
		}
		err = p.find(id).erasable()
		p.pinned.Store(true)
		p.mu.Unlock()
		if err != nil {
			return err
		}
		leaves = append(leaves, p)
		doomed[id] = true
		tags[id.tag] = true
	}
	for _, r := range e.decoys {
		if p, err := t.lockLeaf(ctx, t.cur, r); err == nil {
			p.pinned.Store(true)
			p.mu.Unlock()
			leaves = append(leaves, p)
		}
	}
	guarded(func() { e.v.top = e.heir(t.cur.top, e.root()) })
	e.v.sys = e.heir(t.cur.sys, Secret{})
	e.v.sys.sys = t.cur.sys.sys
	for _, p := range leaves {
		if p.heir != nil {
			continue // several of the keys are on it
		}
		q := e.heir(p, Secret{})
		p.mu.Lock()
		if p.dead {
			panic("keystore: a page left the cache while an epoch copied it")
		}
		q.entries = make([]entry, 0, len(p.entries)+4)
		for i := range p.entries {
			if p.entries[i].state != Erasing || !doomed[p.entries[i].id()] {
				q.entries = append(q.entries, p.entries[i])
				if t.opts.bugs.marksLost {
					q.entries[len(q.entries)-1].flags &= flagAlias
				}
			}
		}
		p.mu.Unlock()
	}
	for _, p := range e.pages {
		t.table.put(p)
	}
	t.next, t.doomed = e.v, doomed
	t.nextSys.Store(e.v.sys.sys)
	e.record.Keys, e.record.Subjects = len(doomed), len(tags)
	return nil
}

// erasable reports why an entry may not be erased.
func (e *entry) erasable() error {
	switch {
	case e == nil:
		return ErrNoKey
	case e.state != Erasing:
		return ErrNotFenced
	case e.flags&flagHeld != 0:
		return errHeld
	}
	return nil
}

// heir makes the page that takes the place of p, under a fresh key, and those
// that take the place of the pages above it. The child keys for everything that p
// covers are drawn anew, also those that only a later split would use.
func (e *Epoch) heir(p *page, root Secret) *page {
	t := e.t
	if p.heir != nil {
		return p.heir
	}
	var q *page
	if p.parent == nil {
		q = newTop(e.v.gen, e.v.epoch, root)
	} else {
		parent := e.heir(p.parent, Secret{})
		first, end := slotRange(p.at, p.bits)
		for i := first; i <= end && !t.bugKeeps(p); i++ {
			parent.children[i] = newSecret()
		}
		q = newPage(p.kind, p.at, p.bits, e.v.gen, e.v.epoch, parent)
	}
	q.last = p.last
	if p.children != nil {
		c := *p.children
		q.children = &c
	}
	p.heir, p.superseded = q, true
	q.heirOf = p
	p.pinned.Store(true)
	q.pinned.Store(true)
	e.pages = append(e.pages, q)
	return q
}

// writeAtOnce is how many pages an epoch seals while nobody else can queue anything.
const writeAtOnce = 2 * spreadLeast

// write seals the new pages and queues them, the top page last. A page
// that was taken meanwhile, because a key was made on it, is sealed and queued
// already.
func (e *Epoch) write() error {
	slices.SortFunc(e.pages, func(a, b *page) int { return comparePaths(a.at, b.at) })
	for rest := e.pages; len(rest) > 0; {
		some := rest[max(0, len(rest)-writeAtOnce):]
		rest = rest[:len(rest)-len(some)]
		if err := e.writeSome(some, len(rest)); err != nil {
			return err
		}
	}
	e.images = make([]KV, len(e.pages))
	hashes := make([][32]byte, len(e.pages))
	for i, p := range e.pages {
		e.images[i], hashes[i] = p.birth.row, p.birth.sum
	}
	e.commitTo(hashes)
	return nil
}

// writeSome seals pages and queues them, the last one first. left is how many are to come.
func (e *Epoch) writeSome(pages []*page, left int) (err error) {
	t := e.t
	kvs := make([]KV, len(pages))
	t.opts.Order.Lock()
	defer t.opts.Order.Unlock()
	t.mu.RLock()
	_ = spread(len(pages), spreadLeast, func(i int) error {
		p := pages[i]
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.birth == nil {
			kv := &kvs[len(kvs)-1-i]
			guarded(func() { *kv = p.image(t.id) })
			p.birth, p.force, p.pend = &birth{*kv, p.last}, false, p.pend[:0]
		}
		return nil
	})
	t.mu.RUnlock()
	kvs = slices.DeleteFunc(kvs, func(kv KV) bool { return kv.Key == nil })
	if kvs = append(kvs, e.bugRows(left)...); len(kvs) == 0 {
		return nil
	}
	e.wait, err = t.enqueueOrdered(kvs, nil)
	return err
}

// commitTo computes the tree hash over the hashes of the images, which are in the order
// of their paths.
func (e *Epoch) commitTo(hashes [][32]byte) {
	e.record.Pages = len(hashes)
	e.record.PagesRoot = merkleRoot(hashes)
}

func comparePaths(a, b addr) int {
	if a.level != b.level {
		return int(a.level) - int(b.level)
	}
	switch {
	case a.start < b.start:
		return -1
	case a.start > b.start:
		return 1
	}
	return 0
}
