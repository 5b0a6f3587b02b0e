package keystore

import (
	"context"
	"fmt"
	"slices"
)

// OpenGeneration makes the masks of the next generation, beside those of the current
// one, and returns its number when they are durable. From then on rows can be copied
// to it, however long that takes and however often it is interrupted; PrepareSweep
// makes it the current one. Where it is open already, it stays so.
//
// No epoch may be running.
func (t *Tree) OpenGeneration(ctx context.Context) (uint32, error) {
	g, wait, err := t.enqueueGeneration()
	if err == nil {
		err = wait(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("opening a generation: %w", err)
	}
	return g, nil
}

// enqueueGeneration holds the order from before the system page changes, so that
// nobody else takes the change along, and it is known when it is durable.
func (t *Tree) enqueueGeneration() (uint32, func(context.Context) error, error) {
	t.opts.Order.Lock()
	defer t.opts.Order.Unlock()
	g, err := t.openGeneration()
	if err != nil {
		return 0, nil, err
	}
	wait, err := t.rows.Enqueue(t.take(), nil)
	if err != nil {
		t.untake()
	}
	return g, wait, err
}

func (t *Tree) openGeneration() (uint32, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.sys.Load() == nil:
		return 0, ErrClosed
	case t.next != nil:
		return 0, ErrEpochRunning
	}
	p := t.cur.sys
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sys.opened() == nil {
		p.sys = p.sys.open()
		t.sys.Store(p.sys)
	}
	p.force = true // also where an earlier call was not told whether it is durable
	return p.sys.opened().g, nil
}

// Opened returns the generation that a sweep is filling, 0 where none is.
func (t *Tree) Opened() uint32 {
	if g := t.system().opened(); g != nil {
		return g.g
	}
	return 0
}

// Restorable returns the earlier generation whose envelopes can still be read, 0 where
// there is none.
func (t *Tree) Restorable() uint32 {
	if g := &t.system().gens[0]; g.kept() {
		return g.g
	}
	return 0
}

// PrepareSweep is [Tree.Prepare] for an epoch that replaces everything: every
// page key, the routes, the masks and the blinding key, under the next
// generation. It heals a root that was captured earlier: what is written after it
// cannot be read with anything from before.
//
// The masks are those that OpenGeneration made, or new ones where it was not called.
// Before Root the caller has to have all its rows in the new generation, and writes
// what comes under both. From Destroy on there is only the new one, and the old rows
// can be dropped as a whole. New keys wait while the pages are written, about 1.5 s for a million
// keys; everything else goes on. All new pages are in memory until the epoch
// ends, about 70 bytes for a key.
//
// keep names one earlier generation, or the current one, whose envelopes are to stay
// readable: that of the newest backup, which nobody could restore otherwise. 0 is none.
//
// A tree that lacks pages cannot be swept: their keys would be lost for good. lost names
// those, as [Tree.MissingPages] does, for which that is so already.
func (t *Tree) PrepareSweep(ctx context.Context, refs []Ref, keep uint32, lost ...string) (*Epoch, error) {
	return t.prepare(ctx, &Epoch{ids: refIDs(refs), sweep: true, readable: keep, lost: lost})
}

// Generation is the generation that the epoch leads to.
func (e *Epoch) Generation() uint32 { return e.v.gen }

// sweepChunk is how many entries are opened at once.
const sweepChunk = 1 << 20

// A routed entry is one with its new route.
type routed struct {
	route uint64
	entry entry
}

