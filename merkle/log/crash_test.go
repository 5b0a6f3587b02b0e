package log_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// A world is everything outside the machine: what callers were told, and the
// heads that anybody could have seen. No crash may contradict it.
type world struct {
	mu    sync.Mutex
	acked []ackedEntry
	heads map[uint64]log.Head
}

type ackedEntry struct {
	index uint64
	leaf  []byte
	key   []byte // of its 'e' row
	value []byte
}

func newWorld() *world { return &world{heads: map[uint64]log.Head{}} }

// see notes the heads that the log shows now, in both ways there are.
func (w *world) see(t testing.TB, l *log.Log) {
	t.Helper()
	heads := []log.Head{l.Head()}
	if status(l.Handler(), "checkpoint") == http.StatusOK { // not any more while it closes
		heads = append(heads, servedHead(t, l))
	}
	for _, h := range heads {
		if err := w.note(h); err != nil {
			t.Error(err)
		}
	}
}

func (w *world) note(h log.Head) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, ok := w.heads[h.Size]; ok && !bytes.Equal(old.Signed, h.Signed) {
		return fmt.Errorf("fork: two heads of size %d were seen, with roots %s and %s", h.Size, old.Root, h.Root)
	}
	w.heads[h.Size] = h
	return nil
}

func (w *world) ack(es ...ackedEntry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked = append(w.acked, es...)
}

// now is the world as of this moment.
func (w *world) now() *world {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := newWorld()
	c.acked = append(c.acked, w.acked...)
	for k, v := range w.heads {
		c.heads[k] = v
	}
	return c
}

// refutes returns what in a log contradicts the world.
func (w *world) refutes(l *log.Log) error {
	ctx := context.Background()
	s := l.Snapshot()
	defer s.Close()
	if err := w.note(s.Head()); err != nil {
		return err
	}
	for size, h := range w.heads {
		if size > s.Head().Size {
			return fmt.Errorf("fork: a head of size %d was seen, the log has %d", size, s.Head().Size)
		}
		root, err := s.RootAt(ctx, size)
		if err != nil {
			return err
		}
		if root != h.Root {
			return fmt.Errorf("fork: a head of size %d with root %s was seen, the log has %s", size, h.Root, root)
		}
	}
	for _, a := range w.acked {
		leaf, err := s.Leaf(ctx, a.index)
		if err != nil {
			return fmt.Errorf("acknowledged leaf %d: %w", a.index, err)
		}
		if !bytes.Equal(leaf, a.leaf) {
			return fmt.Errorf("acknowledged leaf %d is another one now", a.index)
		}
		value, err := s.Get(ctx, a.key)
		if err != nil {
			return fmt.Errorf("row of acknowledged leaf %d: %w", a.index, err)
		}
		if !bytes.Equal(value, a.value) {
			return fmt.Errorf("row of acknowledged leaf %d is another one now", a.index)
		}
	}
	return l.Fsck(ctx, nil)
}

func servedHead(t testing.TB, l *log.Log) log.Head {
	t.Helper()
	return parseHead(t, fetch(t, l.Handler(), "checkpoint"))
}

// appendSome appends n entries in one call, whose leaves begin with a word that
// makes them differ from those of any other run.
func appendSome(l *log.Log, word string, n int) ([]ackedEntry, error) {
	es := make([]log.Entry, n)
	for i := range es {
		es[i] = log.Entry{
			Leaf: fmt.Appendf(nil, "%s %d", word, i),
			Rows: []log.Row{{Key: []byte("e"), Value: fmt.Appendf(nil, "row of %s %d", word, i), Place: log.KeyIndex}},
		}
	}
	index, err := l.Append(context.Background(), es)
	if err != nil {
		return nil, err
	}
	acked := make([]ackedEntry, n)
	for i, x := range index {
		acked[i] = ackedEntry{index: x, leaf: es[i].Leaf, key: indexKey("e", x), value: es[i].Rows[0].Value}
	}
	return acked, nil
}

