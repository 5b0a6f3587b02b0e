package keystore

import (
	"context"
	"errors"
	"fmt"
)

// A visit is what a walk does with a page. It is called with the page's lock held;
// p is nil where the page is missing.
type visit func(p *page, missing *PageMissingError) error

// walkPages visits every page of the tree, top and system page first, then from
// the last route to the first. A page in the cache is visited as it is, changes
// that were not taken included; others are read for the visit, so that a walk does
// not drive out what is in use. Epochs may pass meanwhile. between is called after
// each page, without any lock.
func (t *Tree) walkPages(ctx context.Context, f visit, between func() error) error {
	t.mu.RLock()
	gen := t.cur.gen
	err := t.cur.top.visit(f)
	if err == nil {
		err = t.cur.sys.visit(f)
	}
	t.mu.RUnlock()
	if err != nil {
		return err
	}
	var trail [maxLevel + 1]addr // interior pages on the way
	for route := systemStart - 1; ; {
		start, err := t.walkStep(ctx, gen, route, &trail, f)
		if err != nil {
			return err
		}
		if err := between(); err != nil {
			return err
		}
		if start == 0 {
			return nil
		}
		route = start - 1
	}
}

func (p *page) visit(f visit) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return f(p, nil)
}

// walkStep visits the leaf page of a route and the interior pages above it that
// were not visited yet, and returns where the leaf page starts.
func (t *Tree) walkStep(ctx context.Context, gen uint32, route uint64, trail *[maxLevel + 1]addr, f visit) (uint64, error) {
	for {
		t.wipeLeft()
		start, err := t.tryStep(ctx, gen, route, trail, f)
		if err != errAgain {
			return start, err
		}
		if err := pause(ctx); err != nil {
			return 0, err
		}
	}
}

// errAgain says that a page left the cache while we looked at it.
var errAgain = errors.New("again")

func (t *Tree) tryStep(ctx context.Context, gen uint32, route uint64, trail *[maxLevel + 1]addr, f visit) (uint64, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case t.sys.Load() == nil:
		return 0, ErrClosed
	case t.cur.gen != gen:
		return 0, ErrSwept
	}
	above := t.cur.top
	for level := uint8(1); ; level++ {
		p := t.table.below(above, level, route)
		read := p == nil
		if read {
			var err error
			p, err = t.read(ctx, t.cur, above, level, route)
			var missing *PageMissingError
			switch {
			case errors.As(err, &missing):
				start, err := t.gap(ctx, above, level, route, missing.Path)
				if err != nil {
					return 0, err
				}
				return start, f(nil, missing)
			case err != nil:
				return 0, err
			}
		}
		if p.kind == kindInterior {
			if read {
				// The cache has to know every copy of child keys.
				p.zero()
				var err error
				if p, err = t.load(ctx, t.cur, above, level, route); err != nil {
					return 0, err
				}
				if p == nil {
					return 0, errAgain
				}
			}
			if trail[level] != p.at {
				trail[level] = p.at
				if err := p.visit(f); err != nil {
					return 0, err
				}
			}
			above = p
			continue
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.dead {
			return 0, errAgain
		}
		if p.shell != nil {
			return p.at.start, t.visitShell(ctx, p, f)
		}
		err := f(p, nil)
		if read {
			p.zero()
		}
		return p.at.start, err
	}
}

// gap returns the first route of the hole that a missing page leaves: one behind
// the end of the nearest page below it that is there, be it broken. The caller
// holds t.mu.
func (t *Tree) gap(ctx context.Context, above *page, level uint8, route uint64, hole Path) (uint64, error) {
	bits := slotBits * uint(level)
	r := prefix(route, bits)
	for ; r > above.at.start; r = prefix(r-1, bits) {
		if t.table.below(above, level, r-1) != nil {
			break
		}
		p, err := t.read(ctx, t.cur, above, level, r-1)
		if err == nil {
			p.zero()
			break
		}
		var missing *PageMissingError
		if !errors.As(err, &missing) {
			return 0, err
		}
		if missing.Cause != nil && missing.Path != hole {
			break
		}
	}
	return r, nil
}

