package keystore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/cryptotest"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/internal/block"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

// The attacks that earlier drafts of the key tree lost to, by their numbers. In
// each the draft is run beside the code, and loses.

// caught runs a history and returns what the adversary found, "" for nothing.
func caught(f func()) (what string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case leaked:
			what = r.what
		default:
			panic(r)
		}
	}()
	f()
	return ""
}

// TestAttack04SystemKeys: a system page that is not on the epoch's path keeps its
// key, and under that all old system keys stay readable.
func TestAttack04SystemKeys(t *testing.T) {
	for _, c := range []struct {
		bug  string
		lost bool
	}{{"", false}, {"system page left out", true}} {
		cryptotest.SetGlobalRandom(t, 4)
		w := newWorld(t, 4, 1, 96, c.bug)
		for range 20 {
			w.use(w.someone())
		}
		w.quiet = true
		got := caught(func() {
			w.erase(1, true)
			w.check()
		})
		if (got != "") != c.lost {
			t.Errorf("bug %q: %q", c.bug, got)
		}
	}
}

// TestAttack05NameConfirmation: who guesses a person and knows the routes looks
// which pages an epoch re-keyed. All that is one person's must therefore lie on
// one page, with that of others; and the routes change with every sweep.
func TestAttack05NameConfirmation(t *testing.T) {
	ctx := context.Background()
	rows := keytest.NewRows()
	tree, err := keystore.Create(ctx, rows, []keystore.Holder{holder.NewMem()}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	const people = 2000
	paths := func() (of [people]keystore.Path, pages int) {
		all := make(map[keystore.Path]bool)
		for i := range people {
			s := keystore.Subject(fmt.Sprint("subject ", i))
			keys, err := tree.Keys(ctx, s)
			if err != nil {
				t.Fatal(err)
			}
			if len(keys) != len(compartments) {
				t.Fatalf("subject %d has %d keys", i, len(keys))
			}
			for j, k := range keys {
				p := tree.PathOf(k.Ref)
				if j > 0 && p != of[i] {
					t.Fatalf("keys of one person lie on %v and %v", of[i], p)
				}
				of[i] = p
				all[p] = true
			}
		}
		return of, len(all)
	}
	for i := range people {
		for _, c := range compartments {
			l, err := tree.Use(ctx, keystore.Subject(fmt.Sprint("subject ", i)), c, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := rows.Enqueue(l.TakePending(), nil); err != nil {
				t.Fatal(err)
			}
			l.Done()
		}
	}
	rows.Commit()
	before, pages := paths()
	if pages < 30 {
		t.Fatalf("%d pages: this shows nothing", pages)
	}
	// The draft put each key on a page of its own route: then an epoch that erases
	// a person re-keys three pages that nobody else has in common.
	alone := make(map[[3]keystore.Path]int)
	for i := range people {
		var three [3]keystore.Path
		for j := range three {
			three[j] = before[(i*3+j*701)%people] // three pages as good as random
		}
		alone[three]++
	}
	if len(alone) < people*9/10 {
		t.Errorf("%d of %d sets of three random pages differ: the draft would have been safe", len(alone), people)
	}
	e, err := tree.PrepareSweep(ctx, nil, 0)
	if err == nil {
		err = e.Root(ctx)
	}
	if err == nil {
		_, err = e.Destroy(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	after, _ := paths()
	same := 0
	for i := range people {
		if before[i].Start == after[i].Start {
			same++
		}
	}
	if same > people/10 {
		t.Errorf("%d of %d people lie where they lay before the sweep", same, people)
	}
}

// late lets a message of a given-up attempt arrive after the holder has prepared
// another one.
type late struct {
	*holder.File
	message *keystore.Share
}

func (l *late) Prepare(ctx context.Context, s keystore.Share) error {
	if err := l.File.Prepare(ctx, s); err != nil {
		return err
	}
	if l.message != nil {
		l.File.Prepare(ctx, *l.message) // nobody waits for the answer
	}
	return nil
}

// draft is a holder as an earlier draft had it: it knows epochs, not attempts.
type draft struct {
	shares  map[uint64]keystore.Share
	id      byte
	message *keystore.Share
}

func (d *draft) Current(context.Context) (all []keystore.Share, _ error) {
	for _, s := range d.shares {
		all = append(all, s)
	}
	return all, nil
}

func (d *draft) Prepare(_ context.Context, s keystore.Share) error {
	d.shares[s.Epoch] = s
	if d.message != nil && d.message.Epoch == s.Epoch {
		d.shares[s.Epoch] = *d.message
	}
	return nil
}

func (d *draft) Destroy(_ context.Context, _ keystore.TreeID, keep uint64, _ keystore.Attempt) (keystore.Statement, error) {
	for e := range d.shares {
		if e != keep {
			delete(d.shares, e)
		}
	}
	return keystore.Statement{}, nil
}

func (d *draft) Caps() keystore.Caps {
	return keystore.Caps{ID: keystore.HolderID{d.id}, Kind: "draft"}
}
func (d *draft) Close() error { return nil }

// TestAttack12MixedAttempts: attempt A reaches the first holder and is given up, B
// is prepared everywhere, and A's message comes once more. If the first holder
// then keeps A and the second B, there is no root, and everybody is erased.
func TestAttack12MixedAttempts(t *testing.T) {
	run := func(hs []keystore.Holder, arm func(keystore.Share)) error {
		rows := keytest.NewRows()
		tree, err := keystore.Create(ctx, rows, hs, keystore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := tree.Use(ctx, "somebody", "marketing", 0)
		if err != nil {
			t.Fatal(err)
		}
		commit(t, rows, l)
		l.Done()
		var a keystore.Share
		info := tree.Info()
		a = keystore.Share{Tree: info.Tree, Epoch: info.Epoch + 1, Attempt: keystore.Attempt{0xa}}
		arm(a)
		e, err := tree.Prepare(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = e.Root(ctx)
		if err == nil {
			_, err = e.Destroy(ctx)
		}
		t.Logf("the epoch: %v", err)
		tree, err = keystore.Open(ctx, rows, hs, keystore.Options{})
		if err != nil {
			return err
		}
		l, err = tree.Find(ctx, "somebody", "marketing", 0)
		if err != nil {
			return err
		}
		l.Done()
		return nil
	}

	// The draft: the second of its holders takes whatever comes last.
	d1, d2 := &draft{shares: map[uint64]keystore.Share{}, id: 1}, &draft{shares: map[uint64]keystore.Share{}, id: 2}
	reading := keystore.SkipHeld() // the draft did not look again, either
	err := run([]keystore.Holder{d1, d2}, func(a keystore.Share) { d2.message = &a })
	reading()
	if !errors.Is(err, keystore.ErrNoCompleteEpoch) {
		t.Errorf("the draft survived: %v", err)
	}

	for _, first := range []bool{true, false} {
		var hs []keystore.Holder
		var ls []*late
		for range 2 {
			f, err := holder.OnDevice(block.NewMemory())
			if err != nil {
				t.Fatal(err)
			}
			l := &late{File: f}
			hs, ls = append(hs, l), append(ls, l)
		}
		err := run(hs, func(a keystore.Share) {
			if first {
				ls[0].message = &a
			} else {
				ls[1].message = &a
			}
		})
		if err != nil {
			t.Errorf("a late message erased everybody: %v", err)
		}
	}
}
