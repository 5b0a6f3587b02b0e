package keystore

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// What the page target gets beside the pages that an epoch re-keys.
//
// A backup has a page as it was on that day. If the page is split afterwards, and an
// epoch re-keys one of its parts, then the page of the backup is dead, and the other
// parts, which the epoch did not touch, would be in no file of the target: people who
// are in the backup would be lost with a page that was written since. So the first
// epoch after a split ships all parts of it. Rows in the store remember them until
// then.

// A part is where a page lies that came out of a split and was not shipped since.
type part struct {
	gen uint32
	at  addr
}

// row remembers a part. It tells no more than the rows of the page itself. Like the
// mark of an epoch it is at level 0, where no page but the top page is.
func (p part) row() KV {
	k := rowKey{gen: housekeeping, at: addr{0, p.at.start}, version: uint32(p.at.level), n: p.gen}
	return KV{k.bytes(), []byte{1}}
}

// forget is the range that removes the row.
func (p part) forget() [2][]byte { return single(p.row().Key) }

// single is the range of one row.
func single(key []byte) [2][]byte { return [2][]byte{key, append(slices.Clone(key), 0)} }

// note remembers pages that came out of a split. Order is held.
func (k *taking) note(pages []*page) {
	t := k.t
	if t.opts.PageTarget == nil {
		return
	}
	for _, p := range pages {
		if at := (part{p.gen, p.at}); !t.parts[at] {
			t.parts[at] = true
			t.noted = append(t.noted, at.row())
			k.kvs = append(k.kvs, at.row())
		}
	}
}

// loadParts reads what was not shipped when the tree was open last.
func (t *Tree) loadParts(ctx context.Context) error {
	r := rowsOfGeneration(housekeeping)
	var shipped [][2][]byte
	err := t.rows.Scan(ctx, r[0], r[1], func(k, _ []byte) error {
		rk, err := parseRowKey(k)
		if err != nil || rk.n == 0 || rk.epoch != 0 {
			return err
		}
		at := part{rk.n, addr{uint8(rk.version), rk.at.start}}
		if at.gen == t.cur.gen && t.opts.PageTarget != nil {
			t.parts[at] = true
		} else {
			shipped = append(shipped, at.forget())
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for pages to ship: %w", err)
	}
	t.garbage.add(shipped...)
	return nil
}

// shipParts writes an image of every part that this epoch does not re-key, and adds
// it to what is shipped.
func (e *Epoch) shipParts(ctx context.Context) error {
	t := e.t
	t.opts.Order.Lock()
	for at := range t.parts {
		e.parts = append(e.parts, at)
	}
	clear(t.parts) // a further split remembers its parts anew
	t.opts.Order.Unlock()
	slices.SortFunc(e.parts, func(a, b part) int { return comparePaths(a.at, b.at) })
	if e.sweep {
		return nil // every page is shipped
	}
	var wait func(context.Context) error
	for rest := e.parts; len(rest) > 0; {
		some := rest[:min(len(rest), 64)]
		rest = rest[len(some):]
		if err := e.openParts(ctx, some); err != nil {
			return err
		}
		w, err := e.sealParts(ctx, some)
		if err != nil {
			return err
		}
		if w != nil {
			wait = w
		}
	}
	if wait == nil {
		return nil
	}
	return wait(ctx)
}

// openParts reads pages into the cache, so that sealParts finds them there.
func (e *Epoch) openParts(ctx context.Context, some []part) error {
	for _, at := range some {
		e.t.mu.RLock()
		p, err := e.t.lockPart(ctx, at)
		e.t.mu.RUnlock()
		if err != nil {
			return err
		}
		if p != nil {
			p.mu.Unlock()
		}
	}
	return nil
}

func (e *Epoch) sealParts(ctx context.Context, some []part) (wait func(context.Context) error, err error) {
	t := e.t
	t.opts.Order.Lock()
	defer t.opts.Order.Unlock()
	t.undo = t.undo[:0]
	k := taking{t: t}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, at := range some {
		p, err := t.lockPart(ctx, at)
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue
		}
		shipped := !p.superseded
		if shipped {
			p.force = true
		}
		p.mu.Unlock()
		if shipped {
			k.seal(p)
		}
	}
	shipped := len(k.kvs)
	next := t.nextSys.Load()
	for _, id := range k.also { // what was not taken yet goes into both views
		if q := t.resident(t.next, next.routeOf(&id.tag)); q != nil {
			k.seal(q)
		}
	}
	if len(k.kvs) == 0 {
		return nil, nil
	}
	if wait, err = t.rows.Enqueue(k.kvs, nil); err != nil {
		t.untakeLocked()
		return nil, fmt.Errorf("queueing key pages: %w", err)
	}
	e.images = append(e.images, k.kvs[:shipped]...)
	return wait, nil
}

// lockPart returns a part's page, locked; nil where there is no such page any more, or
// it is lost. The caller holds t.mu.
func (t *Tree) lockPart(ctx context.Context, at part) (*page, error) {
	if at.gen != t.cur.gen {
		return nil, nil
	}
again:
	above := t.cur.top
	for level := uint8(1); level <= at.at.level; level++ {
		p := t.table.below(above, level, at.at.start)
		if p == nil {
			var err error
			p, err = t.load(ctx, t.cur, above, level, at.at.start)
			switch {
			case errors.Is(err, ErrPageMissing):
				return nil, nil
			case err != nil:
				return nil, err
			case p == nil:
				goto again
			}
		}
		if p.at == at.at {
			p.mu.Lock()
			if p.dead {
				p.mu.Unlock()
				goto again
			}
			if err := t.fill(ctx, p); err != nil {
				p.mu.Unlock()
				if errors.Is(err, ErrPageMissing) {
					return nil, nil
				}
				return nil, err
			}
			return p, nil
		}
		if p.kind != kindInterior {
			return nil, nil
		}
		above = p
	}
	return nil, nil
}

// partsShipped forgets, or with false remembers, the parts that an epoch has shipped,
// and returns the rows to remove. Order is held.
func (e *Epoch) partsShipped(done bool) [][2][]byte {
	t := e.t
	var del [][2][]byte
	for _, at := range e.parts {
		switch {
		case !done:
			t.parts[at] = true
		case !t.parts[at]: // not split again since
			del = append(del, at.forget())
		}
	}
	e.parts = nil
	return del
}