// rebuild writes the tree anew. Nothing is created or changed meanwhile.
func (e *Epoch) rebuild(ctx context.Context) error {
	t := e.t
	t.gate.Lock()
	defer t.gate.Unlock()
	doomed := make(map[keyID]bool, len(e.ids))
	tags := make(map[[16]byte]bool)
	for _, id := range e.ids {
		doomed[id] = true
		tags[id.tag] = true
	}
	total := 0
	erased := 0
	if err := e.survey(ctx, func(q *entry) error {
		total++
		if !doomed[q.id()] {
			return nil
		}
		erased++
		return q.erasable()
	}); err != nil {
		return err
	}
	if erased != len(doomed) {
		return ErrNoKey
	}
	top := newTop(e.v.gen, e.v.epoch, e.root())
	top.children = randomChildren()
	if t.opts.bugs.systemKept {
		top.children[slots-1] = t.cur.top.children[slots-1]
	}
	sys := newPage(kindSystem, systemAddr, slotBits, e.v.gen, e.v.epoch, top)
	sys.sys = t.sys.Load().swept(e.bugReadable())

	// As many passes as keep what is open at once within bounds; each builds an
	// aligned part of the top page's children.
	bits := uint8(0)
	for n := total; n > sweepChunk && bits < slotBits; n /= 2 {
		bits++
	}
	b := builder{e: e, sys: sys.sys}
	for part := range uint64(1) << bits {
		start := uint64(0)
		if bits > 0 {
			start = part << (64 - bits)
		}
		end := last(start, uint(bits))
		var es []routed
		err := e.survey(ctx, func(q *entry) error {
			if r := sys.sys.routeOf(&q.tag); r >= start && r <= end && !doomed[q.id()] {
				es = append(es, routed{r, *q})
			}
			return nil
		})
		if err == nil {
			slices.SortFunc(es, func(a, b routed) int { return compareUint(a.route, b.route) })
			err = b.build(addr{1, start}, bits, es, top)
		}
		clear(es)
		if err != nil {
			return err
		}
	}
	for _, p := range []*page{sys, top} {
		if err := b.add(p); err != nil {
			return err
		}
		p.pinned.Store(true)
	}
	if err := b.flush(); err != nil {
		return err
	}
	// The pages have to be readable before somebody looks for them.
	if err := b.wait(ctx); err != nil {
		return err
	}
	e.wait = b.wait
	slices.SortFunc(e.images, func(a, b KV) int { return comparePaths(addrOf(a.Key), addrOf(b.Key)) })
	hashes := make([][32]byte, len(e.images))
	_ = spread(len(hashes), spreadLeast, func(i int) error {
		hashes[i] = sum256(e.images[i].Value)
		return nil
	})
	e.commitTo(hashes)
	t.mu.Lock()
	defer t.mu.Unlock()
	e.v.top, e.v.sys = top, sys
	t.table.put(top)
	t.table.put(sys)
	t.next, t.doomed = e.v, doomed
	t.nextSys.Store(sys.sys)
	e.record.Keys, e.record.Subjects = len(doomed), len(tags)
	return nil
}

func addrOf(key []byte) addr {
	k, err := parseRowKey(key)
	if err != nil {
		panic(err) // we made it
	}
	return k.at
}

// survey calls f with every entry, but for those of pages that are lost.
func (e *Epoch) survey(ctx context.Context, f func(*entry) error) error {
	return e.t.walkPages(ctx, func(p *page, missing *PageMissingError) error {
		if missing != nil && slices.Contains(e.lost, missing.Path.String()) {
			return nil
		}
		if missing != nil {
			return fmt.Errorf("a sweep would lose its keys: %w", missing)
		}
		for i := range p.entries {
			if err := f(&p.entries[i]); err != nil {
				return err
			}
		}
		return nil
	}, func() error { return nil })
}

// A builder writes the pages of a new tree as they come.
type builder struct {
	e     *Epoch
	sys   *system
	batch []KV
	size  int
	wait  func(context.Context) error
}

// build writes the pages for sorted entries, all of which lie under one prefix.
func (b *builder) build(at addr, bits uint8, es []routed, parent *page) error {
	switch {
	case at == systemAddr && bits == slotBits:
		return nil // no route leads there
	case len(es) <= b.e.t.opts.capacity || at.level == maxLevel && bits == slotBits*maxLevel || es[0].entry.tag == es[len(es)-1].entry.tag:
		p := newPage(kindLeaf, at, bits, b.e.v.gen, b.e.v.epoch, parent)
		p.entries = make([]entry, len(es))
		for i := range es {
			p.entries[i] = es[i].entry
		}
		defer p.zero()
		return b.add(p)
	case bits < slotBits*at.level:
		mid := at.start | 1<<(63-bits)
		i, _ := slices.BinarySearchFunc(es, mid, func(r routed, mid uint64) int { return compareUint(r.route, mid) })
		if err := b.build(at, bits+1, es[:i], parent); err != nil {
			return err
		}
		return b.build(addr{at.level, mid}, bits+1, es[i:], parent)
	}
	p := newPage(kindInterior, at, bits, b.e.v.gen, b.e.v.epoch, parent)
	p.children = randomChildren()
	defer p.zero()
	if err := b.add(p); err != nil {
		return err
	}
	return b.build(addr{at.level + 1, at.start}, bits, es, p)
}

func (b *builder) add(p *page) error {
	kv := p.image(b.e.t.id)
	p.force, p.wrote = false, false
	b.e.images = append(b.e.images, kv)
	b.batch = append(b.batch, kv)
	if b.size += len(kv.Value); b.size < maxBatch {
		return nil
	}
	return b.flush()
}

func (b *builder) flush() (err error) {
	if len(b.batch) == 0 {
		return nil
	}
	b.wait, err = b.e.t.enqueue(b.batch, nil)
	b.batch, b.size = nil, 0
	return err
}
