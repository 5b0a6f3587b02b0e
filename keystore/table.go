package keystore

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// A table keeps the opened pages. It is bounded: of a page that has not been used
// since the last look, and has nothing that is not yet durable, only the shell
// stays; and a shell that nobody used either leaves.
type table struct {
	rows   Rows
	mu     sync.RWMutex
	max    int              // leaf pages with their entries
	pages  map[uint64]*page // by the key of an address
	whole  ring             // leaf pages with their entries
	shells ring             // and without
	above  ring             // all others, which stay as long as one below them does

	// Pages of above that were driven out and not wiped: they may be in use without
	// their lock. Whoever holds the tree's write lock wipes them.
	left  []*page
	leftN atomic.Int32
}

// A ring is pages in the order of a clock's hand.
type ring struct {
	pages []*page
	hand  int // where the next look is
	again int // how many pages there have to be before the next look
}

// over is how many pages there are too many. Where few could leave, as while an epoch
// needs thousands of them, it is 0 until there are a sixteenth more: to look at all of them
// for each that is added would take longer than the epoch.
func (r *ring) over(most int) int {
	n := len(r.pages)
	if n <= most || n < r.again {
		return 0
	}
	return n - most
}

// looked notes that the hand went around.
func (r *ring) looked(most int) {
	if r.again = 0; len(r.pages) > most {
		r.again = len(r.pages) + most/16
	}
}

func (r *ring) add(p *page) {
	p.ring, p.pos = r, len(r.pages)
	r.pages = append(r.pages, p)
}

func (r *ring) drop(p *page) {
	end := len(r.pages) - 1
	last := r.pages[end]
	r.pages[p.pos], last.pos = last, p.pos
	r.pages[end] = nil
	r.pages = r.pages[:end]
	p.ring = nil
}

// rings are all pages.
func (t *table) rings() [3]*ring { return [...]*ring{&t.whole, &t.shells, &t.above} }

// next is the page that the hand comes to.
func (r *ring) next() *page {
	if r.hand++; r.hand >= len(r.pages) {
		r.hand = 0
	}
	return r.pages[r.hand]
}

func newTable(rows Rows, max int) *table {
	return &table{rows: rows, max: max, pages: make(map[uint64]*page)}
}

// below returns the page below another that covers a route, nil where it is not here. Of
// the pages at one address the one counts whose key the page above has.
func (t *table) below(above *page, level uint8, route uint64) *page {
	const none = math.MaxUint64
	probed := uint64(none)
	t.mu.RLock()
	defer t.mu.RUnlock()
	for bits := slotBits * uint(level); ; bits-- {
		at := addr{level, prefix(route, bits)}
		if at.start != probed {
			probed = at.start
			for p := t.pages[at.key()]; p != nil; p = p.next {
				if p.slotKey.Equal(&above.children[at.slot()]) && p.covers(route) {
					if !p.used.Load() {
						p.used.Store(true)
					}
					return p
				}
			}
		}
		if bits == slotBits*uint(level-1) {
			return nil
		}
	}
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
	p.next = t.pages[p.at.key()]
	t.pages[p.at.key()] = p
	t.ringOf(p).add(p)
	t.shrink()
	return true
}

func (t *table) ringOf(p *page) *ring {
	switch {
	case p.kind != kindLeaf:
		return &t.above
	case p.shell != nil:
		return &t.shells
	}
	return &t.whole
}

// regroup notes that a page has become another kind. Its lock is held.
func (t *table) regroup(p *page) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.ring.drop(p)
	t.ringOf(p).add(p)
	t.shrink()
}

