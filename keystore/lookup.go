package keystore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
)

func copyRandom(b []byte) { rand.Read(b) }

func randomChildren() *[slots]Secret {
	c := new([slots]Secret)
	for i := range c {
		rand.Read(c[i][:])
	}
	return c
}

// leaf returns the leaf page that covers a route. The caller holds t.mu; the page
// may leave the cache until its lock is taken, which its dead flag then says.
func (t *Tree) leaf(ctx context.Context, v *view, route uint64) (*page, error) {
again:
	above := v.top
	for level := uint8(1); level <= maxLevel; level++ {
		p := t.table.below(above, level, route)
		if p == nil {
			var err error
			if p, err = t.load(ctx, v, above, level, route); err != nil {
				return nil, err
			}
			if p == nil {
				goto again // the page above left the cache meanwhile
			}
		}
		if p.kind == kindLeaf {
			return p, nil
		}
		above = p
	}
	return nil, fmt.Errorf("a key tree of more than %d levels: %w", maxLevel, errCorrupt)
}

// resident is leaf without reading: nil where the page is not opened. A page
// with changes that were not taken always is.
func (t *Tree) resident(v *view, route uint64) *page {
	above := v.top
	for level := uint8(1); level <= maxLevel; level++ {
		p := t.table.below(above, level, route)
		if p == nil || p.kind == kindLeaf {
			return p
		}
		above = p
	}
	return nil
}

// load reads the page below another that covers a route and puts it into the
// cache. It returns nil if the page above has left the cache.
func (t *Tree) load(ctx context.Context, v *view, above *page, level uint8, route uint64) (*page, error) {
	// One page is read once, however many ask for it: two copies of a page in the
	// cache would lose what is written to one of them. How much the page covers is
	// not known before it is read, so the lock is that of the page above.
	l := &t.loads[(above.at.start*0x9e3779b97f4a7c15>>48^uint64(level))%uint64(len(t.loads))]
	l.Lock()
	defer l.Unlock()
	if p := t.table.below(above, level, route); p != nil {
		return p, nil
	}
	p, err := t.read(ctx, v, above, level, route)
	if err != nil {
		return nil, err
	}
	if !t.table.put(p) {
		p.zero()
		return nil, nil
	}
	return p, nil
}

// errStop ends a scan.
var errStop = errors.New("stop")

// read reads and opens the page below another that covers a route: one seek. The
// rows come newest page first, and these are passed over:
//
//   - rows of a later epoch, which is prepared and has no root yet;
//   - a newest image that the page above has no key for: it belongs to an attempt
//     at an epoch that came to nothing, and what is alive lies behind it. Within
//     one epoch we never go back to an older image, which the same key would open;
//   - images that do not reach the route: there was a split.
func (t *Tree) read(ctx context.Context, v *view, above *page, level uint8, route uint64) (*page, error) {
	from := rowKey{gen: v.gen, at: addr{level, route}, epoch: v.epoch, version: math.MaxUint32}.bytes()
	bottom := addr{level, prefix(route, slotBits*uint(level-1))}
	to := rowsOf(v.gen, bottom, 0)[1]
	var (
		p     *page
		seen  rowKey // the lineage looked at last
		cause error
	)
	missing := Path{level, prefix(route, slotBits*uint(level)), slotBits * level}
	err := t.rows.Scan(ctx, from, to, func(k, val []byte) error {
		rk, err := parseRowKey(k)
		if err != nil {
			return err
		}
		if p != nil {
			if rk.at != p.at || rk.epoch != p.epoch || int64(rk.version) != p.version {
				return errStop
			}
			return p.follow(t.id, rk.n, val)
		}
		line := rowKey{at: rk.at, epoch: rk.epoch}
		if rk.epoch > v.epoch || line == seen {
			return nil
		}
		seen = line
		h, err := t.imageUnder(rk, val)
		if err != nil {
			cause, missing = err, Path{level, rk.at.start, slotBits * level}
			return nil
		}
		if last(h.at.start, uint(h.bits)) < route {
			return nil
		}
		q := newPage(h.kind, h.at, h.bits, v.gen, h.epoch, above)
		if err := q.open(h, val); err != nil {
			q.zero()
			cause, missing = err, h.path()
			return nil
		}
		p = q
		return nil
	})
	switch {
	case errors.Is(err, errCorrupt), errors.Is(err, errWrongKey):
		if p != nil {
			missing = p.path()
			p.zero()
		}
		return nil, &PageMissingError{Path: missing, Cause: err}
	case err != nil && err != errStop:
		if p != nil {
			p.zero()
		}
		return nil, fmt.Errorf("reading a key page: %w", err)
	case p == nil:
		return nil, &PageMissingError{Path: missing, Cause: cause}
	}
	return p, nil
}

// imageUnder reads the header of an image, which has to be the one that its key names.
func (t *Tree) imageUnder(rk rowKey, val []byte) (header, error) {
	h, _, err := parseHeader(val)
	if err == nil && (rk.n != 0 || h.at != rk.at || h.epoch != rk.epoch || h.version != rk.version || h.tree != t.id) {
		err = fmt.Errorf("a key page's row is another's: %w", errCorrupt)
	}
	return h, err
}

// open opens an image into a new page.
func (p *page) open(h header, raw []byte) error {
	room := getScratch()
	text, err := openImageInto(room[:0], &p.mac, raw)
	defer room.release(text)
	if err != nil {
		return err
	}
	switch h.kind {
	case kindLeaf:
		p.entries, err = parseLeaf(text)
	case kindSystem:
		p.sys, err = parseSystem(text)
	default:
		p.children, err = parseChildren(text)
	}
	p.version, p.force = int64(h.version), false
	p.last = sum256(raw)
	return err
}

// follow applies the next delta.
func (p *page) follow(tree TreeID, n uint32, raw []byte) error {
	if n != p.n+1 || p.kind != kindLeaf {
		return fmt.Errorf("delta %d after %d: %w", n, p.n, errCorrupt)
	}
	var e entry
	if err := openDelta(&p.mac, &tree, p.at, p.epoch, n, &p.last, raw, &e); err != nil {
		return fmt.Errorf("delta %d: %w", n, err)
	}
	p.upsert(&e)
	e.dek.Zero()
	p.n = n
	p.last = sum256(raw)
	return nil
}
