package keystore_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
)

// TestManyReadsOnce erases many people, on more pages than the cache has room for. Each
// of the pages is read once to be fenced, although every key is looked at before the first
// is changed; and, where they were driven out since, once for the epoch, which does not
// read them again while nobody else can use the tree.
func TestManyReadsOnce(t *testing.T) {
	p, rows := newShells(t)
	const people = 2500
	refs := everyFourth(p, people)
	pages := make(map[keystore.Path]bool)
	for _, ref := range refs {
		pages[p.tree.PathOf(ref)] = true
	}
	const room = 16 // pages of newShells
	if len(pages) < 2*room {
		t.Fatalf("%d pages, which is not more than the cache has room for", len(pages))
	}
	rows.n = 0
	p.ok(p.tree.Fence(ctx, refs))
	if rows.n > len(pages) {
		t.Errorf("fencing keys on %d pages: %d reads of a page", len(pages), rows.n)
	}
	p.rows.Commit()
	p.tree.DropCaches()
	rows.n = 0
	e, err := p.tree.Begin(ctx, refs)
	p.ok(err)
	if n := rows.n; n > len(pages)+keystore.DefaultDecoys || n < len(pages)/2 {
		t.Errorf("preparing an epoch of %d pages: %d reads of a page", len(pages), n)
	}
	if held := p.tree.Held(); held > 0 {
		t.Errorf("%d pages are held and nobody comes back to them", held)
	}
	p.ok(e.Settle(ctx))
	p.ok(e.Root(ctx))
	_, err = e.Destroy(ctx)
	p.ok(err)
	for i := range people {
		l, err := p.tree.Find(ctx, keystore.Subject(fmt.Sprint("subject ", i)), "contract", 0)
		if i%4 == 0 {
			p.is(err, keystore.ErrNoKey)
			continue
		}
		p.ok(err)
		l.Done()
	}
	r, err := p.tree.Fsck(ctx, nil)
	p.ok(err)
	if r.Keys != people-len(refs) || len(r.Missing)+len(r.Problems) > 0 {
		t.Fatalf("%d keys instead of %d; %v %v", r.Keys, people-len(refs), r.Missing, r.Problems)
	}
}

// TestManyOrNone: where one of many keys cannot be changed, none is, and no page is held.
func TestManyOrNone(t *testing.T) {
	p, _ := newShells(t)
	var refs []keystore.Ref
	for i := range 300 {
		refs = append(refs, p.add(fmt.Sprint("subject ", i), "contract", 0))
	}
	held := true
	p.ok(p.tree.Update(ctx, keystore.Change{Ref: refs[123], Held: &held}))
	if err := p.tree.Fence(ctx, refs); err == nil {
		t.Fatal("a key that is held was fenced")
	}
	for _, ref := range refs {
		l, err := p.tree.LeaseOf(ctx, ref)
		p.ok(err)
		l.Done()
		l, err = l.Key().Lease(ctx)
		p.ok(err)
		l.Done()
	}
	if held := p.tree.Held(); held > 0 {
		t.Errorf("%d pages are held and nobody comes back to them", held)
	}
}

// TestSpread: every number has its turn once, and of several errors the one of the first
// numbers is returned.
func TestSpread(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 100, 1000} {
		seen := make([]atomic.Int32, n)
		if err := keystore.Spread(n, func(i int) error { seen[i].Add(1); return nil }); err != nil {
			t.Fatal(err)
		}
		for i := range seen {
			if k := seen[i].Load(); k != 1 {
				t.Fatalf("of %d numbers, %d had %d turns", n, i, k)
			}
		}
		if n == 0 {
			continue
		}
		first := errors.New("first")
		err := keystore.Spread(n, func(i int) error {
			if i == 0 {
				return first
			}
			return errors.New("later")
		})
		if err != first {
			t.Fatalf("of %d numbers: %v", n, err)
		}
	}
}
