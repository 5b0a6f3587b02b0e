package keystore

import (
	"context"
	"fmt"
)

// Use takes a lease of the key of a subject, a compartment and a cohort, and
// makes the key if there is none. A key that was made is pending until its page's
// changes are taken, see [Lease.TakePending]. It returns [ErrErasing] for a key
// whose erasure has begun. Who calls it does not hold [Options].Order: now and then it
// clears up what earlier keys have left behind.
func (t *Tree) Use(ctx context.Context, s Subject, compartment string, cohort Cohort) (*Lease, error) {
	return t.acquire(ctx, s, compartment, cohort, true, 0)
}

// UseDue is Use, and a key that it makes is due to be erased on a day, counted from
// 1970-01-01, 0 for none, as by [Lease.Expire]: the day goes out in the same row as the key.
func (t *Tree) UseDue(ctx context.Context, s Subject, compartment string, cohort Cohort, day uint16) (*Lease, error) {
	return t.acquire(ctx, s, compartment, cohort, true, day)
}

// Find is Use without making a key: where there is none it returns [ErrNoKey].
func (t *Tree) Find(ctx context.Context, s Subject, compartment string, cohort Cohort) (*Lease, error) {
	return t.acquire(ctx, s, compartment, cohort, false, 0)
}

func (t *Tree) acquire(ctx context.Context, s Subject, compartment string, cohort Cohort, create bool, due uint16) (*Lease, error) {
	sys := t.sys.Load()
	if sys == nil {
		return nil, ErrClosed
	}
	comp, ok := sys.byName[compartment]
	if !ok {
		if !create {
			return nil, ErrNoKey
		}
		var err error
		if comp, err = t.intern(compartment); err != nil {
			return nil, err
		}
	}
	id := keyID{tag: sys.tag(s), comp: comp, cohort: uint16(cohort)}
	if k, ok, err := t.keys.lease(id, false); ok {
		return t.lease(k), err
	}
	return t.acquireSlow(ctx, id, create, false, due)
}

// acquireSlow goes through the key's page.
func (t *Tree) acquireSlow(ctx context.Context, id keyID, create, fenced bool, due uint16) (*Lease, error) {
	t.wipeLeft()
	if create {
		if err := t.relieve(ctx); err != nil {
			return nil, err
		}
		t.gate.RLock()
		defer t.gate.RUnlock()
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	sys := t.sys.Load()
	if sys == nil {
		return nil, ErrClosed
	}
	r := route{sys.routeOf(&id.tag), sys.generation()}
	p, err := t.lockKey(ctx, r.to, id, create)
	if err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	e := p.find(id)
	made := e == nil
	switch {
	case made && !create:
		return nil, ErrNoKey
	case made:
		e, err = t.make(ctx, p, id, due)
		if err != nil {
			return nil, err
		}
	case e.state == Erasing && !fenced:
		return nil, ErrErasing
	}
	k, err := t.keys.load(e, r, made)
	if err != nil {
		return nil, err
	}
	return t.lease(k), nil
}

// lockLeaf returns the leaf page of a route, locked, with all its entries. The
// caller holds t.mu.
func (t *Tree) lockLeaf(ctx context.Context, v *view, route uint64) (*page, error) {
	p, err := t.lockShell(ctx, v, route)
	if err != nil {
		return nil, err
	}
	if err := t.fill(ctx, p); err != nil {
		p.mu.Unlock()
		return nil, err
	}
	return p, nil
}

// lockKey returns the page of a key in the current view, locked, with the key's entry
// if there is one. With add, the key can be added or changed. The caller holds t.mu.
func (t *Tree) lockKey(ctx context.Context, route uint64, id keyID, add bool) (*page, error) {
	p, err := t.lockShell(ctx, t.cur, route)
	if err != nil {
		return nil, err
	}
	if !p.knows(&id.tag) && p.find(id) == nil || add && !t.takes(p) {
		if err := t.fill(ctx, p); err != nil {
			p.mu.Unlock()
			return nil, err
		}
	}
	return p, nil
}

// lockShell is lockLeaf for who may do without the entries.
func (t *Tree) lockShell(ctx context.Context, v *view, route uint64) (*page, error) {
	for {
		p, err := t.leaf(ctx, v, route)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		if !p.dead {
			return p, nil
		}
		p.mu.Unlock()
	}
}

// make adds a key to its page, and to the page that a running epoch is about to
// put in its place: creation never waits for an epoch to end.
func (t *Tree) make(ctx context.Context, p *page, id keyID, due uint16) (*entry, error) {
	e := entry{
		tag: id.tag, comp: id.comp, cohort: id.cohort, dek: newSecret(),
		state: Active, created: t.today(), expiry: due,
	}
	defer e.dek.Zero()
	if err := t.alsoNext(ctx, p, id, func(q *page) {
		q.upsert(&e)
		q.changed(id)
	}); err != nil {
		return nil, err
	}
	p.add(&e)
	p.changed(id)
	return &p.entries[len(p.entries)-1], nil
}

// alsoNext runs f on the page that holds an id in the view that a running epoch
// prepares, where that is another page than p. The caller holds t.mu and p's lock.
func (t *Tree) alsoNext(ctx context.Context, p *page, id keyID, f func(*page)) error {
	if t.next == nil {
		return nil
	}
	route := t.nextSys.Load().routeOf(&id.tag)
	for {
		q, err := t.leaf(ctx, t.next, route)
		if err != nil {
			return err
		}
		if q == p {
			return nil // not re-keyed by this epoch
		}
		q.mu.Lock()
		if q.dead {
			q.mu.Unlock()
			continue
		}
		if err = t.fill(ctx, q); err == nil {
			f(q)
		}
		q.mu.Unlock()
		return err
	}
}

// intern gives a compartment a number. The system page's new image is taken
// together with the first key that needs it.
func (t *Tree) intern(name string) (uint16, error) {
	if name == "" || len(name) > maxCompartmentName {
		return 0, fmt.Errorf("a compartment's name has 1 to %d bytes, not %d", maxCompartmentName, len(name))
	}
	t.gate.RLock()
	defer t.gate.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	sys := t.sys.Load()
	if sys == nil {
		return 0, ErrClosed
	}
	if c, ok := sys.byName[name]; ok {
		return c, nil
	}
	if len(sys.names) >= maxCompartments {
		return 0, fmt.Errorf("more than %d compartments", maxCompartments)
	}
	c := uint16(len(sys.names) + 1)
	t.sys.Store(t.cur.sys.name(name))
	if t.next != nil {
		t.nextSys.Store(t.next.sys.name(name))
	}
	return c, nil
}

// name adds a compartment to a system page.
func (p *page) name(name string) *system {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sys.clone()
	s.names = append(s.names, name)
	s.byName[name] = uint16(len(s.names))
	p.sys, p.force = s, true
	return s
}

func (t *Tree) today() uint16 {
	day := t.opts.Now().Unix() / 86400
	return uint16(min(max(day, 0), 65535))
}
