package keystore

// overfull reports whether a leaf page has to be split: it has more entries than
// the largest size class, and not all of them are one person's.
func (t *Tree) overfull(p *page) bool {
	if p.kind != kindLeaf {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return t.splits(p)
}

func (t *Tree) splits(p *page) bool {
	if len(p.entries) <= t.opts.capacity || p.at.level == maxLevel && p.bits == slotBits*maxLevel {
		return false
	}
	for i := range p.entries {
		if p.entries[i].tag != p.entries[0].tag {
			return true
		}
	}
	return false
}

// split divides an overfull page until no part is, and returns all pages that
// have to be written. No page above changes: nothing is forgotten here, and the
// child keys that the parts' keys are derived from were random from the birth of
// the page above. The caller holds t.mu exclusively.
func (t *Tree) split(p *page) []*page {
	p.mu.Lock()
	defer p.mu.Unlock()
	sys := t.sys.Load()
	if t.next != nil && p.gen == t.next.gen && t.next.gen != t.cur.gen {
		sys = t.nextSys.Load()
	}
	var write []*page
	for work := []*page{p}; len(work) > 0; {
		q := work[len(work)-1]
		work = work[:len(work)-1]
		switch {
		case !t.splits(q):
			q.force = true
			write = append(write, q)
		case q.bits < slotBits*q.at.level:
			if r := t.halve(q, sys); r != nil {
				work = append(work, r)
			}
			work = append(work, q)
		default:
			write = append(write, q)
			work = append(work, t.deepen(q))
		}
	}
	return write
}

// narrow makes a page cover the first half of what it did, under the key that
// belongs to that.
func (p *page) narrow() {
	p.bits++
	p.force = true
	key := pageKey(p.parent.children, p.at, p.bits)
	p.mac = newMAC(key[:])
	key.Zero()
}

// halve moves the entries whose next bit is one to a page of their own.
func (t *Tree) halve(p *page, sys *system) *page {
	mid := p.at.start | 1<<(63-p.bits)
	p.narrow()
	at := addr{p.at.level, mid}
	if at == systemAddr {
		return nil // no route leads there
	}
	r := t.sibling(kindLeaf, p, at, p.bits, p.parent)
	r.entries = make([]entry, 0, 3*len(p.entries)/4) // about half of them, and those to come
	keep := p.entries[:0]
	for i := range p.entries {
		if e := &p.entries[i]; sys.routeOf(&e.tag) >= mid { // not a copy on the stack, where nobody wipes it
			r.add(e)
		} else {
			keep = append(keep, *e)
		}
	}
	clear(p.entries[len(keep):])
	p.entries = keep
	pend := p.pend[:0]
	for _, id := range p.pend {
		if r.find(id) != nil {
			r.pend = append(r.pend, id)
		} else {
			pend = append(pend, id)
		}
	}
	p.pend = pend
	t.table.put(r)
	return r
}

// deepen turns a leaf page that covers exactly one slot into an interior page
// under the same key, and moves its entries to a leaf page below.
func (t *Tree) deepen(p *page) *page {
	p.kind = kindInterior
	p.children = randomChildren()
	p.force = true
	r := t.sibling(kindLeaf, p, addr{p.at.level + 1, p.at.start}, p.bits, p)
	r.entries, p.entries = p.entries, nil
	r.pend, p.pend = p.pend, nil
	t.table.regroup(p)
	t.table.put(r)
	return r
}

// sibling makes a page that takes over entries of p.
func (t *Tree) sibling(k kind, p *page, at addr, bits uint8, parent *page) *page {
	r := newPage(k, at, bits, p.gen, p.epoch, parent)
	r.last = p.last
	r.superseded = p.superseded
	r.pinned.Store(p.pinned.Load())
	return r
}