// resume opens what a crash has left, twice, since recovery must not depend on
// how often it ran; then goes on appending; then cuts the power once more.
func resume(t testing.TB, disk *logtest.Disk, w *world, word string, rng *rand.Rand) error {
	t.Helper()
	o := options(t)
	o.FS = disk.FS()
	l, err := log.Open(t.Context(), "log", o)
	if err != nil {
		return fmt.Errorf("opening after the crash: %w", err)
	}
	if err := w.refutes(l); err != nil {
		return fmt.Errorf("after the crash: %w", err)
	}
	head := l.Head()
	if err := l.Close(); err != nil {
		return err
	}
	if l, err = log.Open(t.Context(), "log", o); err != nil {
		return err
	}
	if got := l.Head(); !bytes.Equal(got.Signed, head.Signed) {
		return fmt.Errorf("recovered twice, with heads\n%s\nand\n%s", head.Signed, got.Signed)
	}
	acked, err := appendSome(l, "after "+word, 300)
	if err != nil {
		return err
	}
	w.ack(acked...)
	if err := w.refutes(l); err != nil {
		return fmt.Errorf("after going on: %w", err)
	}
	// The log is left open, and the power fails again.
	again := disk.Crash(50, rng)
	o.FS = again.FS()
	l2, err := log.Open(t.Context(), "log", o)
	if err != nil {
		return fmt.Errorf("opening after the second crash: %w", err)
	}
	if err := w.refutes(l2); err != nil {
		return fmt.Errorf("after the second crash: %w", err)
	}
	return errors.Join(l.Close(), l2.Close())
}

// crash is a moment at which the power fails.
type crash struct {
	step string // of the commit
	nth  int    // time that this step is reached
}

