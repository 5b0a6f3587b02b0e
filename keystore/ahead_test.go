package keystore_test

import (
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
)

// TestAhead: behind Ahead an epoch reads no page, neither one of the erased nor one of
// those that it re-keys beside them. Without it, which is the control, it does.
func TestAhead(t *testing.T) {
	p, rows := newShells(t)
	const people = 2500
	refs := make([]keystore.Ref, people)
	for i := range refs {
		refs[i] = p.add(fmt.Sprint("subject ", i), "contract", 0)
	}
	p.rows.Commit()
	for i, ahead := range []bool{true, false, true} {
		doomed := refs[3*i : 3*i+3]
		p.tree.DropCaches()
		rows.n = 0
		if ahead {
			p.tree.Ahead(doomed)(ctx)
			if rows.n < len(doomed) {
				t.Errorf("%d reads of a page ahead", rows.n)
			}
			if p.tree.Ahead(doomed) != nil { // of somebody else who asks for the same epoch
				t.Error("what was read ahead is read again")
			}
			rows.n = 0
		}
		p.ok(p.tree.Fence(ctx, doomed))
		e, err := p.tree.Begin(ctx, doomed)
		p.ok(err)
		if ahead != (rows.n == 0) {
			t.Errorf("epoch %d, ahead is %v: %d reads of a page", i, ahead, rows.n)
		}
		p.ok(e.Settle(ctx))
		p.ok(e.Root(ctx))
		_, err = e.Destroy(ctx)
		p.ok(err)
	}
	r, err := p.tree.Fsck(ctx, nil)
	p.ok(err)
	if r.Keys != people-9 || len(r.Missing)+len(r.Problems) > 0 {
		t.Fatalf("%d keys instead of %d; %v %v", r.Keys, people-9, r.Missing, r.Problems)
	}
}

// TestHold: while the pages of many keys are held, more than the cache has room for,
// nothing that leads to their erasure reads one again.
func TestHold(t *testing.T) {
	p, rows := newShells(t)
	const people = 2500
	refs := everyFourth(p, people)
	p.rows.Commit()
	twice := func() {
		for range 2 {
			for _, ref := range refs {
				l, err := p.tree.LeaseOf(ctx, ref)
				p.ok(err)
				l.Done()
			}
		}
	}
	p.tree.DropCaches()
	rows.n = 0
	twice()
	if rows.n < len(refs)/2 {
		t.Errorf("%d reads of a page for %d keys; then this test cannot tell", rows.n, len(refs))
	}
	p.tree.DropCaches()
	release := p.tree.Hold(ctx, refs)
	if read := p.tree.Ahead(nil); read != nil { // the pages at random
		read(ctx)
	}
	rows.n = 0
	twice()
	p.ok(p.tree.Fence(ctx, refs))
	e, err := p.tree.Begin(ctx, refs)
	p.ok(err)
	if rows.n > 0 {
		t.Errorf("%d reads of a page although they are held", rows.n)
	}
	p.ok(e.Settle(ctx))
	p.ok(e.Root(ctx))
	_, err = e.Destroy(ctx)
	p.ok(err)
	release()
	if held := p.tree.Held(); held > 0 {
		t.Errorf("%d pages are held and nobody comes back to them", held)
	}
	for _, ref := range refs {
		_, err := p.tree.LeaseOf(ctx, ref)
		p.is(err, keystore.ErrNoKey)
	}
}
