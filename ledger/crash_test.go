package ledger_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A cut is a power failure: the world that it leaves and what had to be there.
type cut struct {
	step  string
	world *world
	ref   *reference
	log   uint64 // size of the log that was visible
}

// TestCrash runs random histories and cuts the power at random steps of the disk,
// the root, the page target and the erasure jobs. What was acknowledged has to be
// there, what was erased has to be gone, what was under way is whole or not there,
// and no head that anybody may have seen is contradicted.
//
// With -short four histories are enough, whose people are recorded and erased at the same time: the
// others differ in where the power fails, which the race detector does not see.
func TestCrash(t *testing.T) {
	seeds := histories(t, 12)
	if testing.Short() {
		seeds = min(seeds, 4)
	}
	for seed := range seeds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(seed), 99))
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			h := newHistory(w, l, newReference())
			var cuts []cut
			w.mu.Lock()
			w.onStep = func(step string, n int) {
				// The first of its kind is worth a look; of the others a few.
				if n <= 2 && rng.IntN(4) == 0 || rng.IntN(120) == 0 {
					cuts = append(cuts, h.cut(step, rng))
				}
			}
			w.mu.Unlock()
			if err := h.run(t.Context(), uint64(seed), 3, 3, 14); err != nil {
				t.Fatal(err)
			}
			w.mu.Lock()
			w.onStep = nil
			w.mu.Unlock()
			if err := h.verify(t.Context()); err != nil {
				t.Fatalf("without a crash: %v", err)
			}
			w.close(l)
			rng.Shuffle(len(cuts), func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
			for i, c := range cuts[:min(len(cuts), 8)] {
				if err := c.recover(t, uint64(i)); err != nil {
					t.Fatalf("power cut at %q, with %d entries: %v", c.step, c.log, err)
				}
			}
		})
	}
}

// cut copies everything. The caller holds the world's lock.
func (h *history) cut(step string, rng *rand.Rand) cut {
	return cut{step: step, world: h.w.crash([]int{0, 50, 100}[rng.IntN(3)], rng), ref: h.ref.clone(), log: h.l.Log().Head().Size}
}

// verify checks an open ledger against its reference.
func (h *history) verify(ctx context.Context) error {
	if err := h.w.checkHeads(ctx, h.l); err != nil {
		return err
	}
	if err := h.ref.check(ctx, h.l); err != nil {
		return err
	}
	r, err := h.l.Fsck(ctx, nil)
	if err != nil {
		return err
	}
	if len(r.Problems)+len(r.Missing) > 0 {
		return fmt.Errorf("fsck: %s; missing: %s", strings.Join(r.Problems, "; "), r.Missing)
	}
	if n := h.l.Pending(); n != 0 {
		return fmt.Errorf("%d erasures are still open", n)
	}
	return nil
}

// recover opens what a crash left, checks it, opens it again, since recovery must
// not depend on how often it runs, and goes on living in it.
func (c *cut) recover(t testing.TB, seed uint64) error {
	ctx := t.Context()
	var sizes []uint64
	for range 2 {
		l, err := c.world.tryOpen(ctx)
		if err != nil {
			return fmt.Errorf("opening: %w", err)
		}
		h := newHistory(c.world, l, c.ref)
		if err := h.verify(ctx); err != nil {
			l.Close()
			return err
		}
		sizes = append(sizes, l.Log().Head().Size)
		c.world.close(l)
	}
	if sizes[0] != sizes[1] || sizes[0] < c.log {
		return fmt.Errorf("%d entries were visible; opened with %d, and again with %d", c.log, sizes[0], sizes[1])
	}
	l, err := c.world.tryOpen(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	h := newHistory(c.world, l, c.ref)
	h.serial = 1_000_000 // the ids of before are taken
	if err := h.run(ctx, seed, 2, 3, 4); err != nil {
		return fmt.Errorf("going on: %w", err)
	}
	// A sweep that was interrupted ends now, and finds that everything is accounted for.
	if err := h.sweep(ctx); err != nil {
		return fmt.Errorf("going on: %w", err)
	}
	if err := h.verify(ctx); err != nil {
		return err
	}
	r, err := l.VerifySwept(ctx, nil)
	if err != nil {
		return err
	}
	if len(r.Problems) > 0 {
		return fmt.Errorf("after a sweep: %s", strings.Join(r.Problems, "; "))
	}
	return nil
}

// TestCrashAtEveryStep lets one history pass every kind of step there is, and cuts
// the power at the first times of each.
func TestCrashAtEveryStep(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	h := newHistory(w, l, newReference())
	var cuts []cut
	w.mu.Lock()
	clear(w.steps)
	w.onStep = func(step string, n int) {
		if n <= 2 || n == 40 {
			cuts = append(cuts, h.cut(step, rng))
		}
	}
	w.mu.Unlock()
	if err := h.run(t.Context(), 1, 2, 3, 12); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		person := fmt.Sprintf("p-0-%d", i)
		if err := h.record(t.Context(), rng, person, 4); err != nil {
			t.Fatal(err)
		}
		if err := h.erase(t.Context(), person, i == 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.retire(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.mu.Lock()
	w.onStep = nil
	steps := slices.Sorted(maps.Keys(w.steps))
	w.mu.Unlock()
	for _, want := range []string{
		"disk write .log", "disk sync .log", "sign", "answered", "erased", "retired",
		"root: before the new share", "root: after the new share", "root: before the old share dies", "root: after the old share died",
		"pages: before they are shipped", "pages: after they are shipped",
		"erasure REQUESTED", "erasure CHECKED", "erasure FENCED", "erasure COLLECTED", "erasure PREPARED", "erasure ROOTED",
		"erasure DESTROYED", "erasure SCRUBBED", "erasure RECORDED",
		"sweep CUT", "sweep PREPARED", "sweep ROOTED", "sweep DESTROYED", "sweep WORDED", "sweep RECORDED",
	} {
		if !slices.Contains(steps, want) {
			t.Errorf("no power was cut at %q", want)
		}
	}
	t.Logf("%d cuts at %d kinds of steps", len(cuts), len(steps))
	for i, c := range cuts {
		if err := c.recover(t, uint64(i)); err != nil {
			t.Fatalf("power cut at %q, with %d entries: %v", c.step, c.log, err)
		}
	}
}
