package keystore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// put queues rows and waits until they are durable.
func (t *Tree) put(ctx context.Context, kvs []KV, del [][2][]byte) error {
	wait, err := t.enqueue(kvs, del)
	if err != nil {
		return err
	}
	return wait(ctx)
}

// maxBatch bounds what is queued at once: the log takes groups whole, and none of
// more than 4 MiB.
const maxBatch = 1 << 20

// enqueue queues rows in pieces. The whole is durable when the last piece is.
func (t *Tree) enqueue(kvs []KV, del [][2][]byte) (wait func(context.Context) error, err error) {
	t.opts.Order.Lock()
	defer t.opts.Order.Unlock()
	return t.enqueueOrdered(kvs, del)
}

// enqueueOrdered is enqueue for who holds Order.
func (t *Tree) enqueueOrdered(kvs []KV, del [][2][]byte) (wait func(context.Context) error, err error) {
	for {
		size, n := 0, 0
		for n < len(kvs) && size < maxBatch {
			size += len(kvs[n].Key) + len(kvs[n].Value)
			n++
		}
		wait, err = t.rows.Enqueue(kvs[:n], del)
		if err != nil {
			return nil, fmt.Errorf("queueing key pages: %w", err)
		}
		if kvs, del = kvs[n:], nil; len(kvs) == 0 {
			return wait, nil
		}
	}
}

// change changes entries in place and makes that durable.
func (t *Tree) change(ctx context.Context, ids []keyID, image bool, f func(*entry) error) error {
	wait, err := t.enqueueChange(ctx, ids, image, true, f)
	if wait == nil && err == nil {
		// Whoever wrote something else of the pages meanwhile has queued it with his own.
		// The queue is first in, first out, so what follows is not durable before that.
		wait, err = t.enqueue(nil, [][2][]byte{nothing})
	}
	if wait == nil {
		return err
	}
	return errors.Join(wait(ctx), err)
}

// nothing is the range of a row that there never is, for who has nothing to write and
// must wait for others.
var nothing = single(rowKey{gen: housekeeping, at: addr{level: 1}}.bytes())

// enqueueChange changes entries in place and queues that: as deltas, or as images
// where image says so, because a delta can be dropped by who controls the rows
// and an image only together with all that came before it. With clearUp, rows that
// are not needed any more are removed with it. wait is nil where nothing was queued.
func (t *Tree) enqueueChange(ctx context.Context, ids []keyID, image, clearUp bool, f func(*entry) error) (wait func(context.Context) error, err error) {
	// All or nothing: look at each first. Should one of them vanish between the two
	// rounds, what was changed before it is still written, so that memory never says
	// what the rows do not.
	if len(ids) > spreadLeast {
		ids = t.byRoute(ids) // those on one page beside each other
	}
	held := make([]*page, len(ids))
	defer letGo(held)
	if err := spread(len(ids), spreadLeast, func(i int) (err error) {
		held[i], err = t.look(ctx, ids[i], image, f)
		return err
	}); err != nil {
		return nil, err
	}
	var failed error
	for _, id := range ids {
		if failed = t.changeOne(ctx, id, image, f); failed != nil {
			break
		}
	}
	t.opts.Order.Lock()
	defer t.opts.Order.Unlock()
	var del [][2][]byte
	if clearUp {
		del = t.ripe(ctx)
	}
	// One taking after the other, so that what is refused is taken back and what was queued
	// before stays so.
	for left := ids; len(left) > 0 || len(del) > 0; del = nil {
		var kvs []KV
		kvs, left = t.takeUpTo(t.opts.batch, left)
		if len(kvs)+len(del) == 0 {
			continue
		}
		queued, err := t.rows.Enqueue(kvs, del)
		if err != nil {
			t.untake()
			return wait, errors.Join(failed, fmt.Errorf("queueing key pages: %w", err))
		}
		wait = queued
	}
	return wait, failed
}

// byRoute returns keys in the order in which their pages lie.
func (t *Tree) byRoute(ids []keyID) []keyID {
	sys := t.sys.Load()
	if sys == nil {
		return ids
	}
	type at struct {
		route uint64
		id    keyID
	}
	all := make([]at, len(ids))
	for i, id := range ids {
		all[i] = at{t.keys.routeOf(sys, id), id}
	}
	slices.SortFunc(all, func(a, b at) int { return cmp.Compare(a.route, b.route) })
	sorted := make([]keyID, len(ids))
	for i := range all {
		sorted[i] = all[i].id
	}
	return sorted
}

