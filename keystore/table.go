package keystore

import (
	"context"
	"slices"
	"sync"
)

// A table keeps the opened pages. It is bounded: a page that has not been used
// since the last look, and has nothing that is not yet durable, leaves it.
type table struct {
	rows  Rows
	mu    sync.RWMutex
	max   int
	pages map[addr]*page
	count int
	ring  []*page // all pages, and some that are gone
	hand  int     // where evict looks next
}

func newTable(rows Rows, max int) *table {
	return &table{rows: rows, max: max, pages: make(map[addr]*page)}
}

// get returns the page at an address that a key opens.
func (t *table) get(at addr, key *Secret) *page {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for p := t.pages[at]; p != nil; p = p.next {
		if p.slotKey.Equal(key) {
			if !p.used.Load() {
				p.used.Store(true)
			}
			return p
		}
	}
	return nil
}

// put adds a page. It refuses where the page above has left meanwhile: a page
// that is in the cache keeps the one above in it, so that an epoch finds every
// copy of the keys that it replaces.
func (t *table) put(p *page) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.parent != nil {
		if p.parent.gone {
			return false
		}
		p.join()
	}
	p.used.Store(true)
	p.next = t.pages[p.at]
	t.pages[p.at] = p
	t.ring = append(t.ring, p)
	if t.count++; t.count > t.max {
		t.evict(t.count - t.max + t.max/16)
	}
	return true
}

// adopt gives a page another parent. The caller holds the tree's write lock.
func (t *table) adopt(p, parent *page) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.moveTo(parent)
}

// moveTo gives a page another parent. The table's lock is held.
func (p *page) moveTo(parent *page) {
	if p.parent != nil {
		p.part()
	}
	p.parent = parent
	p.join()
}

// join puts a page into its parent's list.
func (p *page) join() {
	first := p.parent.kids
	if p.sibling = first; first != nil {
		first.siblingOf = p
	}
	p.parent.kids = p
}

// part takes it out.
func (p *page) part() {
	if p.siblingOf != nil {
		p.siblingOf.sibling = p.sibling
	} else {
		p.parent.kids = p.sibling
	}
	if p.sibling != nil {
		p.sibling.siblingOf = p.siblingOf
	}
	p.sibling, p.siblingOf = nil, nil
}

// evict drops up to n pages that were not used since the hand came by last. It goes
// around once and no more: a page that was just put in, and is about to be locked by
// who asked for it, must not leave because everything else is in use.
func (t *table) evict(n int) {
	size := len(t.ring)
	for range size {
		if n <= 0 {
			break
		}
		if t.hand++; t.hand >= size {
			t.hand = 0
		}
		if p := t.ring[t.hand]; !p.gone && t.leaves(p) {
			t.unlink(p.at, p)
			n--
		}
	}
	t.ring = slices.DeleteFunc(t.ring, func(p *page) bool { return p.gone })
}

// leaves reports whether a page may leave, and wipes it if so.
func (t *table) leaves(p *page) bool {
	if p.used.Swap(false) || p.pinned.Load() || p.kids != nil || !p.mu.TryLock() {
		return false
	}
	defer p.mu.Unlock()
	if p.dirty() || p.dead || p.wrote && !t.settled(p) {
		return false
	}
	p.dead = true
	if p.kind == kindLeaf { // an interior page may be in use without its lock
		p.zero()
	}
	return true
}

// settled reports whether the store shows a page's newest row. Until then it is
// in the queue, and who reads the page back would not find it.
func (t *table) settled(p *page) bool {
	_, err := t.rows.Get(context.Background(), rowKey{p.gen, p.at, p.epoch, uint32(p.version), p.n}.bytes())
	p.wrote = err != nil
	return err == nil
}

func (t *table) unlink(at addr, p *page) {
	if t.pages[at] == p {
		if p.next == nil {
			delete(t.pages, at)
		} else {
			t.pages[at] = p.next
		}
	} else {
		for q := t.pages[at]; q != nil; q = q.next {
			if q.next == p {
				q.next = p.next
			}
		}
	}
	p.gone = true
	if p.parent != nil {
		p.part()
	}
	t.count--
}

// removeIf takes out and wipes the pages of which f says so. The caller holds
// the tree's write lock: nobody is reading a page.
func (t *table) removeIf(f func(*page) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ring = slices.DeleteFunc(t.ring, func(p *page) bool {
		if !p.gone && f(p) {
			t.remove(p)
		}
		return p.gone
	})
}

// remove takes a page out and wipes it. The table's lock is held, and the tree's write
// lock: nobody is reading a page.
func (t *table) remove(p *page) {
	t.unlink(p.at, p)
	p.mu.Lock()
	p.zero()
	p.mu.Unlock()
}

// tidy lets go of pages that were removed, when they are many.
func (t *table) tidy() {
	if len(t.ring) > 2*t.count {
		t.ring = slices.DeleteFunc(t.ring, func(p *page) bool { return p.gone })
	}
}

func (t *table) each(f func(*page)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, p := range t.ring {
		if !p.gone {
			f(p)
		}
	}
}