// Walk calls f with every living key, page by page, in no order that means
// anything. A key made meanwhile may be left out. Nobody's name is in here: what
// belongs to one person shares a tag, see [Ref.SameSubject]. Pages that are
// missing are passed over; [Tree.MissingPages] names them.
func (t *Tree) Walk(ctx context.Context, f func(KeyInfo) error) error {
	if t.sys.Load() == nil {
		return ErrClosed
	}
	var found []KeyInfo
	return t.walkPages(ctx, func(p *page, _ *PageMissingError) error {
		if p == nil || p.kind != kindLeaf {
			return nil
		}
		sys := t.sys.Load()
		for i := range p.entries {
			found = append(found, p.entries[i].info(sys))
		}
		return nil
	}, func() error {
		for _, k := range found {
			if err := f(k); err != nil {
				return err
			}
		}
		found = found[:0]
		return nil
	})
}

// Keys lists what the tree has of a subject, in no particular order.
func (t *Tree) Keys(ctx context.Context, s Subject) ([]KeyInfo, error) {
	sys := t.sys.Load()
	if sys == nil {
		return nil, ErrClosed
	}
	return t.keysOf(ctx, sys.tag(s))
}

func (t *Tree) keysOf(ctx context.Context, tag [16]byte) ([]KeyInfo, error) {
	t.wipeLeft()
	t.mu.RLock()
	defer t.mu.RUnlock()
	sys := t.sys.Load()
	if sys == nil {
		return nil, ErrClosed
	}
	p, err := t.lockShell(ctx, t.cur, sys.routeOf(&tag))
	if err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	if !p.knows(&tag) {
		if err := t.fill(ctx, p); err != nil {
			return nil, err
		}
	}
	var found []KeyInfo
	for i := range p.entries {
		if e := &p.entries[i]; e.tag == tag {
			found = append(found, e.info(sys))
		}
	}
	return found, nil
}

// A Report says what Fsck found.
type Report struct {
	Pages        int            // that open
	Keys         int            // living ones
	States       map[string]int // keys by state
	Compartments map[string]int // keys by compartment
	Missing      []string       // pages by path that are not there or do not open
	Problems     []string       // anything else
}

// Fsck reads every page from the rows and checks that it opens, that its deltas
// follow each other, that every key lies where its route leads, and that no key is
// there twice. progress, which may be nil, is told how much of the tree was seen,
// out of 63.
func (t *Tree) Fsck(ctx context.Context, progress func(done, total uint64)) (*Report, error) {
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	if t.sys.Load() == nil {
		return nil, ErrClosed
	}
	r := &Report{States: make(map[string]int), Compartments: make(map[string]int)}
	done := uint64(0)
	err := t.walkPages(ctx, func(p *page, missing *PageMissingError) error {
		if p == nil {
			r.Missing = append(r.Missing, missing.Path.String())
			return nil
		}
		r.Pages++
		r.page(p, t.sys.Load())
		if p.kind == kindLeaf || p.kind == kindInterior {
			done = uint64(slots - 1 - slotOf(p.at.start, 1))
		}
		return nil
	}, func() error {
		progress(done, slots-1)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("walking the key tree: %w", err)
	}
	return r, nil
}

func (r *Report) page(p *page, sys *system) {
	ids := make(map[keyID]bool, len(p.entries))
	for i := range p.entries {
		e := &p.entries[i]
		r.Keys++
		r.States[e.state.String()]++
		name := sys.name(e.comp)
		if name == "" {
			r.Problems = append(r.Problems, fmt.Sprintf("page %s: a key of compartment %d, which has no name", p.path(), e.comp))
			name = "?"
		}
		r.Compartments[name]++
		if !p.covers(sys.routeOf(&e.tag)) {
			r.Problems = append(r.Problems, fmt.Sprintf("page %s: a key whose route does not lead there", p.path()))
		}
		if ids[e.id()] {
			r.Problems = append(r.Problems, fmt.Sprintf("page %s: a key twice", p.path()))
		}
		ids[e.id()] = true
	}
}

// MissingPages names, by path, the pages that the tree needs and the rows lack or
// that do not open. Everybody else's keys work.
func (t *Tree) MissingPages(ctx context.Context) ([]string, error) {
	r, err := t.Fsck(ctx, nil)
	if err != nil {
		return nil, err
	}
	return r.Missing, nil
}