// shrink makes room where there are too many pages.
func (t *table) shrink() {
	if over := t.whole.over(t.max); over > 0 {
		t.compact(t.empty(over + t.max/16))
		t.whole.looked(t.max)
	}
	most := t.max * shellsMost
	if over := t.shells.over(most); over > 0 {
		t.evict(&t.shells, over+most/16, len(t.shells.pages))
		t.shells.looked(most)
	}
	if over := len(t.above.pages) - t.max; over > 0 {
		t.evict(&t.above, over, 4) // most of them have pages below: a few looks each time
	}
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

// empty makes shells of up to n pages that were not used since the hand came by last, and
// returns of how many. It goes around once and no more: a page that was just put in, and
// is about to be locked by who asked for it, must not leave because everything else is in
// use.
func (t *table) empty(n int) (emptied int) {
	for range len(t.whole.pages) {
		if emptied >= n {
			break
		}
		p := t.whole.next()
		if !t.idle(p) {
			continue
		}
		emptied++
		p.empty()
		p.ring.drop(p)
		t.shells.add(p)
		p.mu.Unlock()
	}
	return emptied
}

// compact looks at n shells, and empties again those to which much was added.
func (t *table) compact(n int) {
	for range min(n, len(t.shells.pages)) {
		p := t.shells.next()
		if !p.mu.TryLock() {
			continue
		}
		if len(p.entries) > shellEntries && t.written(p) {
			p.empty()
		}
		p.mu.Unlock()
	}
}

// evict drops up to n pages of a ring that were not used since the hand came by last.
func (t *table) evict(r *ring, n, looks int) {
	for range min(looks, len(r.pages)) {
		if n <= 0 {
			return
		}
		p := r.next()
		if !t.idle(p) {
			continue
		}
		n--
		t.unlink(p.at, p)
		p.dead = true
		if p.kind == kindLeaf {
			p.zero()
		} else {
			t.left = append(t.left, p)
			t.leftN.Store(int32(len(t.left)))
		}
		p.mu.Unlock()
	}
}

// wipe wipes what evict could not. The caller holds t.mu, and the tree's write lock.
func (t *table) wipe() {
	for _, p := range t.left {
		p.zero()
	}
	t.left = nil
	t.leftN.Store(0)
}

// leftMost is how many pages that were driven out wait to be wiped.
const leftMost = 256

// wipeLeft wipes them where there are many. The caller holds no lock.
func (t *Tree) wipeLeft() {
	if t.table.leftN.Load() < leftMost {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	t.table.wipe()
}

// hold keeps a page in the cache until it is let go. The caller holds its lock.
func (p *page) hold() *page {
	p.held.Add(1)
	return p
}

// letGo lets pages go. Some may be nil.
func letGo(pages []*page) {
	for _, p := range pages {
		if p != nil {
			p.held.Add(-1)
		}
	}
}

// idle reports whether a page may leave; its lock is then held.
func (t *table) idle(p *page) bool {
	if p.used.Swap(false) || p.pinned.Load() || p.held.Load() > 0 || p.kids != nil || !p.mu.TryLock() {
		return false
	}
	if !t.written(p) {
		p.mu.Unlock()
		return false
	}
	return true
}

// written reports whether the rows have all that a page has. Its lock is held.
func (t *table) written(p *page) bool {
	return !p.dirty() && !p.dead && (!p.wrote || t.settled(p))
}

// settled reports whether the store shows a page's newest row. Until then it is
// in the queue, and who reads the page back would not find it; or find what stood
// there before, where a taking was taken back of which a part had been queued.
func (t *table) settled(p *page) bool {
	v, err := t.rows.Get(context.Background(), rowKey{p.gen, p.at, p.epoch, uint32(p.version), p.n}.bytes())
	p.wrote = err != nil || sum256(v) != p.last
	return !p.wrote
}

func (t *table) unlink(at addr, p *page) {
	if t.pages[at.key()] == p {
		if p.next == nil {
			delete(t.pages, at.key())
		} else {
			t.pages[at.key()] = p.next
		}
	} else {
		for q := t.pages[at.key()]; q != nil; q = q.next {
			if q.next == p {
				q.next = p.next
			}
		}
	}
	p.gone = true
	if p.parent != nil {
		p.part()
	}
	p.ring.drop(p)
}

// removeIf takes out and wipes the pages of which f says so. The caller holds
// the tree's write lock: nobody is reading a page.
func (t *table) removeIf(f func(*page) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
	for _, r := range t.rings() {
		for _, p := range slices.DeleteFunc(slices.Clone(r.pages), func(p *page) bool { return !f(p) }) {
			t.remove(p)
		}
	}
}

// remove takes a page out and wipes it. The table's lock is held, and the tree's write
// lock: nobody is reading a page.
func (t *table) remove(p *page) {
	t.unlink(p.at, p)
	p.mu.Lock()
	p.zero()
	p.mu.Unlock()
}

// each calls f with every page. f takes none out.
func (t *table) each(f func(*page)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, r := range t.rings() {
		for _, p := range r.pages {
			f(p)
		}
	}
}
