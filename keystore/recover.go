package keystore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Recovery says what Open found and did.
type Recovery struct {
	Epoch      uint64
	Attempt    Attempt
	Statements []Statement // of every holder, about what is not the kept share
	// Unfinished says that an epoch had begun and its end was not seen. Where
	// Epoch is the one that an erasure waits for, it is done; otherwise it has to
	// be prepared again.
	Unfinished bool
	Removed    int // ranges of rows that no root opens any more
}

// Recovery says what Open found and did.
func (t *Tree) Recovery() Recovery { return t.recovery }

// Open opens a tree, and finishes or undoes an epoch that was interrupted: it
// takes the highest epoch whose share every holder has, from one attempt, and
// whose top page that root opens; has everything else destroyed at the holders;
// and removes the rows of later epochs. It may be interrupted and repeated.
//
// Where a change of holders was interrupted ([Options.Next]), it goes forward if the
// new ones all have a root that opens, and back if the old ones have. A holder that
// is only in one of the two may be away.
func Open(ctx context.Context, rows Rows, hs []Holder, o Options) (*Tree, error) {
	if err := Usable(); err != nil {
		return nil, err
	}
	o.defaults()
	if len(hs) == 0 {
		return nil, Hinted("name the file that keeps the root", "opening a key tree without a root holder: %w", ErrHolderMissing)
	}
	for _, set := range [][]Holder{hs, o.Next} {
		if err := distinct(set); err != nil {
			return nil, err
		}
	}
	t := newTree(rows, hs, o)
	gens, err := generations(ctx, rows)
	if err != nil {
		return nil, err
	}
	c, err := t.shares(ctx, gens)
	if err != nil {
		return nil, fmt.Errorf("opening the key tree: %w", err)
	}
	defer c.wipe()
	v, err := t.choose(c)
	if err != nil {
		return nil, fmt.Errorf("opening the key tree: %w", err)
	}
	begun, err := t.begun(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the key tree: %w", err)
	}
	// Where no epoch was begun, there is no later one than that of the root. If there
	// is, the root is an older copy: to go on with it would remove what is newer.
	if i := slices.IndexFunc(c.tops, func(top topRow) bool { return top.h.epoch > v.epoch }); i >= 0 && !begun {
		return nil, Hinted("give the newest copy of every root holder", "opening the key tree: the holders' root is of epoch %d, and there are pages of epoch %d: %w",
			v.epoch, c.tops[i].h.epoch, ErrNoCompleteEpoch)
	}
	v.sys, err = t.load(ctx, v, v.top, 1, systemStart)
	if err == nil && v.sys.sys == nil {
		// Where its rows are missing, the page before it is found, and reaches as far.
		err = &PageMissingError{Path: Path{1, systemStart, slotBits}}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the key tree: %w", err)
	}
	v.top.pinned.Store(true)
	v.sys.pinned.Store(true)
	t.install(v)
	if err := t.opts.step("chosen"); err != nil {
		return nil, err
	}
	t.recovery = Recovery{Epoch: v.epoch, Attempt: v.attempt}
	for i, h := range c.given {
		if _, ok := c.held[try{v.epoch, v.attempt}][h.Caps().ID]; !ok {
			continue // it is not one of those that the change went to, or came from
		}
		s, err := h.Destroy(ctx, t.id, v.epoch, v.attempt)
		if err != nil {
			return nil, fmt.Errorf("destroying what a root holder keeps beside the live root: %w", err)
		}
		t.recovery.Statements = append(t.recovery.Statements, s)
		if err := t.opts.step(fmt.Sprintf("wiped %d", i)); err != nil {
			return nil, err
		}
	}
	if begun {
		if err := t.clean(ctx, v, gens); err != nil {
			return nil, fmt.Errorf("removing key pages that no root opens: %w", err)
		}
	}
	if err := t.loadParts(ctx); err != nil {
		return nil, err
	}
	for _, h := range without(c.given, t.holders) {
		_ = h.Close() // the tree does not need it
	}
	return t, nil
}

// generations lists the generations that have rows.
func generations(ctx context.Context, rows Rows) (gens []uint32, err error) {
	from := []byte{rowSpace}
	for from != nil {
		var k rowKey
		found := false
		err := rows.Scan(ctx, from, []byte{rowSpace + 1}, func(key, _ []byte) (err error) {
			if k, err = parseRowKey(key); err != nil {
				return err
			}
			found = true
			return errStop
		})
		if err != nil && err != errStop {
			return nil, fmt.Errorf("looking for key pages: %w", err)
		}
		if !found || k.gen == housekeeping {
			return gens, nil
		}
		gens = append(gens, k.gen)
		from = rowsOfGeneration(k.gen)[1]
	}
	return gens, nil
}

