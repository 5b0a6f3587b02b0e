package log_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// faults of a disk: how it fails the write-ahead log from now on.
var faults = map[string]func(d *logtest.Disk){
	"EIO on sync": func(d *logtest.Disk) { failOps(d, logtest.Sync, ".log", syscall.EIO) },
	"ENOSPC on write": func(d *logtest.Disk) {
		failOps(d, logtest.Write, ".log", syscall.ENOSPC)
	},
	"short write":  func(d *logtest.Disk) { failOps(d, logtest.Write, ".log", logtest.ErrShort) },
	"sync is lost": func(d *logtest.Disk) { failOps(d, logtest.Sync, ".log", logtest.ErrLost) },
}

func failOps(d *logtest.Disk, kind logtest.Kind, suffix string, err error) {
	d.Before(func(op logtest.Op) error {
		if op.Kind == kind && strings.HasSuffix(op.Path, suffix) {
			return err
		}
		return nil
	})
}

// TestFaults breaks the disk under a running log. The first failed commit must
// be the last call on the database, nobody may be told of success after it, and
// what was acknowledged before must be there when the log is opened anew.
func TestFaults(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			d := logtest.NewDisk()
			o := options(t)
			o.FS = d.FS()
			told := make(chan error, 10)
			o.OnBroken = func(err error) { told <- err }
			l := create(t, "log", o)
			w := newWorld()
			for i := range 5 {
				acked, err := appendSome(l, fmt.Sprint(i), 60)
				if err != nil {
					t.Fatal(err)
				}
				w.ack(acked...)
				w.see(t, l)
			}
			before := l.Head()
			snap := l.Snapshot()
			fault(d)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					if _, err := appendSome(l, fmt.Sprintf("lost %d", i), 1); !errors.Is(err, log.ErrBroken) {
						t.Errorf("append on a failing disk: got %v, want ErrBroken", err)
					}
				})
			}
			wg.Wait()
			d.Before(nil)

			// The disk is well again, the log is not.
			ctx := context.Background()
			checks := map[string]error{
				"Append":  second(appendSome(l, "later", 1)),
				"Apply":   l.Apply(ctx, log.Change{Set: []log.Row{{Key: []byte("k"), Value: []byte("v")}}}),
				"Get":     second(l.Get(ctx, indexKey("e", 0))),
				"Scan":    l.Scan(ctx, []byte("e"), []byte("f"), func(_, _ []byte) error { return nil }),
				"Leaf":    second(l.Leaf(ctx, 0)),
				"RootAt":  second(l.RootAt(ctx, 1)),
				"Fsck":    l.Fsck(ctx, nil),
				"Backup":  l.Backup(ctx, "backup"),
				"Export":  l.Export(ctx, "export", nil),
				"Compact": l.Compact(ctx, []byte("e"), []byte("f")),
				"old":     second(snap.Leaf(ctx, 0)),
				"Broken":  l.Broken(),
				"Close":   l.Close(),
			}
			snap.Close()
			for call, err := range checks {
				if !errors.Is(err, log.ErrBroken) {
					t.Errorf("%s on a broken log: got %v, want ErrBroken", call, err)
				}
			}
			if err := <-told; !errors.Is(err, log.ErrBroken) || len(told) > 0 {
				t.Errorf("OnBroken was told %v, and of %d more", err, len(told))
			}
			if l.Head().Size != before.Size {
				t.Errorf("head of size %d, want %d", l.Head().Size, before.Size)
			}
			// Close did not touch the database: the lock is still held.
			if _, err := log.Open(ctx, "log", o); !errors.Is(err, log.ErrLocked) {
				t.Errorf("opening a broken log in the same process: got %v, want ErrLocked", err)
			}
			for _, percent := range []int{0, 50, 100} {
				rng := rand.New(rand.NewPCG(5, uint64(percent)))
				if err := resume(t, d.Crash(percent, rng), w.now(), "fault", rng); err != nil {
					t.Errorf("%d%% of what was not synced survived: %v", percent, err)
				}
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// TestFaultWhileClosing breaks the disk before the head is stored.
func TestFaultWhileClosing(t *testing.T) {
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	l := create(t, "log", o)
	w := newWorld()
	acked, err := appendSome(l, "x", 3)
	if err != nil {
		t.Fatal(err)
	}
	w.ack(acked...)
	w.see(t, l)
	failOps(d, logtest.Sync, ".log", syscall.EIO)
	if err := l.Close(); !errors.Is(err, log.ErrBroken) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v, want ErrBroken and EIO", err)
	}
	if err := resume(t, d.Crash(0, nil), w, "closing", rand.New(rand.NewPCG(1, 2))); err != nil {
		t.Fatal(err)
	}
}

