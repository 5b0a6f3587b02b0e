package keystore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// A shell is what memory keeps of a leaf page whose entries were driven out of the
// cache. It is a tenth as large. With it a key is added to the page without reading
// it, which for people nobody knew before is all that ever happens; the entries are
// read again when somebody asks for one of them, or when the page has to be written
// as a whole.
type shell struct {
	prints []uint16 // of the tag of every entry that only the rows have
	n      uint32   // the delta behind which they are all in the rows, 0 for the image
	last   [32]byte // SHA-256 of its row
}

const (
	shellsMost   = 5 // shells that are kept for each page that is kept whole
	shellEntries = 8 // which are added to a shell before it is emptied again
)

// printOf is enough of a tag to know most others from it. Tags are output of an HMAC.
func printOf(tag *[16]byte) uint16 { return binary.BigEndian.Uint16(tag[:]) }

// empty makes a page a shell, or one again. Its rows are in the store, and it has no
// changes that were not taken. Its lock is held.
func (p *page) empty() {
	s := &shell{n: p.n, last: p.last}
	if p.shell != nil {
		s.prints = append(make([]uint16, 0, len(p.shell.prints)+len(p.entries)), p.shell.prints...)
	} else {
		s.prints = make([]uint16, 0, len(p.entries))
	}
	for i := range p.entries {
		s.prints = append(s.prints, printOf(&p.entries[i].tag))
	}
	clear(p.entries)
	p.entries, p.shell = nil, s
}

// knows reports whether memory has every entry with a tag: it may say no where there
// is none.
func (p *page) knows(tag *[16]byte) bool {
	if p.shell == nil {
		return true
	}
	x := printOf(tag)
	for _, y := range p.shell.prints {
		if x == y {
			return false
		}
	}
	return true
}

// takes reports whether a key can be added as a delta: the page need not be divided
// or written as a whole for it.
func (t *Tree) takes(p *page) bool {
	return p.shell == nil ||
		len(p.shell.prints)+len(p.entries) < t.opts.capacity && int(p.n)+len(p.pend) < maxDeltas
}

// fill reads the entries of a shell. The caller holds t.mu and the page's lock.
func (t *Tree) fill(ctx context.Context, p *page) error {
	if p.shell == nil {
		return nil
	}
	all, err := t.emptied(ctx, p)
	if err != nil {
		return err
	}
	clear(p.entries)
	p.entries, p.shell = all, nil
	p.used.Store(true)
	t.table.regroup(p)
	return nil
}

// emptied returns all entries of a shell.
func (t *Tree) emptied(ctx context.Context, p *page) ([]entry, error) {
	q := &page{kind: kindLeaf, at: p.at, gen: p.gen, epoch: p.epoch, mac: p.mac, version: -1}
	defer q.mac.zero()
	at := rowKey{gen: p.gen, at: p.at, epoch: p.epoch, version: uint32(p.version)}
	end := at
	end.n = p.shell.n + 1
	err := t.rows.Scan(ctx, at.bytes(), end.bytes(), func(k, val []byte) error {
		rk, err := parseRowKey(k)
		if err != nil {
			return err
		}
		if q.version >= 0 {
			return q.follow(t.id, rk.n, val)
		}
		h, err := t.imageUnder(rk, val)
		if err == nil && (h.kind != kindLeaf || h.bits != p.bits) {
			err = fmt.Errorf("a key page is not what it was: %w", errCorrupt)
		}
		if err != nil {
			return err
		}
		return q.open(h, val)
	})
	if err == nil && (q.version < 0 || q.n != p.shell.n || q.last != p.shell.last) {
		err = fmt.Errorf("a key page ends at delta %d, not %d: %w", q.n, p.shell.n, errCorrupt)
	}
	if err != nil {
		clear(q.entries)
		if errors.Is(err, errCorrupt) || errors.Is(err, errWrongKey) {
			return nil, &PageMissingError{Path: p.path(), Cause: err}
		}
		return nil, fmt.Errorf("reading a key page: %w", err)
	}
	for i := range p.entries {
		q.upsert(&p.entries[i])
	}
	return q.entries, nil
}

// visitShell is visit for a shell, which stays one unless it is changed. The caller
// holds t.mu and the page's lock.
func (t *Tree) visitShell(ctx context.Context, p *page, f visit) error {
	all, err := t.emptied(ctx, p)
	if err != nil {
		if missing, ok := errors.AsType[*PageMissingError](err); ok {
			return f(nil, missing)
		}
		return err
	}
	s, own := p.shell, p.entries
	p.entries, p.shell = all, nil
	err = f(p, nil)
	if p.dirty() {
		clear(own)
		t.table.regroup(p)
		return err
	}
	clear(p.entries)
	p.entries, p.shell = own, s
	return err
}