// A try is one attempt at one epoch.
type try struct {
	epoch   uint64
	attempt Attempt
}

// A choice is what there is to choose the root from.
type choice struct {
	tops  []topRow
	sets  [][]Holder // of whom each set may keep the root
	given []Holder   // all of them
	held  map[try]map[HolderID]Secret
	away  error // of a holder that only one set needs
}

// shares reads top pages and shares.
func (t *Tree) shares(ctx context.Context, gens []uint32) (*choice, error) {
	c := &choice{sets: [][]Holder{t.holders}, given: t.holders, held: make(map[try]map[HolderID]Secret)}
	if next := t.opts.Next; next != nil {
		c.sets = [][]Holder{next, t.holders}
		c.given = append(slices.Clone(t.holders), without(next, t.holders)...)
	}
	var err error
	if c.tops, err = t.tops(ctx, gens); err != nil {
		return nil, err
	}
	if len(c.tops) == 0 {
		return nil, Hinted("restore a backup, or create the ledger anew", "there are no key pages: %w", ErrNoCompleteEpoch)
	}
	t.id = c.tops[0].h.tree
	for _, h := range c.given {
		shares, err := h.Current(ctx)
		if err != nil {
			err = fmt.Errorf("reading a root holder: %w", err)
			if c.inAll(h) {
				return nil, err
			}
			c.away = err
			continue
		}
		for i := range shares {
			s := &shares[i] // not a copy on the stack, where nobody wipes it
			if s.Tree != t.id {
				return nil, Hinted("give the root that was made with this ledger", "a root holder keeps tree %s, the key pages are of tree %s: %w", s.Tree, t.id, ErrWrongTree)
			}
			a := try{s.Epoch, s.Attempt}
			if c.held[a] == nil {
				c.held[a] = make(map[HolderID]Secret)
			}
			c.held[a][h.Caps().ID] = s.Secret
		}
		clear(shares)
	}
	return c, nil
}

// wipe forgets the shares.
func (c *choice) wipe() {
	for _, shares := range c.held {
		for id := range shares {
			shares[id] = Secret{}
		}
	}
}

// inAll reports whether there is no way around a holder.
func (c *choice) inAll(h Holder) bool {
	return !slices.ContainsFunc(c.sets, func(set []Holder) bool { return len(without([]Holder{h}, set)) > 0 })
}

// whole reports whether all holders of a set have an attempt.
func (c *choice) whole(a try, set []Holder) bool {
	return !slices.ContainsFunc(set, func(h Holder) bool {
		_, ok := c.held[a][h.Caps().ID]
		return !ok
	})
}

// choose finds the root.
func (t *Tree) choose(c *choice) (*view, error) {
	var all []try
	for a := range c.held {
		if slices.ContainsFunc(c.sets, func(set []Holder) bool { return c.whole(a, set) }) {
			all = append(all, a)
		}
	}
	// What every holder has goes first, so that one that leaves has destroyed its old
	// share, too, when a change goes forward; then the newest.
	slices.SortFunc(all, func(a, b try) int {
		switch wa, wb := c.whole(a, c.given), c.whole(b, c.given); {
		case wa != wb && wa:
			return -1
		case wa != wb:
			return 1
		case a.epoch != b.epoch:
			return -compareUint(a.epoch, b.epoch)
		}
		return bytes.Compare(a.attempt[:], b.attempt[:])
	})
	final := uint64(0) // there is no way back behind this epoch
	for _, a := range all {
		if a.epoch < final {
			// All holders have a later root. Pages are durable before a holder gets
			// their root, so it is the pages that were lost, or these are the rows of
			// an older copy. To go back to an older root would destroy the newer one,
			// and with it everybody.
			continue
		}
		if c.whole(a, c.given) {
			final = a.epoch
		}
		for _, set := range c.sets {
			if !c.whole(a, set) {
				continue
			}
			if v := t.opened(c, a, set); v != nil {
				t.holders = set
				return v, nil
			}
		}
	}
	switch {
	case c.away != nil:
		return nil, c.away
	case len(c.held) == 0:
		return nil, Hinted("the root was lost or wiped: restore the file that keeps it from its second place", "the root holders keep no root: %w", ErrNoCompleteEpoch)
	case len(all) == 0:
		return nil, Hinted("give every root holder that the ledger was made with", "the root holders have no epoch in common: %w", ErrNoCompleteEpoch)
	}
	return nil, Hinted("if the ledger has more root holders, give all of them; if it was restored, import the key pages of the page target",
		"the holders' root of epoch %d opens none of the top pages: %w", all[0].epoch, ErrNoCompleteEpoch)
}

