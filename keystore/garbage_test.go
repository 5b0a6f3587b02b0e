package keystore

import (
	"context"
	"slices"
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
	for i, r := range got {
		if rows, _ := debrisAt(ripeLeast+i, 1); string(rows[0]) != string(r[0]) {
			t.Fatalf("range %d is not the one that was noted", i)
		}
	}
	rows, image := debrisAt(0, 2)
	tree.garbage.addBehind(rows, image, 2)
	tree.garbage.add(rowsOf(1, addr{1, 0}, 2))
	if got := tree.garbage.dead(); len(got) != 1 || len(tree.garbage.list) != 0 {
		t.Fatalf("%d ranges and %d left where one covers the other", len(got), len(tree.garbage.list))
	}
}

// TestGarbageCovers: of ranges that lie in one of those that are added, none stays, and
// all others do, in their order.
func TestGarbageCovers(t *testing.T) {
	var g garbage
	const n = 100
	for i := range n {
		rows, image := debrisAt(i, 2)
		g.addBehind(rows, image, 2)
		g.add(rowsOfEpoch(1, addr{1, uint64(i) << 20}, 1))
		part := part{1, addr{1, uint64(i) << 20}}
		g.add(part.forget())
	}
	var dead [][2][]byte
	for i := n - 1; i >= 0; i -= 3 {
		dead = append(dead, rowsOf(1, addr{1, uint64(i) << 20}, 2))
	}
	var want [][]byte
	for i := range n {
		rows, _ := debrisAt(i, 2)
		part := part{1, addr{1, uint64(i) << 20}}
		if i%3 != 0 {
			want = append(want, rows[0], rowsOfEpoch(1, addr{1, uint64(i) << 20}, 1)[0])
		}
		want = append(want, part.forget()[0])
	}
	for _, r := range dead { // in the order of their keys
		want = append(want, r[0])
	}
	g.add(slices.Clone(dead)...)
	if len(g.list) != len(want) {
		t.Fatalf("%d ranges are left, want %d", len(g.list), len(want))
	}
	for i, d := range g.list {
		if string(d.rows[0]) != string(want[i]) {
			t.Fatalf("range %d is not the one that was noted", i)
		}
	}
	g.add(rowsOfGeneration(1))
	if got := g.dead(); len(got) != n+1 {
		t.Fatalf("%d ranges are left beside that of the generation, want the %d of parts", len(got)-1, n)
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
