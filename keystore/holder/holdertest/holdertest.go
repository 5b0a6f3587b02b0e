// Package holdertest has what every root holder must pass.
package holdertest

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
)

// Run checks a holder. make returns a function that opens one new holder, again
// and again: what was durable before is there each time. The holder is closed
// between two openings.
func Run(t *testing.T, make func(t *testing.T) (open func() keystore.Holder)) {
	for _, c := range []struct {
		name string
		test func(*bench)
	}{
		{"Empty", testEmpty},
		{"Durable", testDurable},
		{"PrepareTwice", testPrepareTwice},
		{"AnotherAttempt", testAnotherAttempt},
		{"NoFreeSlot", testNoFreeSlot},
		{"NeverBack", testNeverBack},
		{"WrongTree", testWrongTree},
		{"NotHeld", testNotHeld},
		{"Destroy", testDestroy},
		{"GivenUp", testGivenUp},
		{"ManyEpochs", testManyEpochs},
		{"Cancelled", testCancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{T: t, open: make(t)}
			rand.Read(b.tree[:])
			b.reopen()
			defer func() { b.Holder.Close() }() // the last one that was opened
			c.test(b)
		})
	}
}

var ctx = context.Background()

type bench struct {
	*testing.T
	keystore.Holder
	open func() keystore.Holder
	tree keystore.TreeID
}

func (b *bench) reopen() {
	b.Helper()
	if b.Holder != nil {
		for range 2 {
			if err := b.Holder.Close(); err != nil {
				b.Fatalf("closing, which may be done twice: %v", err)
			}
		}
	}
	b.Holder = b.open()
}

func (b *bench) share(epoch uint64) keystore.Share {
	s := keystore.Share{Tree: b.tree, Epoch: epoch}
	rand.Read(s.Attempt[:])
	rand.Read(s.Secret[:])
	return s
}

func (b *bench) prepare(s keystore.Share) {
	b.Helper()
	if err := b.Prepare(ctx, s); err != nil {
		b.Fatalf("preparing epoch %d: %v", s.Epoch, err)
	}
}

func (b *bench) destroy(keep keystore.Share) keystore.Statement {
	b.Helper()
	st, err := b.Destroy(ctx, keep.Tree, keep.Epoch, keep.Attempt)
	if err != nil {
		b.Fatalf("destroying all but epoch %d: %v", keep.Epoch, err)
	}
	caps := b.Caps()
	if st.Holder != caps.ID || st.Kind != caps.Kind || st.Level != caps.Level || st.Tree != keep.Tree || st.Epoch != keep.Epoch || st.Attempt != keep.Attempt {
		b.Errorf("the statement %+v is not about what was kept", st)
	}
	if st.Overwritten < 1 {
		b.Error("the statement says that nothing was overwritten")
	}
	return st
}

// holds checks, now and after opening again, that these shares are there and no
// others.
func (b *bench) holds(want ...keystore.Share) {
	b.Helper()
	for range 2 {
		have, err := b.Current(ctx)
		if err != nil {
			b.Fatal(err)
		}
		for _, w := range want {
			found := false
			for _, h := range have {
				found = found || h.Tree == w.Tree && h.Epoch == w.Epoch && h.Attempt == w.Attempt && h.Secret.Equal(&w.Secret)
			}
			if !found {
				b.Errorf("the share of epoch %d is not there", w.Epoch)
			}
		}
		if len(have) != len(want) {
			b.Errorf("there are %d shares, want %d", len(have), len(want))
		}
		b.reopen()
	}
}

func (b *bench) refused(err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Errorf("got %v, want %v", err, want)
	}
}

func testEmpty(b *bench) {
	b.holds()
	if b.Caps().Kind == "" || b.Caps().Copies < 1 {
		b.Errorf("caps %+v", b.Caps())
	}
	_, err := b.Destroy(ctx, b.tree, 1, keystore.Attempt{})
	b.refused(err, keystore.ErrNotHeld)
}

