package keystore

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// An Epoch is one re-keying of the tree, from its prepared pages to the death of
// the old root. The order is fixed, because every other one loses data or does
// not erase:
//
//	Begin     new pages queued
//	Settle    new pages durable, here and at the page target
//	Root      every holder has its new share durably
//	Destroy   every holder has destroyed its old share and read that back
//
// If we stop before the last holder has its new share, recovery goes back to the
// old root; afterwards only forward. The erasure is final when the first holder
// has destroyed its old share.
type Epoch struct {
	t          *Tree
	v          *view
	old        []Holder // who keep a share of the old root
	keep       []Holder // who keep one of the new root
	holders    []Holder // both; all get a share and destroy what they had
	ids        []keyID
	decoys     []uint64
	shares     map[HolderID]Secret
	pages      []*page // new ones, by path
	images     []KV
	parts      []part                      // shipped beside the images
	wait       func(context.Context) error // until the images are durable
	settled    bool
	record     EpochInfo
	offered    bool // some holder may have its new share
	rooted     bool
	statements []Statement
	ended      bool
	sweep      bool
	readable   uint32   // of a sweep: the earlier generation whose envelopes stay readable
	lost       []string // of a sweep: pages that are missing, and left out
}

// EpochInfo is what a record of an epoch says. It names nobody.
type EpochInfo struct {
	Tree       TreeID
	Epoch      uint64
	Attempt    Attempt
	Generation uint32
	PagesRoot  [32]byte // RFC 6962 tree hash over SHA-256 of the images of this epoch, by path
	Pages      int
	Keys       int // erased
	Subjects   int // of whom any key was erased
	Level      Level
	Statements []Statement
}

// Record says what the epoch did so far.
func (e *Epoch) Record() EpochInfo {
	r := e.record
	r.Tree, r.Epoch, r.Attempt, r.Generation = e.t.id, e.v.epoch, e.v.attempt, e.v.gen
	r.Statements = slices.Clone(e.statements)
	r.Level = levelOf(capsOf(e.old))
	return r
}

// Root gives every holder its share of the new root. When it returns nil the
// epoch can only go forward. After an error it may be repeated, or the epoch
// given up.
func (e *Epoch) Root(ctx context.Context) error {
	switch {
	case e.rooted:
		return nil
	case e.ended:
		return fmt.Errorf("rooting an epoch that has ended: %w", ErrTooLate)
	case !e.settled:
		return errors.New("rooting an epoch whose pages are not durable")
	}
	e.offered = true
	for i, h := range e.holders {
		id := h.Caps().ID
		err := h.Prepare(ctx, Share{e.t.id, e.v.epoch, e.v.attempt, e.shares[id]})
		if err != nil {
			return fmt.Errorf("giving the new root to holder %s: %w", id, err)
		}
		if err := e.t.opts.step(fmt.Sprintf("offered %d", i)); err != nil {
			return err
		}
	}
	e.rooted = true
	for id, s := range e.shares {
		s.Zero()
		e.shares[id] = s
	}
	return e.t.opts.step("rooted")
}

// Destroy destroys the old root at every holder, and makes the new view the
// current one. After an error it has to be repeated until it succeeds: some
// holder may still keep its old share. The erased keys are gone from memory, too,
// when it returns.
func (e *Epoch) Destroy(ctx context.Context) ([]Statement, error) {
	switch {
	case e.ended && e.rooted:
		return slices.Clone(e.statements), nil
	case !e.rooted:
		return nil, errors.New("destroying the old root before the new one is held")
	}
	if len(e.statements) == 0 && len(e.holders) > 1 && !trustHolders {
		if err := e.held(ctx); err != nil {
			return nil, err
		}
	}
	for i := len(e.statements); i < len(e.holders); i++ {
		h := e.holders[i]
		s, err := h.Destroy(ctx, e.t.id, e.v.epoch, e.v.attempt)
		if err != nil {
			return nil, fmt.Errorf("destroying the old root at holder %s: %w", h.Caps().ID, err)
		}
		e.statements = append(e.statements, s)
		if err := e.t.opts.step(fmt.Sprintf("destroyed %d", i)); err != nil {
			return nil, err
		}
	}
	if err := e.t.opts.step("destroyed"); err != nil {
		return nil, err
	}
	// What is left is tidiness. It is not waited for: recovery does it again where
	// it finds the mark.
	if err := e.t.tidy(e.swap(), e.sweep); err != nil {
		return nil, err
	}
	return slices.Clone(e.statements), nil
}