// TestFatal breaks the disk where the engine cannot go on at all: the manifest,
// written in the background. Its goroutine must not survive, nor may anybody be
// told of success while it lasts.
func TestFatal(t *testing.T) {
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	got := make(chan error, 1)
	o.OnBroken = func(err error) {
		got <- err
		// A program exits here. The test cannot, so it keeps the engine's goroutine
		// from panicking.
		select {}
	}
	l := create(t, "log", o)
	w := newWorld()
	acked, err := appendSome(l, "before", 3)
	if err != nil {
		t.Fatal(err)
	}
	w.ack(acked...)
	w.see(t, l)
	d.Before(func(op logtest.Op) error {
		if op.Kind == logtest.Sync && strings.Contains(op.Path, "MANIFEST") {
			return syscall.EIO
		}
		return nil
	})
	go log.Flush(l) // does not return
	if err := <-got; !errors.Is(err, log.ErrBroken) || !strings.Contains(err.Error(), "MANIFEST") {
		t.Errorf("got %v, want ErrBroken and the manifest", err)
	}
	if _, err := appendSome(l, "later", 1); !errors.Is(err, log.ErrBroken) {
		t.Errorf("append: got %v, want ErrBroken", err)
	}
	if err := l.Close(); !errors.Is(err, log.ErrBroken) {
		t.Errorf("Close: got %v, want ErrBroken", err)
	}
	if err := resume(t, d.Crash(0, nil), w, "fatal", rand.New(rand.NewPCG(1, 2))); err != nil {
		t.Fatal(err)
	}
}

// TestFatalPanics is TestFatal where nobody exits: the engine must not go on.
func TestFatalPanics(t *testing.T) {
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "all is lost") {
			t.Errorf("recovered %v, want the message", r)
		}
	}()
	o := options(t)
	told := false
	o.OnBroken = func(error) { told = true }
	defer func() {
		if !told {
			t.Error("OnBroken was not called")
		}
	}()
	l := create(t, "log", o)
	log.Fatalf(l, "all is %s", "lost")
}

// TestBackgroundErrors fails the writing of tables, which the engine does behind
// our back and retries for ever.
func TestBackgroundErrors(t *testing.T) {
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	l := create(t, "log", o)
	w := newWorld()
	acked, err := appendSome(l, "before", 3)
	if err != nil {
		t.Fatal(err)
	}
	w.ack(acked...)
	failed := make(chan struct{})
	var once sync.Once
	d.Before(func(op logtest.Op) error {
		if op.Kind == logtest.Create && strings.HasSuffix(op.Path, ".sst") {
			once.Do(func() { close(failed) })
			return syscall.ENOSPC
		}
		return nil
	})
	flushed := make(chan error)
	go func() { flushed <- log.Flush(l) }()
	<-failed
	for l.Unwell() == nil {
		_ = status(l.Handler(), "checkpoint")
	}
	if _, err := l.Enqueue([]log.Entry{{Leaf: []byte("x")}}); !errors.Is(err, log.ErrUnwell) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ErrUnwell and ENOSPC", err)
	}
	// Reading goes on.
	if err := w.refutes(l); err != nil {
		t.Error(err)
	}
	d.Before(nil)
	if err := <-flushed; err != nil {
		t.Error(err)
	}
	if _, err := l.Enqueue([]log.Entry{{Leaf: []byte("x")}}); !errors.Is(err, log.ErrUnwell) {
		t.Errorf("after the disk is well again: got %v, want ErrUnwell until the log is opened anew", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, "log", o)
	if _, err := appendSome(l, "after", 1); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDiskFull(t *testing.T) {
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	o.MinFree = 1000
	d.SetFree(5000)
	l := create(t, "log", o)
	if _, err := appendSome(l, "a", 1); err != nil {
		t.Fatal(err)
	}
	// The sequencer looks after each group, so one more gets in.
	d.SetFree(999)
	if _, err := appendSome(l, "b", 1); err != nil {
		t.Fatal(err)
	}
	change := log.Change{Set: []log.Row{{Key: []byte("k"), Value: []byte("v")}}}
	for range 2 {
		if err := l.Apply(t.Context(), change); err != nil {
			t.Fatalf("a change with little room: %v", err)
		}
		if _, err := appendSome(l, "c", 1); !errors.Is(err, log.ErrDiskFull) {
			t.Fatalf("append with too little room: got %v, want ErrDiskFull", err)
		}
	}
	d.SetFree(249)
	if err := l.Apply(t.Context(), change); !errors.Is(err, log.ErrDiskFull) {
		t.Fatalf("a change with next to no room: got %v, want ErrDiskFull", err)
	}
	d.SetFree(1000)
	if _, err := appendSome(l, "d", 1); err != nil {
		t.Fatalf("append when there is room again: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	d.SetFree(124)
	if _, err := log.Open(t.Context(), "log", o); !errors.Is(err, log.ErrDiskFull) {
		t.Fatalf("opening with no room at all: got %v, want ErrDiskFull", err)
	}
	o.ReadOnly = true
	l = open(t, "log", o)
	if l.Head().Size != 3 {
		t.Errorf("size %d, want 3", l.Head().Size)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
