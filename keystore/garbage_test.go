package keystore

import (
	"context"
	"sync"
	"testing"
)

// shownRows is a store of which only it is asked whether it shows a row.
type shownRows struct {
	Rows
	shown map[string]bool
}

func (r shownRows) Get(_ context.Context, key []byte) ([]byte, error) {
	if r.shown[string(key)] {
		return []byte{}, nil
	}
	return nil, ErrNoRow
}

func debrisAt(n int, epoch uint64) (rows [2][]byte, image []byte) {
	at := addr{1, uint64(n) << 20}
	return rowsUpTo(1, at, epoch, 0), rowKey{gen: 1, at: at, epoch: epoch, version: 1}.bytes()
}

// TestRipe: ranges go when the image behind them is in the store, those before the
// newest that is there and no others, and never what an epoch left that came to nothing:
// the next attempt at it names its rows alike.
func TestRipe(t *testing.T) {
	store := shownRows{shown: make(map[string]bool)}
	tree := &Tree{rows: store}
	const n = 2 * ripeLeast
	for i := range n {
		rows, image := debrisAt(i, 1)
		tree.garbage.addBehind(rows, image, 1)
	}
	if got := tree.ripe(t.Context()); got != nil {
		t.Fatalf("%d ranges are removed whose newer image is nowhere", len(got))
	}
	_, image := debrisAt(ripeLeast-1, 1)
	store.shown[string(image)] = true
	if got := tree.ripe(t.Context()); len(got) != ripeLeast {
		t.Fatalf("%d ranges are removed, want the %d up to the newest image that is there", len(got), ripeLeast)
	}
	for i := range n {
		rows, image := debrisAt(i, 2)
		store.shown[string(image)] = true
		tree.garbage.addBehind(rows, image, 2)
	}
	tree.garbage.forget(2)
	_, image = debrisAt(n-1, 1)
	store.shown[string(image)] = true
	got := tree.ripe(t.Context())
	if len(got) != n-ripeLeast {
		t.Fatalf("%d ranges are removed, want %d of the epoch that went on", len(got), n-ripeLeast)
	}
	for i := range got { // in the order of their keys, in which starts fall
		if rows, _ := debrisAt(n-1-i, 1); string(rows[0]) != string(got[i][0]) {
			t.Fatalf("range %d is not one that was noted", i)
		}
	}
	rows, image := debrisAt(0, 2)
	tree.garbage.addBehind(rows, image, 2)
	tree.garbage.add(rowsOf(1, addr{1, 0}, 2))
	if got := tree.garbage.dead(); len(got) != 1 || len(tree.garbage.list) != 0 {
		t.Fatalf("%d ranges and %d left where one covers the other", len(got), len(tree.garbage.list))
	}
}

// TestGarbageCovers: of ranges that lie in one that is dead, none is removed beside it or
// stays, and all others are, or stay.
func TestGarbageCovers(t *testing.T) {
	const n = 2 * ripeLeast
	fill := func(g *garbage) (dead, alone int) {
		for i := range n {
			at := addr{1, uint64(i) << 20}
			rows, image := debrisAt(i, 2)
			g.addBehind(rows, image, 2)
			g.add(rowsOfEpoch(1, at, 1))
			if i%3 == 0 {
				g.add(rowsOf(1, at, 2)) // both of them lie in it
				dead++
			} else {
				dead, alone = dead+1, alone+1
			}
		}
		return dead, alone
	}
	disjoint := func(out [][2][]byte) {
		t.Helper()
		for i := range out[1:] {
			if string(out[i][1]) > string(out[i+1][0]) {
				t.Fatal("a range that is removed lies in another")
			}
		}
	}
	var g garbage
	dead, alone := fill(&g)
	out := g.dead()
	disjoint(out)
	if len(out) != dead || len(g.list) != alone {
		t.Fatalf("%d ranges are removed and %d stay, want %d and %d", len(out), len(g.list), dead, alone)
	}
	for _, d := range g.list {
		if d.behind == nil || covered(out, d.rows) {
			t.Fatal("a range stays that was removed")
		}
	}
	g.add(rowsOfGeneration(1))
	if out := g.dead(); len(out) != 1 || len(g.list) != 0 {
		t.Fatalf("%d ranges are removed and %d stay where one covers all", len(out), len(g.list))
	}

	store := shownRows{shown: make(map[string]bool)}
	for i := range n {
		_, image := debrisAt(i, 2)
		store.shown[string(image)] = true
	}
	tree := &Tree{rows: store}
	dead, alone = fill(&tree.garbage)
	out = tree.ripe(t.Context())
	disjoint(out)
	if len(out) != dead+alone || len(tree.garbage.list) != 0 {
		t.Fatalf("%d ranges are removed and %d stay, want %d and none", len(out), len(tree.garbage.list), dead+alone)
	}
}

// orderedRows is a store that shows everything, and notes whether it was asked by who
// keeps others from queueing anything.
type orderedRows struct {
	shownRows
	order          *sync.Mutex
	asked, removed int
	free           bool
}

func (r *orderedRows) Get(context.Context, []byte) ([]byte, error) {
	r.asked++
	if r.order.TryLock() {
		r.free = true
		r.order.Unlock()
	}
	return []byte{}, nil
}

func (r *orderedRows) Enqueue(_ []KV, del [][2][]byte) (func(context.Context) error, error) {
	r.removed += len(del)
	return func(context.Context) error { return nil }, nil
}

// TestRipeInOrder: between the moment in which ranges are taken and the one in which
// their removal is queued, nothing else is. An epoch that came to nothing in between, and
// was begun again, would have queued rows of the same names, and lost them.
func TestRipeInOrder(t *testing.T) {
	for name, clearUp := range map[string]func(*Tree) error{
		"end of an epoch": func(tree *Tree) error { return tree.tidy(nil, false) },
		"change":          func(tree *Tree) error { return tree.change(t.Context(), nil, false, nil) },
		"making a key":    func(tree *Tree) error { return tree.relieve(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			order := new(sync.Mutex)
			store := &orderedRows{order: order}
			tree := &Tree{rows: store, opts: Options{Order: order}}
			for i := range ripeMany {
				rows, image := debrisAt(i, 1)
				tree.garbage.addBehind(rows, image, 1)
			}
			if err := clearUp(tree); err != nil {
				t.Fatal(err)
			}
			if store.asked == 0 || store.removed != ripeMany {
				t.Fatalf("asked %d times, and %d ranges are removed", store.asked, store.removed)
			}
			if store.free {
				t.Fatal("while ranges are taken that are about to be removed, others may queue")
			}
		})
	}
}