// held looks once more whether every holder has the new share, just before the
// first of them destroys its old one: from there on there is no way back. One that is
// alone looks itself: it destroys nothing for an attempt that it does not hold.
func (e *Epoch) held(ctx context.Context) error {
	for _, h := range e.holders {
		shares, err := h.Current(ctx)
		if err != nil {
			return fmt.Errorf("looking for the new root at holder %s: %w", h.Caps().ID, err)
		}
		held := false
		for i := range shares {
			s := &shares[i] // not a copy on the stack, where nobody wipes it
			held = held || s.Tree == e.t.id && s.Epoch == e.v.epoch && s.Attempt == e.v.attempt
		}
		clear(shares)
		if !held {
			return fmt.Errorf("looking for the new root at holder %s: %w", h.Caps().ID, ErrNotHeld)
		}
	}
	return nil
}

// swap makes the prepared view the current one and wipes the old. It returns rows
// that are not needed any more.
func (e *Epoch) swap() (del [][2][]byte) {
	t := e.t
	t.opts.Order.Lock()
	t.mu.Lock()
	old := t.cur
	t.cur, t.next, t.doomed = e.v, nil, nil
	t.holders = e.keep
	t.sys.Store(e.v.sys.sys)
	t.nextSys.Store(nil)
	var waiting []keyID
	var replaced [][2][]byte
	gone := func(p *page) {
		waiting = append(waiting, p.pend...)
		delete(t.unwritten, p)
		if p.superseded {
			replaced = append(replaced, rowsOf(p.gen, p.at, old.epoch))
		}
	}
	if old.gen != e.v.gen {
		swept := func(p *page) bool { return p.gen != e.v.gen }
		t.table.each(func(p *page) {
			if p.birth = nil; swept(p) {
				gone(p)
			}
		})
		t.release(swept)
		replaced = [][2][]byte{rowsOfGeneration(old.gen)} // all those of its pages lie in it
	} else {
		t.supersede(old, gone)
	}
	t.garbage.add(replaced...)
	t.undo, t.noted, t.undone = nil, nil, false
	del = e.partsShipped(true)
	// A key that was made in the old view and not taken there is durable already
	// if its page was sealed with it.
	for _, id := range waiting {
		p := t.resident(t.cur, t.sys.Load().routeOf(&id.tag))
		if p == nil || !slices.Contains(p.pend, id) {
			t.keys.with(id, func(k *key) { k.untaken = false })
		}
	}
	for _, id := range e.ids {
		t.keys.drop(id)
	}
	t.mu.Unlock()
	t.opts.Order.Unlock()
	e.part()
	e.reopen()
	e.end()
	return del
}

// supersede takes the pages that an epoch has replaced out of memory, and lets those
// in their place forget the epoch. It goes where the epoch went and nowhere else:
// nothing is sealed or looked up meanwhile, and the cache may have a great many other
// pages. The caller holds t.mu exclusively; f is called with each page before it goes.
func (t *Tree) supersede(old *view, f func(*page)) {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	t.table.wipe() // copies of pages that are replaced may be among them
	var leave func(p *page)
	leave = func(p *page) {
		f(p)
		for q := p.kids; q != nil; {
			next := q.sibling
			if q.superseded {
				leave(q)
			} else {
				q.moveTo(p.heir) // it may have been opened by way of either view
			}
			q = next
		}
		t.table.remove(p) // after what is below it
	}
	leave(old.top)
	var settle func(p *page)
	settle = func(p *page) {
		p.birth, p.heirOf = nil, nil
		p.pinned.Store(p == t.cur.top || p == t.cur.sys)
		for q := p.kids; q != nil; q = q.sibling {
			if q.epoch == t.cur.epoch {
				settle(q)
			}
		}
	}
	settle(t.cur.top)
}

