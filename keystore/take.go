package keystore

import "slices"

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

// take returns the rows of all changes on the pages of some ids. Order is held.
func (t *Tree) take(ids ...keyID) []KV {
	t.undo = t.undo[:0]
	t.mu.RLock()
	pages := t.dirtyPages(ids)
	if !slices.ContainsFunc(pages, t.overfull) {
		defer t.mu.RUnlock()
		return t.sealAll(pages, nil)
	}
	t.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	pages = t.dirtyPages(ids)
	var all []*page
	for _, p := range pages {
		if t.overfull(p) {
			all = append(all, t.split(p)...)
		} else {
			all = append(all, p)
		}
	}
	return t.sealAll(all, nil)
}

// dirtyPages collects the pages that have to be written for some ids: theirs, the
// ones that a running epoch puts in their place, the system page where a
// compartment is new, and what an earlier taking left unwritten. A page with
// changes is always in the cache.
func (t *Tree) dirtyPages(ids []keyID) []*page {
	var pages []*page
	add := func(p *page) {
		if p == nil {
			return
		}
		p.mu.Lock()
		dirty := p.dirty()
		p.mu.Unlock()
		if dirty {
			pages = append(pages, p)
		}
	}
	sys := t.sys.Load()
	if sys == nil {
		return nil
	}
	next := t.nextSys.Load()
	for p := range t.unwritten {
		add(p)
	}
	add(t.cur.sys)
	if t.next != nil {
		add(t.next.sys)
	}
	for _, id := range ids {
		p := t.resident(t.cur, sys.routeOf(&id.tag))
		add(p)
		if t.next == nil || p == nil {
			continue
		}
		p.mu.Lock()
		twins := append(slices.Clone(p.pend), id)
		p.mu.Unlock()
		for _, q := range twins {
			add(t.resident(t.next, next.routeOf(&q.tag)))
		}
	}
	return distinctPages(pages)
}

func distinctPages(pages []*page) []*page {
	if len(pages) < 2 {
		return pages
	}
	seen := make(map[*page]bool, len(pages))
	return slices.DeleteFunc(pages, func(p *page) bool {
		if seen[p] {
			return true
		}
		seen[p] = true
		return false
	})
}

// sealAll seals the changes of pages, with what it takes to undo that. Order is
// held, and t.mu.
func (t *Tree) sealAll(pages []*page, kvs []KV) []KV {
	for _, p := range pages {
		kvs = t.seal(p, kvs)
		delete(t.unwritten, p)
	}
	return kvs
}

// seal appends the rows that bring a page up to date: a delta for each changed
// entry, or an image. Nothing else writes an entry, so that on disk a new key, a
// changed date and a hold look alike.
func (t *Tree) seal(p *page, kvs []KV) []KV {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dirty() {
		return kvs
	}
	u := undo{p: p, version: p.version, n: p.n, last: p.last, pend: slices.Clone(p.pend), force: p.force}
	if p.force || int(p.n)+len(p.pend) > maxDeltas {
		kv := p.image(t.id)
		if p.version > 0 {
			u.old = t.garbage.add(rowsUpTo(p.gen, p.at, p.epoch, uint32(p.version-1)), kv.Key)
		} else if p.epoch > t.cur.epoch {
			p.birth = kv.Value
		}
		kvs = append(kvs, kv)
	} else {
		for _, id := range p.pend {
			kvs = append(kvs, p.delta(t.id, p.find(id)))
		}
	}
	if t.inCurrent(p) {
		for _, id := range p.pend {
			t.keys.with(id, func(k *key) {
				if k.untaken {
					k.untaken = false
					u.taken = append(u.taken, id)
				}
			})
		}
	}
	p.pend, p.force = p.pend[:0], false
	t.undo = append(t.undo, u)
	return kvs
}

// inCurrent reports whether a page belongs to the current view, and not only to
// the one that an epoch prepares.
func (t *Tree) inCurrent(p *page) bool { return p.epoch <= t.cur.epoch }

// untake undoes the last taking. What was folded or split stays so in memory,
// and is written with the next taking, whoever takes.
func (t *Tree) untake() {
	t.mu.RLock()
	defer t.mu.RUnlock()
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
	t.undo = t.undo[:0]
}
