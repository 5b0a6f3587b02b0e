package log_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// A life is what happens to one log, from its creation over everything that
// touches its files to the end of the second process that has it open, on a disk
// that fails on the way.
type life struct {
	d  *logtest.Disk
	w  *world
	fs log.FS

	mu       sync.Mutex
	created  bool
	told     []error
	backup   *world // as of the backup that was acknowledged
	exported uint64 // size of the export that was acknowledged, plus one
	hit      *logtest.Op

	died chan struct{} // closed when the engine cannot go on: a program exits
	once sync.Once
}

// newLife makes the disk fail at the n-th operation that the fault can strike.
func newLife(f fault, n int) *life {
	return newLifeWhere(f, n, func(logtest.Op) bool { return true })
}

// newLifeWhere is newLife for some operations only.
func newLifeWhere(f fault, n int, where func(logtest.Op) bool) *life {
	r := &life{d: logtest.NewDisk(), w: newWorld(), died: make(chan struct{})}
	r.fs = r.d.FS()
	count := 0
	strike := func(op logtest.Op) error {
		if !slices.Contains(f.kinds, op.Kind) || !where(op) {
			return nil
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if count++; count < n || count >= n+f.times {
			return nil
		}
		if r.hit == nil {
			r.hit = &op
		}
		return f.err
	}
	r.d.Before(strike)
	r.d.BeforeRest(strike)
	return r
}

// try notes what somebody was told.
func (r *life) try(what string, err error) bool {
	if err == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, fmt.Errorf("%s: %w", what, err))
	return false
}

func (r *life) options(t testing.TB) log.Options {
	o := options(t)
	o.FS = r.fs
	o.CacheBytes = 1 << 20
	o.OnBroken = func(error) {
		var stack [16 << 10]byte
		if !strings.Contains(string(stack[:runtime.Stack(stack[:], false)]), "Fatalf") {
			return
		}
		// A program exits here. The test cannot, so it keeps the engine from going on.
		r.once.Do(func() { close(r.died) })
		select {}
	}
	return o
}

// run lives.
func (r *life) run(t testing.TB) {
	o := r.options(t)
	ctx := context.Background()
	for i := 0; ; i++ {
		err := log.Create("log", o)
		if r.try("Create", err) || i > 0 && errors.Is(err, log.ErrExists) {
			break
		}
		if i == 3 {
			return
		}
	}
	r.mu.Lock()
	r.created = true
	r.mu.Unlock()
	for generation := range 3 {
		var l *log.Log
		for i := 0; ; i++ {
			var err error
			if l, err = log.Open(ctx, "log", o); r.try("Open", err) {
				break
			}
			if i == 3 {
				return
			}
		}
		r.generation(t, l, generation)
		r.try("Close", l.Close())
		r.try("Unwell", l.Unwell()) // also of what the engine did until it was closed
		if l.Broken() != nil {
			return // the lock is held until the process ends
		}
	}
}

func (r *life) generation(t testing.TB, l *log.Log, generation int) {
	ctx := context.Background()
	add := func(n int) bool {
		acked, err := appendSome(l, fmt.Sprintf("generation %d, head %d", generation, l.Head().Size), n)
		if err == nil {
			r.w.ack(acked...)
			r.w.see(t, l)
		}
		return r.try("Append", err)
	}
	if !add(1) || !add(300) {
		return
	}
	if generation == 0 {
		r.try("Flush", log.Flush(l))
		if !add(2) {
			return
		}
		change := log.Change{
			Set:         []log.Row{{Key: []byte("k1"), Value: []byte("v")}},
			DeleteRange: [][2][]byte{{[]byte("k0"), []byte("k2")}},
		}
		if !r.try("Apply", l.Apply(ctx, change)) {
			return
		}
		r.try("Compact", l.Compact(ctx, []byte("e"), []byte("f")))
		then := r.w.now()
		if r.try("Backup", l.Backup(ctx, "backup")) {
			r.mu.Lock()
			r.backup = then
			r.mu.Unlock()
		}
		size := l.Head().Size
		for range 2 { // one that was interrupted can be finished
			if r.try("Export", l.Export(ctx, "export", nil)) {
				r.mu.Lock()
				r.exported = size + 1
				r.mu.Unlock()
				break
			}
		}
	}
	add(20)
}

// end waits until the life is over, or the process would have exited, and returns
// what contradicts what anybody was told.
func (r *life) end(t testing.TB, rng *rand.Rand) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.run(t)
	}()
	select {
	case <-done:
	case <-r.died:
		r.try("exit", log.ErrBroken)
	}
	r.mu.Lock()
	created, backup, exported := r.created, r.backup, r.exported
	r.mu.Unlock()
	then := r.w.now()
	for _, percent := range []int{0, 30 + rng.IntN(71)} {
		clone := r.d.Crash(percent, rng)
		if err := survives(t, clone, then, created); err != nil {
			return fmt.Errorf("%d%% of what was not synced survived: %w", percent, err)
		}
		if backup != nil {
			if err := opens(t, clone, "backup", backup); err != nil {
				return fmt.Errorf("the backup: %w", err)
			}
		}
		if exported > 0 {
			if err := folderHolds(folder{clone.FS(), "export"}, exported-1); err != nil {
				return fmt.Errorf("the export: %w", err)
			}
		}
	}
	return nil
}

// survives opens what a crash has left, and goes on in it.
func survives(t testing.TB, d *logtest.Disk, w *world, created bool) error {
	if !created {
		o := options(t)
		o.FS = d.FS()
		// Nobody was told that there is a log, so there may be one or none.
		if err := log.Create("log", o); err != nil && !errors.Is(err, log.ErrExists) {
			return err
		}
	}
	return opens(t, d, "log", w)
}

func opens(t testing.TB, d *logtest.Disk, dir string, w *world) error {
	o := options(t)
	o.FS = d.FS()
	l, err := log.Open(context.Background(), dir, o)
	if err != nil {
		return err
	}
	if err := w.now().refutes(l); err != nil {
		return err
	}
	if _, err := appendSome(l, "after", 3); err != nil {
		return err
	}
	return l.Close()
}

// folderHolds checks an exported folder, of that size at least.
func folderHolds(f folder, size uint64) error {
	ctx := context.Background()
	signed, err := f.read("checkpoint")
	if err != nil {
		return err
	}
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		return err
	}
	c, err := merkle.OpenCheckpoint(signed, origin, v)
	if err != nil {
		return err
	}
	if c.Size < size {
		return fmt.Errorf("size %d, an export of %d was acknowledged", c.Size, size)
	}
	for tile := range merkle.TilesOf(c.Size) {
		b, err := f.read(tile.Path())
		if err != nil {
			return err
		}
		hashes, err := merkle.ParseTile(b, tile.Width)
		if err != nil || tile.Level > 0 {
			return err
		}
		b, err = f.read(merkle.EntriesPath(tile.Index, tile.Width))
		if err != nil {
			return err
		}
		i := 0
		for e, err := range merkle.BundleEntries(b, tile.Width) {
			if err != nil {
				return err
			}
			if merkle.LeafHash(e) != hashes[i] {
				return fmt.Errorf("%s: entry %d differs", tile.Path(), i)
			}
			i++
		}
	}
	root, err := merkle.RootFromTiles(ctx, c.Size, merkle.AtSize(c.Size, func(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) {
		b, err := f.read(t.Path())
		if err != nil {
			return nil, err
		}
		return merkle.ParseTile(b, t.Width)
	}))
	if err == nil && root != c.Root {
		err = errors.New("another root")
	}
	return err
}