// look asks whether an entry could be changed. Its page stays in the cache until the
// caller lets it go.
func (t *Tree) look(ctx context.Context, id keyID, image bool, f func(*entry) error) (held *page, err error) {
	err = t.atEntry(ctx, id, image, func(p *page, e *entry) error {
		changed := *e
		defer changed.dek.Zero()
		if err := f(&changed); err != nil {
			return err
		}
		held = p.hold()
		return nil
	})
	return held, err
}

// changeOne changes an entry in memory.
func (t *Tree) changeOne(ctx context.Context, id keyID, image bool, f func(*entry) error) error {
	return t.atEntry(ctx, id, image, func(p *page, e *entry) error {
		changed := *e
		defer changed.dek.Zero()
		if err := f(&changed); err != nil || changed == *e {
			return err
		}
		if err := t.alsoNext(ctx, p, id, func(q *page) {
			q.upsert(&changed)
			q.changed(id)
			q.force = q.force || image
		}); err != nil {
			return err
		}
		*e = changed
		p.changed(id)
		p.force = p.force || image
		t.keys.with(id, func(k *key) {
			k.state = changed.state
			k.facts = changed.facts()
		})
		return nil
	})
}

// atEntry calls f with an entry that may be changed, and its page, which is locked and
// with image has all its entries.
func (t *Tree) atEntry(ctx context.Context, id keyID, image bool, f func(*page, *entry) error) error {
	t.gate.RLock()
	defer t.gate.RUnlock()
	t.mu.RLock()
	defer t.mu.RUnlock()
	sys := t.sys.Load()
	if sys == nil {
		return ErrClosed
	}
	p, err := t.lockKey(ctx, t.keys.routeOf(sys, id), id, true)
	if err != nil {
		return err
	}
	defer p.mu.Unlock()
	if image {
		if err := t.fill(ctx, p); err != nil {
			return err
		}
	}
	e := p.find(id)
	switch {
	case e == nil:
		return ErrNoKey
	case t.doomed[id]:
		return ErrErasing // the next page must not get it back
	}
	return f(p, e)
}

// SetExpiry sets the day, counted from 1970-01-01, on which a key's data is due
// to be erased; 0 is none. It is durable when it returns.
func (t *Tree) SetExpiry(ctx context.Context, r Ref, day uint16) error {
	return t.change(ctx, []keyID{r.id}, false, func(e *entry) error {
		if e.state == Erasing {
			return ErrErasing
		}
		e.expiry = day
		return nil
	})
}

// A Change says what to change in a key; nil leaves a thing as it is.
type Change struct {
	Ref        Ref
	Expiry     *uint16
	Review     *uint16
	Held       *bool
	Restricted *bool
}

// Update changes several keys in one write. Holds and restrictions are written
// as images.
func (t *Tree) Update(ctx context.Context, cs ...Change) error {
	byID := make(map[keyID][]Change, len(cs))
	ids := make([]keyID, 0, len(cs))
	image := false
	for _, c := range cs {
		if byID[c.Ref.id] == nil {
			ids = append(ids, c.Ref.id)
		}
		byID[c.Ref.id] = append(byID[c.Ref.id], c)
		image = image || c.Held != nil || c.Restricted != nil
	}
	return t.change(ctx, ids, image, func(e *entry) error {
		if e.state == Erasing {
			return ErrErasing
		}
		for _, c := range byID[e.id()] {
			if c.Expiry != nil {
				e.expiry = *c.Expiry
			}
			if c.Review != nil {
				e.review = *c.Review
			}
			e.flags = setFlag(e.flags, flagHeld, c.Held)
			e.flags = setFlag(e.flags, flagRestricted, c.Restricted)
		}
		return nil
	})
}

func setFlag(flags, bit uint8, on *bool) uint8 {
	switch {
	case on == nil:
		return flags
	case *on:
		return flags | bit
	default:
		return flags &^ bit
	}
}
