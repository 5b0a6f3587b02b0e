package log_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// oneLine fails if an error is not fit to be shown to an operator.
func oneLine(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("error of several lines: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	otherKey := func() (merkle.Signer, string) {
		skey, vkey, err := merkle.GenerateKey(rand.Reader, origin)
		if err != nil {
			t.Fatal(err)
		}
		s, err := merkle.NewSigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		return s, vkey
	}
	tests := []struct {
		name string
		dir  string
		edit func(o *log.Options)
		want error
	}{
		{"no directory", "nowhere", nil, log.ErrNoLog},
		{"another origin", "log", func(o *log.Options) { o.Origin = "other.example" }, log.ErrWrongOrigin},
		{"another signer", "log", func(o *log.Options) { o.Signer, _ = otherKey() }, log.ErrWrongKey},
		{"another public key", "log", func(o *log.Options) { _, o.VKey = otherKey() }, log.ErrWrongKey},
		{"another key", "log", func(o *log.Options) { o.Signer, o.VKey = otherKey() }, log.ErrWrongKey},
		{"no signer", "log", func(o *log.Options) { o.Signer = nil }, nil},
		{"a space of the log", "log", func(o *log.Options) { o.Spaces = []byte("et") }, log.ErrSpace},
		{"a huge group", "log", func(o *log.Options) { o.MaxGroupBytes = 1 << 30 }, nil},
		{"an origin of two lines", "log", func(o *log.Options) { o.Origin = "a\nb" }, nil},
	}
	o := options(t)
	l := create(t, "log", o)
	if _, err := appendSome(l, "x", 300); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := o
			if test.edit != nil {
				test.edit(&o)
			}
			_, err := log.Open(t.Context(), test.dir, o)
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			oneLine(t, err)
		})
	}
	// None of this has done harm.
	l = open(t, "log", o)
	if l.Head().Size != 300 || l.Origin() != origin || l.VKey() != vkey {
		t.Errorf("size %d, origin %q, key %s", l.Head().Size, l.Origin(), l.VKey())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.Origin, o.VKey = "", ""
	l = open(t, "log", o)
	if l.Head().Size != 300 || l.Origin() != origin {
		t.Errorf("with the stored origin: size %d, origin %q", l.Head().Size, l.Origin())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCreateRefuses(t *testing.T) {
	o := options(t)
	for name, edit := range map[string]func(o *log.Options){
		"no origin":     func(o *log.Options) { o.Origin = "" },
		"no signer":     func(o *log.Options) { o.Signer = nil },
		"no public key": func(o *log.Options) { o.VKey = "" },
		"another key": func(o *log.Options) {
			_, o.VKey, _ = merkle.GenerateKey(rand.Reader, origin)
		},
		"not a key": func(o *log.Options) { o.VKey = "x" },
	} {
		o := o
		edit(&o)
		err := log.Create("log", o)
		if err == nil {
			t.Errorf("%s: created", name)
		}
		oneLine(t, err)
	}
	if err := log.Create("log", o); err != nil {
		t.Fatal(err)
	}
	if err := log.Create("log", o); !errors.Is(err, log.ErrExists) {
		t.Errorf("creating twice: got %v, want ErrExists", err)
	}
	l := open(t, "log", o)
	if err := log.Create("log", o); !errors.Is(err, log.ErrLocked) {
		t.Errorf("creating over an open log: got %v, want ErrLocked", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDirectories uses the real file system, whose errors differ from those in
// memory.
func TestDirectories(t *testing.T) {
	o := options(t)
	o.FS = vfs.Default
	dir := filepath.Join(t.TempDir(), "a", "log")
	for name, path := range map[string]string{"no directory": dir, "an empty directory": t.TempDir()} {
		_, err := log.Open(t.Context(), path, o)
		if !errors.Is(err, log.ErrNoLog) {
			t.Errorf("%s: got %v, want ErrNoLog", name, err)
		}
		oneLine(t, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open made the directory: %v", err)
	}
	l := create(t, dir, o)
	for _, edit := range []func(o *log.Options){func(*log.Options) {}, func(o *log.Options) { o.ReadOnly = true }} {
		o := o
		edit(&o)
		_, err := log.Open(t.Context(), dir, o)
		if !errors.Is(err, log.ErrLocked) {
			t.Errorf("opening twice: got %v, want ErrLocked", err)
		}
		oneLine(t, err)
	}
	if _, err := appendSome(l, "x", 1); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); !errors.Is(err, log.ErrClosed) {
		t.Errorf("closing twice: got %v, want ErrClosed", err)
	}
	if _, err := l.Leaf(t.Context(), 0); !errors.Is(err, log.ErrClosed) {
		t.Errorf("reading a closed log: got %v, want ErrClosed", err)
	}
	if _, err := l.Enqueue([]log.Entry{{Leaf: []byte("x")}}); !errors.Is(err, log.ErrClosed) {
		t.Errorf("appending to a closed log: got %v, want ErrClosed", err)
	}
	if l.Head().Size != 1 {
		t.Errorf("a closed log has forgotten its head")
	}
}

// TestDamagedTable damages a file of the database.
func TestDamagedTable(t *testing.T) {
	damage := map[string]struct {
		file func(b []byte) []byte // nil removes the file
		open error                 // what Open says; nil: only Fsck and reads notice
	}{
		"truncated": {func(b []byte) []byte { return b[:len(b)/2] }, log.ErrCorrupt},
		"missing":   {nil, log.ErrCorrupt},
		"a flipped bit in a leaf": {func(b []byte) []byte {
			i := strings.Index(string(b), "leaf to find")
			b[i] ^= 1
			return b
		}, nil},
	}
	for name, d := range damage {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			o.FS = vfs.Default
			dir := filepath.Join(t.TempDir(), "log")
			l := create(t, dir, o)
			// More than one level-1 tile, so that opening does not read the first bundle.
			if _, err := appendSome(l, "leaf to find", 1); err != nil {
				t.Fatal(err)
			}
			for range 130 {
				if _, err := l.Append(t.Context(), manyLeaves(600)); err != nil {
					t.Fatal(err)
				}
			}
			if err := log.Flush(l); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
			if err != nil || len(tables) == 0 {
				t.Fatal(tables, err)
			}
			hit := 0
			for _, path := range tables {
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(string(b), "leaf to find") {
					continue
				}
				hit++
				if d.file == nil {
					err = os.Remove(path)
				} else {
					err = os.WriteFile(path, d.file(b), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if hit == 0 {
				t.Fatal("the leaf is in no table")
			}
			l, err = log.Open(t.Context(), dir, o)
			oneLine(t, err)
			if d.open != nil {
				if !errors.Is(err, d.open) {
					t.Fatalf("opening: got %v, want %v", err, d.open)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, err = l.Leaf(t.Context(), 0)
			if !errors.Is(err, log.ErrCorrupt) {
				t.Errorf("reading the leaf: got %v, want ErrCorrupt", err)
			}
			oneLine(t, err)
			if err := l.Unwell(); !errors.Is(err, log.ErrCorrupt) {
				t.Errorf("after a damaged file was read: got %v, want ErrCorrupt", err)
			}
			if err := l.Fsck(context.Background(), nil); !errors.Is(err, log.ErrCorrupt) {
				t.Errorf("fsck: got %v, want ErrCorrupt", err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// manyLeaves are entries without rows.
func manyLeaves(n int) []log.Entry {
	es := make([]log.Entry, n)
	for i := range es {
		es[i].Leaf = []byte{1, 0, byte(i), byte(i >> 8)}
	}
	return es
}

func TestReadOnly(t *testing.T) {
	o := options(t)
	l := create(t, "log", o)
	acked, err := appendSome(l, "x", 700)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// After a log was closed in peace, everything is there without a signer.
	r := log.Options{FS: o.FS, Spaces: o.Spaces, ReadOnly: true, Logger: o.Logger}
	ro := open(t, "log", r)
	if got, want := ro.Head(), l.Head(); string(got.Signed) != string(want.Signed) {
		t.Fatalf("head:\n%s\nwant:\n%s", got.Signed, want.Signed)
	}
	w := newWorld()
	w.ack(acked...)
	if err := w.refutes(ro); err != nil {
		t.Fatal(err)
	}
	if _, err := ro.Enqueue([]log.Entry{{Leaf: []byte("x")}}); !errors.Is(err, log.ErrReadOnly) {
		t.Errorf("Enqueue: got %v, want ErrReadOnly", err)
	}
	if _, err := ro.EnqueueChange(log.Change{Set: []log.Row{{Key: []byte("k")}}}); !errors.Is(err, log.ErrReadOnly) {
		t.Errorf("EnqueueChange: got %v, want ErrReadOnly", err)
	}
	if err := ro.Compact(t.Context(), []byte("e"), []byte("f")); !errors.Is(err, log.ErrReadOnly) {
		t.Errorf("Compact: got %v, want ErrReadOnly", err)
	}
	if err := ro.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestReadOnlyAfterCrash: the database may hold a group more than the stored
// head, of which nobody can say that it is durable. Nothing is signed, nothing
// is written, and what is shown is the stored head.
func TestReadOnlyAfterCrash(t *testing.T) {
	disk, w := crashAt(t, crash{"published", 3}, false, 0, nil, nil)
	wrote := 0
	disk.Before(func(op logtest.Op) error {
		if !strings.HasSuffix(op.Path, "LOCK") {
			wrote++
			t.Logf("%s %s", op.Kind, op.Path)
		}
		return nil
	})
	l := open(t, "log", log.Options{FS: disk.FS(), Spaces: []byte(testSpaces), ReadOnly: true})
	// Three groups of 1, 3 and 300 entries were published; the stored head is the
	// one before the last.
	if l.Head().Size != 4 || !bytes.Equal(l.Head().Signed, w.heads[4].Signed) {
		t.Errorf("head of size %d, want the stored one of 4", l.Head().Size)
	}
	if _, err := l.Leaf(t.Context(), 4); !errors.Is(err, log.ErrNotFound) {
		t.Errorf("leaf beyond the head: got %v, want ErrNotFound", err)
	}
	if root, err := l.RootAt(t.Context(), 4); err != nil || root != l.Head().Root {
		t.Errorf("root: %s, %v", root, err)
	}
	if err := l.Fsck(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if wrote > 0 {
		t.Errorf("%d operations changed the disk", wrote)
	}
}

// TestOpenCancelled: the engine retries a failing flush for ever while it opens.
func TestOpenCancelled(t *testing.T) {
	disk, _ := crashAt(t, crash{"published", 3}, false, 0, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	disk.Before(func(op logtest.Op) error {
		if op.Kind == logtest.Create && strings.HasSuffix(op.Path, ".sst") {
			cancel()
			return syscall.ENOSPC
		}
		return nil
	})
	o := options(t)
	o.FS = disk.FS()
	if _, err := log.Open(ctx, "log", o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	// When the disk is well again the abandoned opening ends and lets go.
	disk.Before(nil)
	for {
		l, err := log.Open(t.Context(), "log", o)
		if errors.Is(err, log.ErrLocked) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if l.Head().Size != 304 {
			t.Errorf("size %d, want 304", l.Head().Size)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
}
