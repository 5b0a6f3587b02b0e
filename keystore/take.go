package keystore

import (
	"math"
	"slices"
)

// maxDeltas is after how many deltas a page is written as an image again.
const maxDeltas = 32

// An undo is what a page was before its changes were taken.
type undo struct {
	p       *page
	version int64
	n       uint32
	last    [32]byte
	pend    []keyID
	force   bool
	taken   []keyID // keys that were untaken
	old     *debris
}

// TakePending returns the rows that make this key durable, and with it every
// change of its page that was not taken before. They have to be queued before
// anything else is taken: the caller holds [Options].Order from before this call
// until they are queued. If they could not be queued, it calls UntakePending
// before it lets go of the lock.
func (l *Lease) TakePending() []KV { return l.t.take(l.k.id) }

// UntakePending takes the last TakePending back.
func (l *Lease) UntakePending() { l.t.untake() }

// take returns the rows of all changes on the pages of some ids, on the system page
// where a compartment is new, and of what an earlier taking left unwritten. Order is
// held. A page with changes is always in the cache, and so is every page above it.
func (t *Tree) take(ids ...keyID) []KV {
	kvs, _ := t.takeUpTo(math.MaxInt, ids)
	return kvs
}

// takeUpTo is take, but of no further ids once there are so many bytes; it returns those
// that are left. What one taking returns is queued in one piece: half of a page that was
// split must not be durable without the other, and deltas that are written once more,
// because only some of them were, do not follow on each other.
func (t *Tree) takeUpTo(most int, ids []keyID) (kvs []KV, left []keyID) {
	k := taking{t: t, ids: ids, most: most}
	if t.undone { // what the taking before wanted to remember
		k.kvs = append(k.kvs, t.noted...)
	} else {
		t.noted = nil
	}
	t.undo, t.undone = t.undo[:0], false
	t.mu.RLock()
	k.round(false)
	t.mu.RUnlock()
	if k.full {
		t.mu.Lock()
		k.round(true)
		t.mu.Unlock()
	}
	return k.kvs, ids[len(k.ids):]
}

// A taking collects rows.
type taking struct {
	t    *Tree
	ids  []keyID // whose pages are written
	also []keyID // that these pages had, while an epoch runs
	most int     // bytes
	kvs  []KV
	size int
	full bool // some page has to be split, which needs the write lock
}

func (k *taking) round(exclusive bool) {
	t := k.t
	sys, next := t.sys.Load(), t.nextSys.Load()
	if sys == nil {
		return
	}
	for p := range t.unwritten {
		k.page(p, exclusive)
	}
	k.page(t.cur.sys, exclusive)
	for i, id := range k.ids {
		if i > 0 && k.size >= k.most && !exclusive {
			k.ids = k.ids[:i]
			break
		}
		k.page(t.resident(t.cur, t.keys.routeOf(sys, id)), exclusive)
	}
	if t.next == nil {
		return
	}
	// Whatever is written in the current view is written in the next one too, in the
	// same group: then it does not matter where an epoch is interrupted.
	k.page(t.next.sys, exclusive)
	for _, ids := range [][]keyID{k.ids, k.also} {
		for _, id := range ids {
			k.page(t.resident(t.next, t.keys.routeOf(next, id)), exclusive)
		}
	}
}

// page takes the changes of one page, if it has any.
func (k *taking) page(p *page, exclusive bool) {
	switch {
	case p == nil:
	case !k.t.overfull(p):
		k.seal(p)
	case !exclusive:
		k.full = true
		k.size += 2 * (imageOver + maxEntries*entrySize) // about what it is going to be
	default:
		parts := k.t.split(p)
		k.note(parts)
		for _, p := range parts {
			k.seal(p)
		}
	}
}

// seal appends the rows that bring a page up to date: a delta for each changed
// entry, or an image. Nothing else writes an entry, so that on disk a new key, a
// changed date and a hold look alike.
func (k *taking) seal(p *page) {
	t := k.t
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(t.unwritten, p)
	if !p.dirty() {
		return
	}
	u := undo{p: p, version: p.version, n: p.n, last: p.last, pend: slices.Clone(p.pend), force: p.force}
	if p.force || int(p.n)+len(p.pend) > maxDeltas {
		kv := p.image(t.id)
		if p.version > 0 {
			u.old = t.garbage.addBehind(rowsUpTo(p.gen, p.at, p.epoch, uint32(p.version-1)), kv.Key, p.epoch)
		} else if p.epoch > t.cur.epoch {
			p.birth = &birth{kv, p.last}
		}
		k.add(kv)
	} else {
		for _, id := range p.pend {
			k.add(p.delta(t.id, p.find(id)))
		}
	}
	if t.inCurrent(p) {
		if t.next != nil {
			k.also = append(k.also, p.pend...)
		}
		for _, id := range p.pend {
			t.keys.with(id, func(q *key) {
				if q.untaken {
					q.untaken = false
					u.taken = append(u.taken, id)
				}
			})
		}
	}
	p.pend, p.force = p.pend[:0], false
	t.undo = append(t.undo, u)
}

func (k *taking) add(kv KV) {
	k.kvs = append(k.kvs, kv)
	k.size += len(kv.Key) + len(kv.Value)
}

// inCurrent reports whether a page belongs to the current view, and not only to
// the one that an epoch prepares.
func (t *Tree) inCurrent(p *page) bool { return p.epoch <= t.cur.epoch }

// untake undoes the last taking. What was folded or split stays so in memory,
// and is written with the next taking, whoever takes.
func (t *Tree) untake() {
	t.mu.RLock()
	defer t.mu.RUnlock()
	t.untakeLocked()
}

func (t *Tree) untakeLocked() {
	for _, u := range slices.Backward(t.undo) {
		u.p.mu.Lock()
		u.p.version, u.p.n, u.p.last = u.version, u.n, u.last
		for _, id := range u.pend {
			u.p.changed(id)
		}
		u.p.force = u.p.force || u.force
		if u.version < 0 {
			u.p.birth = nil
		}
		if u.p.force {
			t.unwritten[u.p] = true
		}
		u.p.mu.Unlock()
		if u.old != nil {
			t.garbage.remove(u.old)
		}
		for _, id := range u.taken {
			t.keys.with(id, func(k *key) { k.untaken = true })
		}
	}
	t.undo, t.undone = t.undo[:0], true
}
