package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// crashDisk is a disk whose power can be cut.
type crashDisk struct{ fs log.FS }

func (d crashDisk) create(path string, b []byte) error {
	f, err := d.fs.Create(path, "")
	if err != nil {
		return err
	}
	_, err = f.Write(bytes.Clone(b))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (d crashDisk) read(path string, limit int) ([]byte, error) {
	f, err := d.fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err == nil && len(b) > limit {
		err = errTooLong
	}
	return b, err
}

func (d crashDisk) rename(from, to string) error { return d.fs.Rename(from, to) }
func (d crashDisk) mkdir(path string) error      { return d.fs.MkdirAll(path, 0o755) }
func (d crashDisk) removeAll(path string) error  { return d.fs.RemoveAll(path) }

func (d crashDisk) syncDir(path string) error {
	f, err := d.fs.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// crashMirror is a mirror on such a disk.
func crashMirror(t testing.TB, h *history, d *logtest.Disk, src Source) *Mirror {
	t.Helper()
	disk := crashDisk{d.FS()}
	if err := makeDir(disk, "m"); err != nil {
		t.Fatal(err)
	}
	return &Mirror{Source: src, Log: testLog(t, h), dir: "m", disk: disk, folder: diskSource{disk}, Parallel: 2}
}

// TestMakeDir cuts the power after a folder was made: it is there, with all that is
// above it, also where an earlier attempt was interrupted anywhere. The control:
// syncing only the folder above it, as a mirror once did, loses it.
func TestMakeDir(t *testing.T) {
	const dir = "a/b/c/m"
	lost := func(d *logtest.Disk) bool { _, err := d.Crash(0, nil).FS().Stat(dir); return err != nil }
	for cut := range 6 {
		d := logtest.NewDisk()
		n := 0
		d.Before(func(logtest.Op) error {
			if n++; n > cut {
				return syscall.EIO
			}
			return nil
		})
		_ = makeDir(crashDisk{d.FS()}, dir)
		d.Before(nil)
		if err := makeDir(crashDisk{d.FS()}, dir); err != nil || lost(d) {
			t.Errorf("interrupted before operation %d: %v, lost %t", cut+1, err, lost(d))
		}
	}
	d := logtest.NewDisk()
	disk := crashDisk{d.FS()}
	if err := errors.Join(disk.mkdir(dir), disk.syncDir("a/b/c")); err != nil || !lost(d) {
		t.Errorf("the control is not lost: %v", err)
	}
}

// diskSource reads a mirror on such a disk.
type diskSource struct{ crashDisk }

func (d diskSource) String() string { return "disk" }

func (d diskSource) Fetch(_ context.Context, path string, _ int) ([]byte, error) {
	return d.fetch(path)
}

func (d diskSource) fetch(path string) ([]byte, error) {
	return d.read(filepath.Join("m", filepath.FromSlash(path)), maxBundle)
}

// TestMirrorCrash cuts the power before every operation of an update that
// continues a mirror. What is left always has a checkpoint with everything that
// it covers, no file that is wrong, and can be completed.
func TestMirrorCrash(t *testing.T) {
	h := newHistory(t).grow(1300, "a")
	old, want := h.files(t, 700), h.files(t, 1300)
	d := logtest.NewDisk()
	mustUpdate(t, crashMirror(t, h, d, old), 700)
	rng := rand.New(rand.NewPCG(7, 7))
	var mu sync.Mutex
	var disks []*logtest.Disk
	d.Before(func(logtest.Op) error {
		mu.Lock()
		defer mu.Unlock()
		disks = append(disks, d.Crash([]int{0, 50, 100}[len(disks)%3], rng))
		return nil
	})
	mustUpdate(t, crashMirror(t, h, d, want), 1300)
	d.Before(nil)
	for i, disk := range disks {
		if err := complete(disk, old, want); err != nil {
			t.Errorf("crash %d: %v", i, err)
		}
		// Again and again, an update that is finished after a crash may crash too.
		m := crashMirror(t, h, disk, want)
		cut := i % 11
		var after *logtest.Disk
		disk.Before(func(logtest.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if cut--; cut == 0 {
				after = disk.Crash(50, rng)
			}
			return nil
		})
		mustUpdate(t, m, 1300)
		disk.Before(nil)
		if after != nil {
			if err := complete(after, old, want); err != nil {
				t.Errorf("crash %d, and once more: %v", i, err)
			}
			mustUpdate(t, crashMirror(t, h, after, want), 1300)
			if err := complete(after.Crash(0, nil), want, want); err != nil {
				t.Errorf("crash %d, and once more, mended: %v", i, err)
			}
		}
		// What an update says is durable.
		if err := complete(disk.Crash(0, nil), want, want); err != nil {
			t.Errorf("crash %d, mended: %v", i, err)
		}
	}
	t.Logf("%d crashes", len(disks))
}

// TestMirrorCrashControl shows that the check can fail: a disk that does not
// sync directories loses what a checkpoint covers.
func TestMirrorCrashControl(t *testing.T) {
	h := newHistory(t).grow(1300, "a")
	want := h.files(t, 1300)
	d := logtest.NewDisk()
	m := crashMirror(t, h, d, want)
	m.disk = forgetful{crashDisk{d.FS()}}
	mustUpdate(t, m, 1300)
	if err := complete(d.Crash(0, nil), want, want); err == nil {
		t.Error("a mirror that was never synced is complete after a crash")
	}
}

// forgetful syncs no directory but the top one.
type forgetful struct{ crashDisk }

func (f forgetful) syncDir(path string) error {
	if path != "m" {
		return nil
	}
	return f.crashDisk.syncDir(path)
}

// complete checks that a mirror holds all that its checkpoint covers, which is
// one of two, and nothing that is wrong.
func complete(d *logtest.Disk, old, want files) error {
	src := diskSource{crashDisk{d.FS()}}
	c, err := src.fetch("checkpoint")
	if err != nil {
		return err
	}
	covered := old
	switch {
	case bytes.Equal(c, want["checkpoint"]):
		covered = want
	case !bytes.Equal(c, old["checkpoint"]):
		return fmt.Errorf("the checkpoint is none that was shown: %q", c)
	}
	for path, b := range covered {
		got, err := src.fetch(path)
		if errors.Is(err, fs.ErrNotExist) && strings.Contains(path, ".p/") {
			// Its place may have been taken by the full one.
			whole, _, _ := strings.Cut(path, ".p/")
			if got, err = src.fetch(whole); err == nil {
				got, b = got[:min(len(got), len(b))], b[:min(len(got), len(b))]
			}
		}
		if err != nil || !bytes.Equal(got, b) {
			return fmt.Errorf("%s is missing or wrong, and the checkpoint covers it (%v)", path, err)
		}
	}
	for path, b := range want {
		if got, err := src.fetch(path); err == nil && path != "checkpoint" && !bytes.Equal(got, b) {
			return fmt.Errorf("%s is wrong", path)
		}
	}
	return nil
}

// A disk that fails in the middle ends an update, and the next one completes it.
func TestMirrorFails(t *testing.T) {
	h := newHistory(t).grow(1300, "a")
	want := h.files(t, 1300)
	for _, kind := range []logtest.Kind{logtest.Create, logtest.Write, logtest.Sync, logtest.Rename, logtest.Mkdir} {
		for at := range 12 {
			d := logtest.NewDisk()
			m := crashMirror(t, h, d, want)
			n, failed := 0, false
			var mu sync.Mutex
			d.Before(func(op logtest.Op) error {
				mu.Lock()
				defer mu.Unlock()
				if op.Kind != kind {
					return nil
				}
				if n++; n == 1+at*2 {
					failed = true
					return syscall.EIO
				}
				return nil
			})
			_, err := m.Update(t.Context())
			d.Before(nil)
			if !failed {
				continue
			}
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("%s %d: got %v, want EIO", kind, at, err)
			}
			if _, err := m.disk.read("m/checkpoint", maxCheckpoint); err == nil && kind != logtest.Sync {
				t.Errorf("%s %d: there is a checkpoint", kind, at)
			}
			mustUpdate(t, m, 1300)
			if err := complete(d.Crash(0, nil), want, want); err != nil {
				t.Errorf("%s %d: %v", kind, at, err)
			}
		}
	}
}

// A state survives a crash before any operation, as the old one or the new.
func TestStateCrash(t *testing.T) {
	h := newHistory(t).grow(1300, "a")
	l := testLog(t, h)
	d := logtest.NewDisk()
	f := &StateFile{path: "state", disk: crashDisk{d.FS()}, state: newState(l)}
	a := &Auditor{Source: h.files(t, 700), Log: l, State: f, saveEvery: 1}
	mustRound(t, a, 700)
	rng := rand.New(rand.NewPCG(1, 1))
	var disks []*logtest.Disk
	d.Before(func(logtest.Op) error {
		disks = append(disks, d.Crash([]int{0, 50, 100}[len(disks)%3], rng))
		return nil
	})
	a.Source = h.files(t, 1300)
	mustRound(t, a, 1300)
	d.Before(nil)
	before := merkle.Checkpoint{}
	for i, disk := range disks {
		b, err := crashDisk{disk.FS()}.read("state", maxState)
		if err != nil {
			t.Fatalf("crash %d: %v", i, err)
		}
		s, err := ParseState(b, l)
		if err != nil {
			t.Fatalf("crash %d: %v", i, err)
		}
		verified, _, err := s.heads(l)
		if err != nil || verified.Size < before.Size {
			t.Fatalf("crash %d: size %d after %d (%v)", i, verified.Size, before.Size, err)
		}
		a := &Auditor{Source: h.files(t, 1300), Log: l, State: &StateFile{path: "state", disk: crashDisk{disk.FS()}, state: s}}
		mustRound(t, a, 1300)
	}
	t.Logf("%d crashes", len(disks))
}
