package keystore

import (
	"context"
	"fmt"
	"slices"
)

// PrepareHolders is [Tree.Prepare] for an epoch after which the shares of the new
// root lie with hs, and nowhere else: holders may join and others leave. All shares
// are fresh, so a share that somebody copied before is worth nothing afterwards.
//
// Those that leave take part to the end: they get a share of which nothing is
// derived, and destroy the one they had. When the epoch has ended the tree owns the
// holders that joined, and has closed those that left.
//
// If we stop before Destroy, the old holders open the tree; if after it has begun,
// the new ones. So whoever calls this writes down beforehand that it is about to, and
// gives both to Open ([Options.Next]) until [Tree.Holders] has told which it is.
func (t *Tree) PrepareHolders(ctx context.Context, hs []Holder) (*Epoch, error) {
	if len(hs) == 0 {
		return nil, fmt.Errorf("changing the root holders to none: %w", ErrHolderMissing)
	}
	if err := distinct(hs); err != nil {
		return nil, err
	}
	return t.prepare(ctx, &Epoch{keep: hs})
}

// Holders lists who keeps the shares of the root now.
func (t *Tree) Holders() []Holder {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Clone(t.holders)
}

// gather finds out who takes part in the epoch. A holder that joins may have been
// offered a share before, by a change that came to nothing, or have belonged to this
// tree once: the epoch gets a number above everything that it keeps, because a holder
// takes no other.
func (e *Epoch) gather(ctx context.Context) error {
	if e.keep == nil {
		e.keep = e.old
	}
	joining := without(e.keep, e.old)
	e.holders = append(slices.Clone(e.old), joining...)
	for _, h := range joining {
		if err := e.makeRoom(ctx, h); err != nil {
			return fmt.Errorf("looking what holder %s keeps that is to join: %w", h.Caps().ID, err)
		}
	}
	return nil
}

func (e *Epoch) makeRoom(ctx context.Context, h Holder) error {
	shares, err := h.Current(ctx)
	if err != nil || len(shares) == 0 {
		return err
	}
	newest := slices.MaxFunc(shares, func(a, b Share) int { return compareUint(a.Epoch, b.Epoch) })
	if newest.Tree != e.t.id {
		return ErrWrongTree
	}
	e.v.epoch = max(e.v.epoch, newest.Epoch+1)
	if len(shares) > 1 {
		_, err = h.Destroy(ctx, newest.Tree, newest.Epoch, newest.Attempt)
	}
	return err
}

// root draws a share for everybody, and derives the new root from those of the
// holders that stay.
func (e *Epoch) root() Secret {
	e.shares = draw(e.holders)
	if e.t.opts.bugs.rootKept {
		e.shares = e.t.bugShares()
	}
	return deriveRoot(e.t.id, e.v.epoch, e.v.attempt, sharesOf(e.keep, e.shares))
}

// sharesOf picks the shares of some holders.
func sharesOf(hs []Holder, all map[HolderID]Secret) map[HolderID]Secret {
	some := make(map[HolderID]Secret, len(hs))
	for _, h := range hs {
		id := h.Caps().ID
		some[id] = all[id]
	}
	return some
}

// part closes the holders that left.
func (e *Epoch) part() {
	for _, h := range without(e.old, e.keep) {
		_ = h.Close() // it has stated what it destroyed
	}
}

// without lists those of hs that are not among others.
func without(hs, others []Holder) (rest []Holder) {
	for _, h := range hs {
		id := h.Caps().ID
		if !slices.ContainsFunc(others, func(o Holder) bool { return o.Caps().ID == id }) {
			rest = append(rest, h)
		}
	}
	return rest
}