func testDurable(b *bench) {
	s := b.share(1)
	id := b.Caps().ID
	b.prepare(s)
	b.holds(s)
	if b.Caps().ID != id {
		b.Error("the id of the holder changed")
	}
}

func testPrepareTwice(b *bench) {
	s, next := b.share(1), b.share(2)
	b.prepare(s)
	b.prepare(s)
	b.prepare(next)
	b.prepare(next)
	b.prepare(s)
	b.holds(s, next)
}

func testAnotherAttempt(b *bench) {
	live, first, second := b.share(1), b.share(2), b.share(2)
	b.prepare(live)
	b.prepare(first)
	// A message that comes late must not replace what everybody else has.
	b.refused(b.Prepare(ctx, second), keystore.ErrHolderBusy)
	b.holds(live, first)
	b.destroy(live)
	b.prepare(second)
	b.holds(live, second)
	b.destroy(second)
	b.refused(b.Prepare(ctx, first), keystore.ErrHolderBusy)
	b.holds(second)
}

func testNoFreeSlot(b *bench) {
	one, two := b.share(1), b.share(2)
	b.prepare(one)
	b.prepare(two)
	b.refused(b.Prepare(ctx, b.share(3)), keystore.ErrHolderBusy)
	b.holds(one, two)
}

// A share of the live epoch or before must not take the place of anything.
func testNeverBack(b *bench) {
	live := b.share(5)
	b.prepare(live)
	for _, epoch := range []uint64{5, 4, 1} {
		b.refused(b.Prepare(ctx, b.share(epoch)), keystore.ErrHolderBusy)
	}
	b.holds(live)
}

func testWrongTree(b *bench) {
	live := b.share(1)
	b.prepare(live)
	other := b.share(2)
	other.Tree[0] ^= 1
	b.refused(b.Prepare(ctx, other), keystore.ErrWrongTree)
	_, err := b.Destroy(ctx, other.Tree, live.Epoch, live.Attempt)
	if err == nil {
		b.Error("destroyed for another tree")
	}
	b.holds(live)
}

// Two attempts at one epoch, mixed over two holders, would erase everybody.
func testNotHeld(b *bench) {
	live, a, other := b.share(1), b.share(2), b.share(2)
	b.prepare(live)
	b.prepare(a)
	_, err := b.Destroy(ctx, b.tree, 2, other.Attempt)
	b.refused(err, keystore.ErrNotHeld)
	_, err = b.Destroy(ctx, b.tree, 3, a.Attempt)
	b.refused(err, keystore.ErrNotHeld)
	b.holds(live, a)
}

func testDestroy(b *bench) {
	one, two := b.share(1), b.share(2)
	b.prepare(one)
	b.prepare(two)
	if st := b.destroy(two); len(st.Destroyed) != 1 || st.Destroyed[0] != 1 {
		b.Errorf("the statement says that epochs %v were destroyed", st.Destroyed)
	}
	b.holds(two)
	if st := b.destroy(two); len(st.Destroyed) != 0 {
		b.Errorf("the second statement says that epochs %v were destroyed", st.Destroyed)
	}
	b.holds(two)
}

func testGivenUp(b *bench) {
	one, two, again := b.share(1), b.share(2), b.share(2)
	b.prepare(one)
	b.prepare(two)
	b.destroy(one)
	b.holds(one)
	b.prepare(again)
	b.destroy(again)
	b.holds(again)
}

func testManyEpochs(b *bench) {
	live := b.share(1)
	b.prepare(live)
	for epoch := uint64(2); epoch < 20; epoch++ {
		next := b.share(epoch)
		b.prepare(next)
		b.destroy(next)
		live = next
	}
	b.holds(live)
}

func testCancelled(b *bench) {
	live := b.share(1)
	b.prepare(live)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	b.refused(b.Prepare(gone, b.share(2)), context.Canceled)
	_, err := b.Destroy(gone, b.tree, live.Epoch, live.Attempt)
	b.refused(err, context.Canceled)
	b.holds(live)
}
