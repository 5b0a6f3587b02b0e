package log_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// TestBackup makes backups while others append. Each must open as a log of its
// own that holds all that was acknowledged before it was begun, survive a crash
// as soon as Backup has returned, and be a prefix of what came later.
func TestBackup(t *testing.T) {
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	l := create(t, "log", o)
	w := newWorld()
	calls := 300
	if slow {
		calls = 20
	}
	var wg sync.WaitGroup
	for c := range 4 {
		wg.Go(func() {
			for i := range calls {
				acked, err := appendSome(l, fmt.Sprintf("%d of %d", i, c), 1+i%50)
				if err != nil {
					t.Error(err)
					return
				}
				w.ack(acked...)
			}
		})
	}
	for i := range 4 {
		then := w.now()
		dir := fmt.Sprintf("backup %d", i)
		if err := l.Backup(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		// Everything but the backup is torn.
		after := d.Crash(i*25, rand.New(rand.NewPCG(uint64(i), 1)))
		o := options(t)
		o.FS = after.FS()
		b := open(t, dir, o)
		if err := then.refutes(b); err != nil {
			t.Errorf("backup %d: %v", i, err)
		}
		if err := w.note(b.Head()); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := l.Backup(t.Context(), dir); err == nil {
			t.Error("a backup overwrote another")
		}
	}
	wg.Wait()
	if err := w.refutes(l); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Backup(ctx, "cancelled"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Backup(t.Context(), "closed"); !errors.Is(err, log.ErrClosed) {
		t.Errorf("of a closed log: got %v, want ErrClosed", err)
	}
}

// TestBackupOnDisk uses hard links.
func TestBackupOnDisk(t *testing.T) {
	o := options(t)
	o.FS = vfs.Default
	tmp := t.TempDir()
	l := create(t, filepath.Join(tmp, "log"), o)
	w := newWorld()
	acked, err := appendSome(l, "x", 3000)
	if err != nil {
		t.Fatal(err)
	}
	w.ack(acked...)
	if err := log.Flush(l); err != nil {
		t.Fatal(err)
	}
	if err := l.Backup(t.Context(), filepath.Join(tmp, "a", "backup")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b := open(t, filepath.Join(tmp, "a", "backup"), o)
	if err := w.refutes(b); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}