// opened returns the view of an attempt if the root of a set opens its top page.
func (t *Tree) opened(c *choice, a try, set []Holder) (v *view) {
	guarded(func() { v = t.openTop(c, a, set) })
	return v
}

func (t *Tree) openTop(c *choice, a try, set []Holder) *view {
	root := deriveRoot(t.id, a.epoch, a.attempt, sharesOf(set, c.held[a]))
	for _, top := range c.tops {
		if top.h.epoch != a.epoch || top.h.tree != t.id {
			continue
		}
		p := newTop(top.gen, a.epoch, root)
		if err := p.open(top.h, top.raw); err != nil {
			p.zero()
			continue
		}
		t.table.put(p)
		return &view{gen: top.gen, epoch: a.epoch, attempt: a.attempt, top: p}
	}
	return nil
}

func compareUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

type topRow struct {
	gen uint32
	h   header
	raw []byte
}

// tops lists the top pages, newest first.
func (t *Tree) tops(ctx context.Context, gens []uint32) ([]topRow, error) {
	var tops []topRow
	for _, g := range slices.Backward(gens) {
		r := rowsOf(g, topAddr, math.MaxUint64)
		err := t.rows.Scan(ctx, r[0], r[1], func(k, v []byte) error {
			h, _, err := parseHeader(v)
			if err != nil || h.kind != kindTop {
				return nil // another one may open
			}
			tops = append(tops, topRow{g, h, bytes.Clone(v)})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading top pages: %w", err)
		}
	}
	return tops, nil
}

// begun reports whether there is the mark of an epoch whose end was not seen.
func (t *Tree) begun(ctx context.Context) (bool, error) {
	v, err := t.rows.Get(ctx, mark(0).Key)
	if errors.Is(err, ErrNoRow) {
		return false, nil
	}
	return !bytes.Equal(v, mark(0).Value), err
}

// clean removes what an interrupted epoch left in the rows.
func (t *Tree) clean(ctx context.Context, v *view, gens []uint32) error {
	t.recovery.Unfinished = true
	del, err := t.unrooted(ctx, v, gens)
	if err != nil {
		return err
	}
	old, err := t.replaced(ctx)
	if err != nil {
		return err
	}
	del = append(del, old...)
	t.recovery.Removed = len(del)
	if err := t.opts.step("cleaning"); err != nil {
		return err
	}
	return t.put(ctx, []KV{mark(0)}, del)
}

// unrooted lists the rows of other generations and of later epochs: no root
// opens them, and the next attempt at that epoch must not meet them.
func (t *Tree) unrooted(ctx context.Context, v *view, gens []uint32) ([][2][]byte, error) {
	var del [][2][]byte
	for _, g := range gens {
		if g != v.gen {
			del = append(del, rowsOfGeneration(g))
		}
	}
	all := rowsOfGeneration(v.gen)
	var seen rowKey
	err := t.rows.Scan(ctx, all[0], all[1], func(k, _ []byte) error {
		rk, err := parseRowKey(k)
		if err != nil {
			return err
		}
		if line := (rowKey{at: rk.at, epoch: rk.epoch}); rk.epoch > v.epoch && line != seen {
			seen = line
			del = append(del, rowsOfEpoch(v.gen, rk.at, rk.epoch))
		}
		return nil
	})
	return del, err
}

// replaced lists the rows behind every page that the view opens: older images,
// and those of epochs before. A page that does not open keeps all it has.
func (t *Tree) replaced(ctx context.Context) ([][2][]byte, error) {
	var del [][2][]byte
	err := t.walkPages(ctx, func(p *page, _ *PageMissingError) error {
		if p == nil {
			return nil
		}
		var line rowKey
		r := rowsOf(p.gen, p.at, p.epoch)
		err := t.rows.Scan(ctx, r[0], r[1], func(k, _ []byte) error {
			rk, err := parseRowKey(k)
			if err != nil {
				return err
			}
			l := rowKey{epoch: rk.epoch, version: rk.version}
			switch {
			case l == line || rk.epoch == p.epoch && int64(rk.version) >= p.version:
				return nil
			case rk.epoch < p.epoch:
				del = append(del, rowsOf(p.gen, p.at, rk.epoch))
			default:
				del = append(del, rowsUpTo(p.gen, p.at, rk.epoch, rk.version))
			}
			return errStop // the range takes in all that follows
		})
		if err == errStop {
			return nil
		}
		return err
	}, func() error { return nil })
	return del, err
}
