package ledger_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// histories scales the number of random runs of a test.
func histories(t testing.TB, normally int) int {
	s := os.Getenv("LACUNA_TEST_HISTORIES")
	if s == "" {
		return normally
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("LACUNA_TEST_HISTORIES: %v", err)
	}
	return max(normally, n/10)
}

// A world is the hardware of a ledger: the disk of its log, the place of its root,
// the folder that gets key pages, the copy of the newest head, the clock. All of it
// can be copied at one moment, and the copy is what a power failure leaves.
//
// lacuna.json and the keys of the log's signature lie in a folder of the real file
// system: they are written once, before anything is worth a crash.
type world struct {
	t     testing.TB
	dir   string
	clock *clock
	disk  *logtest.Disk

	// mu is held while anything outside the disk changes and while onStep runs, so
	// nothing but the disk changes during a crash, and the disk is copied whole.
	mu     sync.Mutex
	root   root
	away   bool // the root takes nothing new
	pages  map[uint64][]keystore.KV
	head   []byte
	heads  map[uint64]merkle.Hash // every head that was ever visible
	ledger *ledger.Ledger         // that is open, for its head
	steps  map[string]int
	onStep func(step string, n int) // n counts the times of this step

	logger *slog.Logger
	warned []string
}

// A clock moves by a millisecond whenever it is read, and otherwise when told to.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time        { return time.UnixMilli(c.ms.Add(1)).UTC() }
func (c *clock) move(by time.Duration) { c.ms.Add(by.Milliseconds()) }

func newClock(at string) *clock {
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	c := new(clock)
	c.ms.Store(t.UnixMilli())
	return c
}

const testOrigin = "ledger.lacuna.test"

// newWorld makes a world with an empty ledger in it.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		t: t, dir: filepath.Join(t.TempDir(), "crm"), clock: newClock("2026-05-04T12:00:00Z"),
		disk: logtest.NewDisk(), root: root{id: keystore.HolderID{1}},
		pages: map[uint64][]keystore.KV{}, heads: map[uint64]merkle.Hash{}, steps: map[string]int{},
		logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	w.makeFolder()
	if err := ledger.InitOn(t.Context(), ledger.InitOptions{Dir: w.dir, Origin: testOrigin, Now: w.clock.now}, w.seams()); err != nil {
		t.Fatal(err)
	}
	w.watch()
	return w
}

// makeFolder makes the ledger's folder on the disk, as durable as Init finds it: on
// a real disk it is made by whoever makes the folder's other files.
func (w *world) makeFolder() {
	fs := w.disk.FS()
	if err := fs.MkdirAll(w.dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	for dir := w.dir; ; dir = filepath.Dir(dir) {
		d, err := fs.OpenDir(dir)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			w.t.Fatal(err)
		}
		if dir == filepath.Dir(dir) {
			return
		}
	}
}

// watch makes every operation of the disk a step.
func (w *world) watch() {
	w.disk.Before(func(op logtest.Op) error {
		kind := filepath.Ext(op.Path)
		if kind == "" || strings.Contains(kind, "/") {
			kind = " other"
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.step("disk " + string(op.Kind) + " " + kind)
		return nil
	})
}

// step is where the power can fail. The caller holds mu.
func (w *world) step(name string) {
	if w.ledger != nil {
		h := w.ledger.Log().Head()
		w.heads[h.Size] = h.Root
	}
	w.steps[name]++
	if w.onStep != nil {
		w.onStep(name, w.steps[name])
	}
}

// during runs f with nothing else changing, and makes it a step.
func (w *world) during(name string, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	w.step(name)
}

func (w *world) seams() ledger.Seams {
	return ledger.Seams{
		Log: func(o *log.Options) {
			o.FS, o.Logger, o.HeadCopy = w.disk.FS(), w.logger, headCopy{w}
			if o.Signer != nil {
				o.Signer = signer{o.Signer, w}
			}
		},
		Holders: func() ([]keystore.Holder, error) { return []keystore.Holder{&memHolder{w: w}}, nil },
		Tree: func(o *keystore.Options) {
			o.PageTarget = pageTarget{w}
		},
		Erasure: func(o *erasure.Options) {
			o.Progress = func(_ erasure.ID, s erasure.State) { w.during("erasure "+s.String(), func() {}) }
			o.Sweeping = func(s string) { w.during("sweep "+s, func() {}) }
		},
	}
}

func (w *world) options() ledger.Options {
	return ledger.Options{Dir: w.dir, Now: w.clock.now, Warn: func(s string) { w.during("warn", func() { w.warned = append(w.warned, s) }) }}
}

func (w *world) tryOpen(ctx context.Context) (*ledger.Ledger, error) {
	l, err := ledger.OpenOn(ctx, w.options(), w.seams())
	if err == nil {
		w.during("opened", func() { w.ledger = l })
	}
	return l, err
}

// open opens the ledger; it is closed at the end of the test unless it was before.
func (w *world) open() *ledger.Ledger {
	w.t.Helper()
	l, err := w.tryOpen(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	return l
}

func (w *world) close(l *ledger.Ledger) {
	w.t.Helper()
	w.during("closing", func() { w.ledger = nil })
	if err := l.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// crash returns what a power failure would leave now: of what was not synced, so
// many percent survive. The caller holds mu. This world goes on.
func (w *world) crash(percent int, rng *rand.Rand) *world {
	c := &world{
		t: w.t, dir: w.dir, clock: newClock("2026-05-04T12:00:00Z"), disk: w.disk.Crash(percent, rng),
		root: w.root.clone(), pages: maps.Clone(w.pages), head: slices.Clone(w.head),
		heads: maps.Clone(w.heads), steps: map[string]int{}, logger: w.logger,
	}
	c.clock.ms.Store(w.clock.ms.Load())
	c.watch()
	return c
}

// crashNow is crash for who does not hold mu.
func (w *world) crashNow(percent int, rng *rand.Rand) *world {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.crash(percent, rng)
}

// checkHeads compares every head that was ever visible with the log.
func (w *world) checkHeads(ctx context.Context, l *ledger.Ledger) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for size, root := range w.heads {
		got, err := l.Log().RootAt(ctx, size)
		if err != nil {
			return err
		}
		if got != root {
			return errors.New("the log contradicts a head that was visible")
		}
	}
	return nil
}
