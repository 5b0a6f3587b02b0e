package keystore

import "sync"

// A table keeps the opened pages. It is bounded: a page that has not been used
// since the last look, and has nothing that is not yet queued, leaves it.
type table struct {
	mu    sync.RWMutex
	max   int
	pages map[addr]*page
	count int

	// unsettled says how far a page that left had got. Its last rows may still
	// be in the queue, and reading it back before they are durable would lose
	// them.
	unsettled map[rowKey]settled
}

// settled is a page's newest row.
type settled struct {
	version int64
	n       uint32
}

func newTable(max int) *table {
	return &table{max: max, pages: make(map[addr]*page), unsettled: make(map[rowKey]settled)}
}

// get returns the page at an address that a key opens.
func (t *table) get(at addr, key *Secret) *page {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for p := t.pages[at]; p != nil; p = p.next {
		if p.key.Equal(key) {
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
		p.parent.kids++
	}
	p.used.Store(true)
	p.next = t.pages[p.at]
	t.pages[p.at] = p
	if t.count++; t.count > t.max {
		t.evict(max(t.count/16, 1))
	}
	return true
}

// adopt gives a page another parent. The caller holds the tree's write lock.
func (t *table) adopt(p, parent *page) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.parent != nil {
		p.parent.kids--
	}
	p.parent = parent
	parent.kids++
}

// evict drops up to n pages, starting anywhere: Go's maps begin their iteration
// at random.
func (t *table) evict(n int) {
	for at, p := range t.pages {
		for ; p != nil; p = p.next {
			if t.leaves(p) {
				t.unlink(at, p)
				if n--; n == 0 {
					return
				}
			}
		}
	}
}

// leaves reports whether a page may leave, and wipes it if so.
func (t *table) leaves(p *page) bool {
	if p.used.Swap(false) || p.pinned.Load() || p.kids > 0 || !p.mu.TryLock() {
		return false
	}
	defer p.mu.Unlock()
	if p.dirty() || p.dead {
		return false
	}
	if p.wrote {
		t.unsettled[p.lineage()] = settled{p.version, p.n}
	}
	p.dead = true
	if p.kind == kindLeaf { // an interior page may be in use without its lock
		p.zero()
	}
	return true
}

// lineage is the row key of a page without version and number.
func (p *page) lineage() rowKey { return rowKey{gen: p.gen, at: p.at, epoch: p.epoch} }

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
		p.parent.kids--
	}
	t.count--
}

// removeIf takes out and wipes the pages of which f says so. The caller holds
// the tree's write lock: nobody is reading a page.
func (t *table) removeIf(f func(*page) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for at, p := range t.pages {
		for ; p != nil; p = p.next {
			if f(p) {
				t.unlink(at, p)
				p.mu.Lock()
				p.zero()
				p.mu.Unlock()
			}
		}
	}
}

// behind reports whether a page that was read lacks rows it had when it left.
func (t *table) behind(p *page) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.unsettled[p.lineage()]
	if !ok {
		return false
	}
	if p.version < s.version || p.version == s.version && p.n < s.n {
		return true
	}
	delete(t.unsettled, p.lineage())
	return false
}

func (t *table) each(f func(*page)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, p := range t.pages {
		for ; p != nil; p = p.next {
			f(p)
		}
	}
}

// lags is behind for a page that is not put into the cache.
func (t *table) lags(p *page) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s, ok := t.unsettled[p.lineage()]
	return ok && (p.version < s.version || p.version == s.version && p.n < s.n)
}

// scrub drops and wipes every page that may go. The caller holds the tree's write
// lock.
func (t *table) scrub() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range 2 { // the first look clears the marks of use
		t.evict(t.count + 1)
	}
}
