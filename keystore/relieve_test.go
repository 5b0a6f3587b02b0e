package keystore_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

// removals counts what is removed from a store.
type removals struct {
	*keytest.Rows
	ranges int
}

func (r *removals) Enqueue(set []keystore.KV, del [][2][]byte) (func(context.Context) error, error) {
	r.ranges += len(del)
	return r.Rows.Enqueue(set, del)
}

// TestRelieve makes keys and does nothing else, for so long that the images which pages
// leave behind have to be removed by who makes keys. Whoever has a key keeps it.
func TestRelieve(t *testing.T) {
	if testing.Short() {
		t.Skip("75,000 keys; without -short this runs")
	}
	p := &plain{t: t, rows: keytest.NewRows(), h: holder.NewMem()}
	rows := &removals{Rows: p.rows}
	tree, err := keystore.Create(ctx, rows, []keystore.Holder{p.h}, keystore.Options{CachePages: 64, CacheKeys: 64})
	p.ok(err)
	p.tree = tree
	defer tree.Close()
	const people = 75_000
	names := make(map[int][32]byte)
	use := func(who int) [32]byte {
		l, err := tree.Use(ctx, keystore.Subject(fmt.Sprint("subject ", who)), "contract", 0)
		p.ok(err)
		defer l.Done()
		commit(t, p.rows, l)
		return l.RowName(1, 1)
	}
	for i := range people {
		if name := use(i); i%1000 == 0 {
			names[i] = name
		}
	}
	if rows.ranges == 0 {
		t.Fatalf("%d keys were made, and nothing that they left behind is removed", people)
	}
	for i, name := range names {
		if use(i) != name {
			t.Fatal("a key is another one than it was")
		}
	}
}
