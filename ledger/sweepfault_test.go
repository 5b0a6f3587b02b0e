package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// How a disk fails a sweep: one operation of some kinds, or all from one on.
var sweepFaults = map[string]struct {
	err   error
	kinds []logtest.Kind
	on    bool // and every operation behind it
}{
	"EIO":          {syscall.EIO, []logtest.Kind{logtest.Create, logtest.Write, logtest.Sync, logtest.Rename, logtest.Remove, logtest.Link, logtest.Mkdir}, false},
	"disk dies":    {syscall.EIO, []logtest.Kind{logtest.Create, logtest.Write, logtest.Sync, logtest.Rename, logtest.Remove, logtest.Link, logtest.Mkdir}, true},
	"short write":  {logtest.ErrShort, []logtest.Kind{logtest.Write}, false},
	"sync is lost": {logtest.ErrLost, []logtest.Kind{logtest.Sync}, false},
}

// TestSweepFault lets each operation of the disk fail that comes when a sweep has destroyed
// the old root, one life for each, while somebody records. Whoever waits is told. When the
// ledger is opened behind a power failure, the sweep has ended: nothing is lost, nothing is
// left, and its record is in the log once.
//
// With -short every third operation fails.
func TestSweepFault(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 3
	}
	base := sweepReady(t)
	for name, f := range sweepFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lives := 0
			for n := 1; ; n += step {
				rng := rand.New(rand.NewPCG(uint64(n), 17))
				w := base.world.crashNow(100, nil)
				c := cut{world: w, ref: base.ref.clone()}
				hit := c.failSweep(t, rng, f.err, f.kinds, f.on, n)
				if hit == nil {
					break
				}
				if err := c.sweepEnded(t.Context()); err != nil {
					t.Fatalf("operation %d, %s of %s: %v", n, hit.Kind, hit.Path, err)
				}
				lives++
			}
			if lives*step < 4 {
				t.Errorf("only %d operations behind the end of the old root", lives)
			}
			t.Logf("%d lives", lives)
		})
	}
}

// TestSweepFaultControl: neither a sweep that did not come to its end nor a record that is
// there twice passes.
func TestSweepFaultControl(t *testing.T) {
	base := sweepReady(t)
	if err := base.sweepEnded(t.Context()); err == nil || !strings.Contains(err.Error(), "0 records") {
		t.Errorf("before the sweep: %v", err)
	}
	l := base.world.open()
	done, err := l.Sweep(t.Context(), ledger.SweepOptions{})
	if err != nil {
		t.Fatal(err)
	}
	base.world.close(l)
	if err := base.sweepEnded(t.Context()); err != nil {
		t.Errorf("after the sweep: %v", err)
	}
	l = base.world.open()
	if err := ledger.PublishAgain(t.Context(), l, done.Statement); err != nil {
		t.Fatal(err)
	}
	base.world.close(l)
	if err := base.sweepEnded(t.Context()); err == nil || !strings.Contains(err.Error(), "2 records") {
		t.Errorf("with the record twice: %v", err)
	}
}

