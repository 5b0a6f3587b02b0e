package keystore_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

// TestThiefByAddress: what a thief finds who tries a key only where a tree could use it
// is all that is found by trying every key on everything. With the root of the day none
// of it was erased; with an older one it is.
func TestThiefByAddress(t *testing.T) {
	rows := keytest.NewRows()
	mem := holder.NewMem()
	tree, err := keystore.Create(ctx, rows, []keystore.Holder{mem}, keystore.Options{})
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(err)
	defer tree.Close()
	const people = 3000
	name := func(i int) keystore.Subject { return keystore.Subject(fmt.Sprint("subject ", i)) }
	rowsKeys := make(map[string]bool)
	add := func(from, to int) {
		for i := from; i < to; i++ {
			l, err := tree.Use(ctx, name(i), "chat", 0)
			ok(err)
			_, err = rows.Enqueue(l.TakePending(), nil)
			ok(err)
			rowsKeys[string(l.RowsKey().Bytes())] = true
			l.Done()
		}
		rows.Commit()
	}
	erased := make(map[string]bool)
	erase := func(who ...int) {
		var refs []keystore.Ref
		for _, i := range who {
			keys, err := tree.Keys(ctx, name(i))
			ok(err)
			l, err := tree.LeaseOf(ctx, keys[0].Ref)
			ok(err)
			erased[string(l.RowsKey().Bytes())] = true
			l.Done()
			refs = append(refs, keys[0].Ref)
		}
		ok(tree.Fence(ctx, refs))
		e, err := tree.Prepare(ctx, refs)
		ok(err)
		ok(e.Root(ctx))
		_, err = e.Destroy(ctx)
		ok(err)
	}
	add(0, people/2)
	erase(1)
	add(people/2, people) // pages are split under keys that the epoch has drawn
	captured, err := mem.Current(ctx)
	ok(err)
	erase(2, 3, 4)
	erase(5)
	e, err := tree.PrepareSweep(ctx, nil, 0)
	ok(err)
	ok(e.Root(ctx))
	_, err = e.Destroy(ctx)
	ok(err)
	erase(6)
	rows.Commit()

	found := func(h keystore.Holder, everywhere int) map[string]bool {
		t.Helper()
		thief, err := keystore.StealWithin(ctx, rows.Ever(), []keystore.Holder{h}, everywhere)
		ok(err)
		all := make(map[string]bool)
		for _, k := range thief.Keys() {
			all[string(k.RowsKey().Bytes())] = true
		}
		return all
	}
	for _, c := range []struct {
		what        string
		root        keystore.Holder
		found, gone int
	}{
		{"the root as it is", mem, people - 6, 0},
		{"a root from before", oldRoot{mem, captured}, people - 1, 5},
	} {
		near, far := found(c.root, 0), found(c.root, math.MaxInt)
		gone := 0
		for k := range near {
			if erased[k] {
				gone++
			}
			if !far[k] || !rowsKeys[k] {
				t.Fatalf("%s: a key that only one of them finds", c.what)
			}
		}
		if len(near) != len(far) || len(near) != c.found || gone != c.gone {
			t.Errorf("%s: %d keys by address, %d everywhere, %d of them erased; want %d and %d", c.what, len(near), len(far), gone, c.found, c.gone)
		}
	}
}

// oldRoot is a holder whose share somebody has copied.
type oldRoot struct {
	keystore.Holder
	shares []keystore.Share
}

func (o oldRoot) Current(context.Context) ([]keystore.Share, error) { return o.shares, nil }
