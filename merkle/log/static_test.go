package log_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// folder serves the files of a directory of a file system, as a web server does.
type folder struct {
	fs  log.FS
	dir string
}

func (f folder) read(path string) ([]byte, error) {
	file, err := f.fs.Open(f.fs.PathJoin(append([]string{f.dir}, strings.Split(path, "/")...)...))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

func (f folder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := f.read(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(b)
}

// checkFolder compares a static log with the leaves: every tile and bundle that
// its checkpoint calls for.
func checkFolder(t testing.TB, f folder, leaves [][]byte) {
	t.Helper()
	h := parseHead(t, fetch(t, f, "checkpoint"))
	ref := &reference{leaves: leaves}
	if root := slowRoot(ref.leafHashes()); h.Size != uint64(len(leaves)) || h.Root != root {
		t.Fatalf("checkpoint of size %d and root %s, want %d and %s", h.Size, h.Root, len(leaves), root)
	}
	for tile := range merkle.TilesOf(h.Size) {
		var want []byte
		span := uint64(1) << (8 * tile.Level)
		for i := range uint64(tile.Width) {
			from := (tile.Index*256 + i) * span
			root := slowRoot(ref.hashes[from : from+span])
			want = append(want, root[:]...)
		}
		if !bytes.Equal(fetch(t, f, tile.Path()), want) {
			t.Fatalf("%s differs from the leaves", tile.Path())
		}
		if tile.Level > 0 {
			continue
		}
		want = nil
		for _, leaf := range leaves[tile.Index*256:][:tile.Width] {
			var err error
			if want, err = merkle.AppendBundleEntry(want, leaf); err != nil {
				t.Fatal(err)
			}
		}
		if path := merkle.EntriesPath(tile.Index, tile.Width); !bytes.Equal(fetch(t, f, path), want) {
			t.Fatalf("%s differs from the leaves", path)
		}
	}
}

// grow appends n leaves to a log and to a list.
func grow(t testing.TB, l *log.Log, list *[][]byte, n int) {
	t.Helper()
	es := make([]log.Entry, n)
	for i := range es {
		es[i] = log.Entry{Leaf: fmt.Appendf(nil, "leaf %d", len(*list)+i), Order: 1}
		*list = append(*list, es[i].Leaf)
	}
	for len(es) > 0 {
		part := es[:min(len(es), 5000)]
		if _, err := l.Append(t.Context(), part); err != nil {
			t.Fatal(err)
		}
		es = es[len(part):]
	}
}

func TestExport(t *testing.T) {
	// Empty, within the first tile, two levels, and once more without growing.
	t.Run("memory", func(t *testing.T) { testExport(t, log.MemFS(), "x", 0, 5, 300, 66_000, 0) })
	t.Run("disk", func(t *testing.T) { testExport(t, vfs.Default, t.TempDir(), 0, 5, 1000, 0) })
}

func testExport(t *testing.T, fs log.FS, tmp string, sizes ...int) {
	o := options(t)
	o.FS = fs
	l := create(t, fs.PathJoin(tmp, "log"), o)
	defer l.Close()
	dir := fs.PathJoin(tmp, "deep", "export")
	var leaves [][]byte
	for _, n := range sizes {
		grow(t, l, &leaves, n)
		var last, total uint64
		err := l.Export(t.Context(), dir, func(d, n uint64) {
			if d != last+1 || total != 0 && n != total {
				t.Errorf("progress %d of %d after %d of %d", d, n, last, total)
			}
			last, total = d, n
		})
		if err != nil {
			t.Fatal(err)
		}
		if last != total || total == 0 {
			t.Errorf("progress ended at %d of %d", last, total)
		}
		checkFolder(t, folder{fs, dir}, leaves)
	}
	if fs != vfs.Default {
		return
	}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && strings.Contains(info.Name(), ".new") {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestExportRefuses(t *testing.T) {
	o := options(t)
	l := create(t, "log", o)
	defer l.Close()
	var list [][]byte
	grow(t, l, &list, 300)
	old := l.Snapshot()
	defer old.Close()
	grow(t, l, &list, 300)
	if err := l.Export(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	var rolled log.ErrRolledBack
	if err := old.Export(t.Context(), "x", nil); !errors.As(err, &rolled) {
		t.Errorf("exporting an old state over a newer one: got %v, want ErrRolledBack", err)
	}
	// Another log with the same origin and key.
	o2 := o
	l2 := create(t, "log2", o2)
	defer l2.Close()
	if _, err := l2.Append(t.Context(), manyLeaves(700)); err != nil {
		t.Fatal(err)
	}
	if err := l2.Export(t.Context(), "x", nil); !errors.As(err, &rolled) {
		t.Errorf("exporting a fork: got %v, want ErrRolledBack", err)
	}
	// A file that was changed.
	path := o.FS.PathJoin("x", "tile", "0", "000")
	f, err := o.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 8192)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Export(t.Context(), "x", nil); err == nil || !strings.Contains(err.Error(), "tile/0/000") {
		t.Errorf("exporting over a changed file: got %v, want its path", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = l.Export(ctx, "y", func(done, _ uint64) {
		if done == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if _, err := (folder{o.FS, "y"}).read("checkpoint"); err == nil {
		t.Error("a cancelled export has a checkpoint")
	}
	if err := l.Export(t.Context(), "y", nil); err != nil {
		t.Fatal(err)
	}
	checkFolder(t, folder{o.FS, "y"}, list)
}

// TestExportCrash cuts the power before every operation of a second export. What
// is left always has a checkpoint with everything that it calls for, and the
// export can be finished.
func TestExportCrash(t *testing.T) {
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	l := create(t, "log", o)
	defer l.Close()
	var list [][]byte
	grow(t, l, &list, 700)
	if err := l.Export(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	before := len(list)
	grow(t, l, &list, 400)
	rng := rand.New(rand.NewPCG(7, 7))
	var mu sync.Mutex
	var disks []*logtest.Disk
	d.Before(func(logtest.Op) error {
		mu.Lock()
		defer mu.Unlock()
		disks = append(disks, d.Crash([]int{0, 50, 100}[len(disks)%3], rng))
		return nil
	})
	if err := l.Export(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	d.Before(nil)
	for i, disk := range disks {
		f := folder{disk.FS(), "x"}
		n := before
		if parseHead(t, fetch(t, f, "checkpoint")).Size != uint64(before) {
			n = len(list)
		}
		checkFolder(t, f, list[:n])
		o.FS = disk.FS()
		after := open(t, "log", o)
		if err := after.Export(t.Context(), "x", nil); err != nil {
			t.Fatalf("crash %d: finishing the export: %v", i, err)
		}
		checkFolder(t, f, list)
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d crashes", len(disks))
}

func TestExportFails(t *testing.T) {
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	l := create(t, "log", o)
	defer l.Close()
	var list [][]byte
	grow(t, l, &list, 700)
	d.Before(func(op logtest.Op) error {
		if op.Kind == logtest.Sync && strings.HasPrefix(op.Path, "x/") {
			return syscall.EIO
		}
		return nil
	})
	if err := l.Export(t.Context(), "x", nil); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want EIO", err)
	}
	d.Before(nil)
	if err := l.Export(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	checkFolder(t, folder{o.FS, "x"}, list)
}