// sweepReady is a ledger that is closed, with living and erased people in it.
func sweepReady(t testing.TB) *cut {
	t.Helper()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	h := newHistory(w, l, newReference())
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 4 {
		person := fmt.Sprintf("p-%d", i)
		if err := h.record(t.Context(), rng, person, 6); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := h.erase(t.Context(), person, i == 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.close(l)
	return &cut{world: w, ref: h.ref}
}

// failSweep sweeps, and fails the n-th operation behind the end of the old root, nil if there
// are not so many. Then the power fails, too.
func (c *cut) failSweep(t testing.TB, rng *rand.Rand, fault error, kinds []logtest.Kind, on bool, n int) *logtest.Op {
	t.Helper()
	w := c.world
	var failed *logtest.Op // guarded by w.mu
	l := w.open()
	h := newHistory(w, l, c.ref)
	h.serial = 1_000_000 // the ids of before are taken
	dead, rooted := make(chan struct{}), false
	w.mu.Lock()
	w.onStep = func(step string, _ int) {
		switch {
		case step == "sweep ROOTED":
			rooted = true
		case rooted && step == "root: after the old share died":
			rooted = false
			close(dead)
		}
	}
	w.mu.Unlock()
	w.disk.Before(func(op logtest.Op) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.step("disk " + string(op.Kind))
		select {
		case <-dead:
		default:
			return nil
		}
		switch {
		case failed != nil && on:
			return fault
		case failed != nil || !slices.Contains(kinds, op.Kind):
			return nil
		}
		if n--; n > 0 {
			return nil
		}
		failed = &op
		return fault
	})
	wrote := make(chan error, 1)
	go func() {
		<-dead
		wrote <- h.record(t.Context(), rand.New(rand.NewPCG(5, 5)), "p-1", 2)
	}()
	_, err := l.Sweep(t.Context(), ledger.SweepOptions{})
	select {
	case <-dead:
	default:
		t.Fatalf("the sweep did not come to its point: %v", err)
	}
	werr := <-wrote
	w.mu.Lock()
	w.onStep = nil
	after, hit := w.crash([]int{0, 50, 100}[rng.IntN(3)], rng), failed
	w.mu.Unlock()
	w.disk.Before(nil)
	w.during("closing", func() { w.ledger = nil })
	closed := l.Close()
	c.world = after
	if hit == nil && (err != nil || werr != nil || closed != nil) {
		t.Fatalf("a disk that works: %v, %v, %v", err, werr, closed)
	}
	if hit != nil && strings.HasSuffix(hit.Path, ".log") && err == nil && werr == nil && closed == nil {
		t.Errorf("nobody was told that the %s of %s failed", hit.Kind, hit.Path)
	}
	return hit
}

// sweepEnded opens the ledger, twice, and checks that one sweep has ended in it.
func (c *cut) sweepEnded(ctx context.Context) error {
	for range 2 {
		l, err := c.world.tryOpen(ctx)
		if err != nil {
			return fmt.Errorf("opening: %w", err)
		}
		err = errors.Join(newHistory(c.world, l, c.ref).verify(ctx), checkSwept(ctx, l, c.ref.erased()))
		c.world.during("closing", func() { c.world.ledger = nil })
		if err := errors.Join(err, l.Close()); err != nil {
			return err
		}
	}
	return nil
}

// erased counts the entries whose keys were destroyed.
func (r *reference) erased() (n uint64) {
	for _, k := range r.people {
		n += uint64(len(k.gone))
	}
	return n
}

// checkSwept checks that the one sweep that there was replaced so many entries.
func checkSwept(ctx context.Context, l *ledger.Ledger, erased uint64) error {
	records, err := l.SweepRecords(ctx)
	if err != nil {
		return err
	}
	if len(records) != 1 {
		return fmt.Errorf("%d records of one sweep", len(records))
	}
	if r := records[0]; r.Generation != 2 || r.Erased != erased {
		return fmt.Errorf("generation %d with %d entries erased, not 2 with %d", r.Generation, r.Erased, erased)
	}
	if due, err := l.SweepDue(ctx); err != nil || due.Interrupted || due.Unswept != 0 {
		return fmt.Errorf("due: %+v, %v", due, err)
	}
	r, err := l.VerifySwept(ctx, nil)
	if err != nil {
		return err
	}
	if len(r.Problems) > 0 || r.Swept != erased {
		return fmt.Errorf("%d entries swept, %d erased: %s", r.Swept, erased, strings.Join(r.Problems, "; "))
	}
	return l.Log().Scan(ctx, []byte{'j'}, []byte{'j' + 1}, func(k, _ []byte) error {
		if k[1] != 'e' && k[1] != 's' { // records and sweeps
			return fmt.Errorf("a row %q of an erasure job is left", k[1])
		}
		return nil
	})
}

// TestSweepHolderAway checks a ledger whose sweep could not end, because a holder is away: nothing is missing, nothing
// can be stated as lost, and when the holder is back the sweep ends.
func TestSweepHolderAway(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	for _, who := range []string{"p", "q"} {
		must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, who)
	}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
		t.Fatal(err)
	}
	away := func(is bool) { w.during("away", func() { w.away = is }) }
	away(true)
	if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); !errors.Is(err, errAway) {
		t.Fatal(err)
	}
	checkFsck(t, l)
	if _, err := l.StateLoss(t.Context(), ledger.LossOptions{}); !as[*ledger.BusyError](err) {
		t.Errorf("stating a loss: %v", err)
	}
	away(false)
	if done := sweepOnce(t, l); done.Record.Erased != 1 || done.Record.EpochsLost != nil {
		t.Errorf("%+v", done.Record)
	}
	checkFsck(t, l)
}