// release takes pages out of memory, and lets those that stay forget the epoch. A
// page that stays under one that goes gets the one that stays in its place: it may
// have been opened by way of either view. The caller holds t.mu exclusively.
func (t *Tree) release(gone func(*page) bool) {
	var stay []*page
	t.table.each(func(p *page) {
		if !gone(p) {
			stay = append(stay, p)
		}
	})
	for _, p := range stay {
		if p.parent == nil || !gone(p.parent) {
			continue
		}
		if p.parent.heir != nil {
			t.table.adopt(p, p.parent.heir)
		} else {
			t.table.adopt(p, p.parent.heirOf)
		}
	}
	t.table.removeIf(gone)
	for _, p := range stay {
		p.heir, p.heirOf, p.superseded = nil, nil, false
		p.pinned.Store(p == t.cur.top || p == t.cur.sys)
	}
}

// Abort gives an epoch up. The keys stay fenced. It fails with [ErrTooLate] once
// Root has returned nil, and may be repeated after another error.
func (e *Epoch) Abort(ctx context.Context) error {
	switch {
	case e.rooted:
		return fmt.Errorf("giving up an epoch: %w", ErrTooLate)
	case e.ended:
		return nil
	}
	if err := e.abort(ctx); err != nil {
		return fmt.Errorf("giving up an epoch: %w", err)
	}
	return nil
}

func (e *Epoch) abort(ctx context.Context) error {
	t := e.t
	// Holders first: if we stop after the pages are gone, a root that all holders
	// had would open nothing, and recovery would have to find that out.
	if e.offered {
		for _, h := range e.old {
			if _, err := h.Destroy(ctx, t.id, t.cur.epoch, t.cur.attempt); err != nil {
				return fmt.Errorf("taking the new root back from holder %s: %w", h.Caps().ID, err)
			}
		}
	}
	t.opts.Order.Lock()
	t.mu.Lock()
	var del [][2][]byte
	if e.sweep {
		del = append(del, rowsOfGeneration(e.v.gen))
	}
	dead := func(p *page) bool { return p.epoch == e.v.epoch }
	t.table.each(func(p *page) {
		if dead(p) {
			delete(t.unwritten, p)
			if p.gen == t.cur.gen {
				del = append(del, rowsOfEpoch(p.gen, p.at, p.epoch))
			}
		}
	})
	t.next, t.doomed = nil, nil
	t.nextSys.Store(nil)
	t.release(dead)
	t.undo, t.noted, t.undone = nil, nil, false
	t.garbage.forget(e.v.epoch)
	e.partsShipped(false)
	t.mu.Unlock()
	t.opts.Order.Unlock()
	err := t.put(ctx, []KV{mark(0)}, del)
	if err != nil {
		t.stale = append(t.stale, del...)
	}
	e.reopen()
	e.end()
	return err
}

// reopen ends the refusal of leases.
func (e *Epoch) reopen() {
	for _, id := range e.ids {
		e.t.keys.reopen(id)
	}
}

func (e *Epoch) end() {
	e.ended = true
	e.pages, e.images, e.ids, e.decoys = nil, nil, nil, nil
	e.t.running.Store(false)
}

// rowsOfGeneration is the range of all rows of a generation.
func rowsOfGeneration(gen uint32) [2][]byte {
	k := rowKey{gen: gen}.bytes()[:5]
	return [2][]byte{k, after(k)}
}

// tidy queues what is left to do after an epoch: its mark is taken back, and rows
// that nobody needs are removed, if there are many or if they are those of a whole
// generation.
func (t *Tree) tidy(del [][2][]byte, generation bool) error {
	t.opts.Order.Lock()
	defer t.opts.Order.Unlock()
	if generation {
		del = append(del, t.garbage.dead()...)
	} else {
		del = append(del, t.ripe(context.Background())...)
	}
	_, err := t.enqueueOrdered([]KV{mark(0)}, del)
	return err
}

// Scrub makes what derivations left behind be erased, where Go's runtime/secret is
// built in. The erased keys and the pages that were replaced are wiped by Destroy
// already; the keys of the living stay loaded.
func (t *Tree) Scrub() { collect() }
