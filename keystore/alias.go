package keystore

import (
	"context"
	"crypto/rand"
	"fmt"
)

// An alias is an entry whose tag is that of a contact address, such as a mail
// address, and whose 32 bytes name the tag of the person behind it: tag16, then 16
// random bytes. It has a compartment and a cohort like a key, is changed, fenced and
// erased like one, and seals nothing.

// AddAlias records that an address belongs to a subject, in a compartment with which
// it is erased. The subject must have a key. It is durable when it returns.
func (t *Tree) AddAlias(ctx context.Context, address, s Subject, compartment string, cohort Cohort) (Ref, error) {
	sys := t.sys.Load()
	if sys == nil {
		return Ref{}, ErrClosed
	}
	comp, ok := sys.byName[compartment]
	if !ok {
		var err error
		if comp, err = t.intern(compartment); err != nil {
			return Ref{}, err
		}
	}
	tag := sys.tag(s)
	switch keys, err := t.keysOf(ctx, tag); {
	case err != nil:
		return Ref{}, err
	case len(keys) == 0:
		return Ref{}, fmt.Errorf("adding an alias: %w", ErrNoKey)
	}
	id := keyID{tag: sys.tag(address), comp: comp, cohort: uint16(cohort), alias: true}
	if err := t.makeAlias(ctx, id, tag); err != nil {
		return Ref{}, fmt.Errorf("adding an alias: %w", err)
	}
	t.opts.Order.Lock()
	wait, err := t.rows.Enqueue(t.take(id), nil)
	if err != nil {
		t.untake()
	}
	t.opts.Order.Unlock()
	if err != nil {
		return Ref{}, fmt.Errorf("queueing key pages: %w", err)
	}
	return Ref{id}, wait(ctx)
}

func (t *Tree) makeAlias(ctx context.Context, id keyID, of [16]byte) error {
	t.gate.RLock()
	defer t.gate.RUnlock()
	t.mu.RLock()
	defer t.mu.RUnlock()
	sys := t.sys.Load()
	if sys == nil {
		return ErrClosed
	}
	p, err := t.lockLeaf(ctx, t.cur, sys.routeOf(&id.tag))
	if err != nil {
		return err
	}
	defer p.mu.Unlock()
	e := entry{tag: id.tag, comp: id.comp, cohort: id.cohort, state: Active, flags: flagAlias, created: t.today()}
	copy(e.dek[:], of[:])
	rand.Read(e.dek[16:])
	if old := p.find(id); old != nil {
		if old.state != Active {
			return ErrErasing
		}
		e.created, e.expiry, e.review = old.created, old.expiry, old.review
	}
	if err := t.alsoNext(ctx, p, id, func(q *page) {
		q.upsert(&e)
		q.changed(id)
	}); err != nil {
		return err
	}
	p.upsert(&e)
	p.changed(id)
	return nil
}

// Behind lists the keys of everybody whom an address leads to. An alias whose
// person has no key any more leads to nobody.
func (t *Tree) Behind(ctx context.Context, address Subject) ([]KeyInfo, error) {
	t.mu.RLock()
	sys := t.sys.Load()
	if sys == nil {
		t.mu.RUnlock()
		return nil, ErrClosed
	}
	tag := sys.tag(address)
	p, err := t.lockLeaf(ctx, t.cur, sys.routeOf(&tag))
	if err != nil {
		t.mu.RUnlock()
		return nil, err
	}
	var tags [][16]byte
	for i := range p.entries {
		if e := &p.entries[i]; e.tag == tag && e.flags&flagAlias != 0 && e.state == Active {
			tags = append(tags, [16]byte(e.dek[:16]))
		}
	}
	p.mu.Unlock()
	t.mu.RUnlock()
	var found []KeyInfo
	seen := make(map[[16]byte]bool)
	for _, tag := range tags {
		if seen[tag] {
			continue
		}
		seen[tag] = true
		keys, err := t.keysOf(ctx, tag)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if !k.Alias {
				found = append(found, k)
			}
		}
	}
	return found, nil
}
