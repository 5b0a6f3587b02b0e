package keystore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/cryptotest"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

// people makes a world with some living people in it, and leaves nothing in the
// queue.
func people(t *testing.T, seed uint64, holders int) *world {
	t.Helper()
	cryptotest.SetGlobalRandom(t, seed)
	w := newWorld(t, seed, holders, 4, "")
	for range 80 {
		w.use(w.someone())
	}
	w.settle()
	return w
}

// TestCrashAtEveryStep stops an epoch at each of its steps, and once more at each
// step of the recovery, with each prefix of the queue lost. Whoever is not erased
// opens afterwards; whoever is erased never does; and the erasure can be finished.
//
// With -short one of the twelve ways to recover is taken for each step, another one for the next:
// nothing here runs at the same time as anything else, and the race detector makes it six times as slow.
func TestCrashAtEveryStep(t *testing.T) {
	for _, sweep := range []bool{false, true} {
		steps, ends := 0, map[bool]int{}
		for stop := 1; ; stop++ {
			w := people(t, uint64(stop), 2)
			w.steps, w.crash, w.quiet = nil, stop, true
			w.erase(3, sweep)
			if w.crash > 0 {
				break // the epoch has fewer steps
			}
			steps = stop
			at := w.steps[stop-1]
			forward := w.erasedCount() == 3
			ends[forward]++
			t.Run(fmt.Sprintf("sweep %v %s", sweep, at), func(t *testing.T) {
				for again := range 4 {
					for lost := range 3 {
						if testing.Short() && (again*3+lost) != stop%12 {
							continue
						}
						w := people(t, uint64(stop*100+again*10+lost), 2)
						w.crash, w.crashRecovery, w.quiet = stop, again, true
						w.keepQueue = &lost
						w.erase(3, sweep)
						if w.erasedCount() != 0 && w.erasedCount() != 3 {
							t.Fatalf("%d of 3 are erased", w.erasedCount())
						}
						w.check()
						w.crash = 0
						w.erase(1, false) // and those that are still fenced
						w.check()
						if n := w.erasedCount(); n < 3 {
							t.Fatalf("%d of 3 are erased in the end", n)
						}
					}
				}
			})
		}
		if steps < 8 || ends[true] == 0 || ends[false] == 0 {
			t.Errorf("stopped at %d steps; %d went forward and %d back: this shows nothing", steps, ends[true], ends[false])
		}
	}
}

// TestTornHolders interrupts each write of each holder.
//
// With -short each write is torn in two ways instead of twenty.
func TestTornHolders(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 2
	}
	forward, back := 0, 0
	for holders := 1; holders <= 2; holders++ {
		for which := range holders {
			for write := range 3 {
				for seed := range seeds {
					w := people(t, seed, holders)
					w.quiet = true
					w.dev[which].TearAt(write, rand.New(rand.NewPCG(seed, 7)))
					w.erase(3, false)
					if w.erasedCount() == 3 {
						forward++
					} else {
						back++
					}
					w.calm()
					w.check()
					w.erase(1, false)
					w.check()
				}
			}
		}
	}
	if forward == 0 || back == 0 {
		t.Errorf("%d went forward and %d back: this shows nothing", forward, back)
	}
}

func (w *world) erasedCount() (n int) {
	for _, k := range w.people {
		if k.status == erased {
			n++
		}
	}
	return n
}

func TestOpenErrors(t *testing.T) {
	hinted := func(t *testing.T, err, want error) {
		t.Helper()
		var h *keystore.HintError
		if !errors.Is(err, want) || !errors.As(err, &h) || h.Hint == "" {
			t.Errorf("got %v, want %v with a hint", err, want)
		}
	}
	open := func(w *world) error {
		tree, err := keystore.Open(ctx, w.rows, w.holders(), w.options())
		if err == nil {
			tree.Close()
		}
		return err
	}
	t.Run("no holder", func(t *testing.T) {
		w := people(t, 1, 1)
		w.at = nil
		hinted(t, open(w), keystore.ErrHolderMissing)
	})
	t.Run("empty holder", func(t *testing.T) {
		w := people(t, 1, 1)
		w.dev[0] = block.NewMemory()
		hinted(t, open(w), keystore.ErrNoCompleteEpoch)
	})
	t.Run("one of two", func(t *testing.T) {
		w := people(t, 1, 2)
		w.at = w.at[:1]
		hinted(t, open(w), keystore.ErrNoCompleteEpoch)
	})
	t.Run("holder of another tree", func(t *testing.T) {
		w, other := people(t, 1, 1), people(t, 2, 1)
		w.dev = other.dev
		hinted(t, open(w), keystore.ErrWrongTree)
	})
	t.Run("older copy of the holder", func(t *testing.T) {
		w := people(t, 1, 1)
		old := w.dev[0].Blocks()
		w.erase(2, false)
		for i, b := range old {
			w.dev[0].Set(i, b)
		}
		hinted(t, open(w), keystore.ErrNoCompleteEpoch)
	})
	t.Run("no rows", func(t *testing.T) {
		w := people(t, 1, 1)
		w.rows = newWorld(t, 3, 1, 4, "").rows
		hinted(t, open(w), keystore.ErrWrongTree)
	})
	t.Run("create twice", func(t *testing.T) {
		w := people(t, 1, 1)
		_, err := keystore.Create(ctx, w.rows, w.holders(), w.options())
		if !errors.Is(err, keystore.ErrExists) {
			t.Errorf("got %v", err)
		}
		_, err = keystore.Create(ctx, newWorld(t, 4, 1, 4, "").rows, w.holders(), w.options())
		if !errors.Is(err, keystore.ErrExists) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("all is well", func(t *testing.T) {
		if err := open(people(t, 1, 2)); err != nil {
			t.Error(err)
		}
	})
}