// crashAt runs appends on a fresh disk and returns what a power failure leaves
// of it. Syncs of the write-ahead log are held back until the crash if hold is
// set, so that the group in flight is on its way but not on disk.
func crashAt(t testing.TB, c crash, hold bool, percent int, rng *rand.Rand, edit func(*log.Options)) (*logtest.Disk, *world) {
	t.Helper()
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	var l *log.Log
	w := newWorld()
	var after *logtest.Disk
	var then *world
	var seen int
	var reached <-chan struct{}
	release := func() {}
	log.OnStep(&o, func(step string) {
		if hold && step == "built" && seen == c.nth-1 && after == nil {
			reached, release = d.HoldSyncs(".log")
		}
		if reached != nil && (step == "signed" || step == "early") {
			<-reached // the batch is written, its sync has begun
		}
		w.see(t, l)
		if step != c.step || after != nil {
			return
		}
		if seen++; seen < c.nth {
			return
		}
		then, after = w.now(), d.Crash(percent, rng)
		release()
		reached = nil
	})
	if edit != nil {
		edit(&o)
	}
	if err := log.Create("log", o); err != nil {
		t.Fatal(err)
	}
	// The hook needs the log, and the sequencer does nothing before the first append.
	l = open(t, "log", o)
	w.see(t, l)
	for i, n := range []int{1, 3, 300, 1, 40, 256, 1} {
		acked, err := appendSome(l, fmt.Sprintf("call %d", i), n)
		if err != nil {
			t.Fatal(err)
		}
		w.ack(acked...)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if after == nil {
		t.Fatalf("step %q was not reached %d times", c.step, c.nth)
	}
	return after, then
}

// TestCrashAtEveryStep cuts the power at each step of a commit, with none, half
// and all of what was not synced surviving.
func TestCrashAtEveryStep(t *testing.T) {
	for _, step := range []string{"built", "applied", "signed", "synced", "published"} {
		for nth := 1; nth <= 7; nth++ {
			percents := []int{0, 50, 50, 100}
			if slow {
				percents = []int{[]int{0, 50, 100}[nth%3]}
			}
			t.Run(fmt.Sprintf("%s/%d", step, nth), func(t *testing.T) {
				t.Parallel()
				for i, percent := range percents {
					rng := rand.New(rand.NewPCG(uint64(nth), uint64(i)))
					hold := step == "applied" || step == "signed"
					disk, w := crashAt(t, crash{step, nth}, hold, percent, rng, nil)
					if err := resume(t, disk, w, strconv.Itoa(percent), rng); err != nil {
						t.Fatalf("%d%% of what was not synced survived: %v", percent, err)
					}
				}
			})
		}
	}
	t.Run("stored", func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		disk, w := crashAt(t, crash{"stored", 1}, false, 50, rng, nil)
		if err := resume(t, disk, w, "closing", rng); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAttack17 is attack 17 of docs/explanation/log.md: a checkpoint that is visible before
// its sync has returned outlives, in somebody's hands, a crash that the tree
// does not survive; the log then signs another tree of the same size, and has
// forked without anybody lying.
//
// The first half is the draft that lost to it, so that we know the test can tell.
func TestAttack17(t *testing.T) {
	rng := func() *rand.Rand { return rand.New(rand.NewPCG(17, 17)) }
	t.Run("the draft forks", func(t *testing.T) {
		disk, w := crashAt(t, crash{"early", 5}, true, 0, rng(), log.PublishEarly)
		err := resume(t, disk, w, "early", rng())
		if err == nil {
			t.Fatal("a head that was published before its sync went unnoticed")
		}
		t.Log(err)
	})
	t.Run("we do not", func(t *testing.T) {
		disk, w := crashAt(t, crash{"signed", 5}, true, 0, rng(), nil)
		if err := resume(t, disk, w, "signed", rng()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("no read is ahead of the head", func(t *testing.T) {
		d := logtest.NewDisk()
		o := options(t)
		o.FS = d.FS()
		l := create(t, "log", o)
		if _, err := appendSome(l, "before", 3); err != nil {
			t.Fatal(err)
		}
		reached, release := d.HoldSyncs(".log")
		ticket, err := l.Enqueue([]log.Entry{{
			Leaf: []byte("in flight"),
			Rows: []log.Row{{Key: []byte("e"), Value: []byte("x"), Place: log.KeyIndex}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		// The engine has shown the batch to its readers when the sync begins.
		<-reached
		ctx := t.Context()
		if ticket.Done() || l.Head().Size != 3 || servedHead(t, l).Size != 3 {
			t.Error("an entry that is not synced was acknowledged or shown")
		}
		if _, err := l.Leaf(ctx, 3); !errors.Is(err, log.ErrNotFound) {
			t.Errorf("leaf in flight: got %v, want ErrNotFound", err)
		}
		if _, err := l.Get(ctx, indexKey("e", 3)); !errors.Is(err, log.ErrNotFound) {
			t.Errorf("row in flight: got %v, want ErrNotFound", err)
		}
		if _, err := l.ReadBundle(ctx, 0, 4); !errors.Is(err, log.ErrNotFound) {
			t.Errorf("bundle with the entry in flight: got %v, want ErrNotFound", err)
		}
		release()
		if err := ticket.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Get(ctx, indexKey("e", 3)); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestCrashAtEveryOperation cuts the power before each operation on the disk,
// from the creation of a log over appends and a deletion to its closing.
func TestCrashAtEveryOperation(t *testing.T) {
	type cut struct {
		disk    *logtest.Disk
		w       *world
		created bool
		op      logtest.Op
	}
	d := logtest.NewDisk()
	rng := rand.New(rand.NewPCG(3, 4))
	w := newWorld()
	var mu sync.Mutex
	var cuts []cut
	var l *log.Log
	created := false
	every := 1
	if slow {
		every = 9
	}
	n := 0
	d.Before(func(op logtest.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if n++; n%every != 0 {
			return nil
		}
		if l != nil {
			w.see(t, l)
		}
		then := w.now()
		cuts = append(cuts, cut{d.Crash([]int{0, 50, 100}[n%3], rng), then, created, op})
		return nil
	})
	o := options(t)
	o.FS = d.FS()
	if err := log.Create("log", o); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	created = true
	mu.Unlock()
	opened := open(t, "log", o)
	mu.Lock()
	l = opened
	mu.Unlock()
	for i, n := range []int{1, 2, 300, 1} {
		acked, err := appendSome(l, fmt.Sprintf("call %d", i), n)
		if err != nil {
			t.Fatal(err)
		}
		w.ack(acked...)
	}
	if err := log.Flush(l); err != nil {
		t.Fatal(err)
	}
	acked, err := appendSome(l, "last", 5)
	if err != nil {
		t.Fatal(err)
	}
	w.ack(acked...)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	d.Before(nil)
	t.Logf("%d operations, %d crashes", n, len(cuts))
	for i, c := range cuts {
		o := options(t)
		o.FS = c.disk.FS()
		if !c.created {
			// Nobody was told that there is a log. There is one or there is none,
			// and then it can be created.
			l, err := log.Open(t.Context(), "log", o)
			if errors.Is(err, log.ErrNoLog) {
				if err = log.Create("log", o); err == nil {
					l, err = log.Open(t.Context(), "log", o)
				}
			}
			if err != nil {
				t.Fatalf("crash %d, before %s %s while creating: %v", i, c.op.Kind, c.op.Path, err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := resume(t, c.disk, c.w, strconv.Itoa(i), rng); err != nil {
			t.Fatalf("crash %d, before %s %s: %v", i, c.op.Kind, c.op.Path, err)
		}
	}
}
