package holder_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/holder/holdertest"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

var ctx = context.Background()

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestConformance(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		holdertest.Run(t, func(t *testing.T) func() keystore.Holder {
			path := filepath.Join(t.TempDir(), "root")
			return createThenOpen(t, path)
		})
	})
	t.Run("mirrored", func(t *testing.T) {
		holdertest.Run(t, func(t *testing.T) func() keystore.Holder {
			return createThenOpen(t, filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "c"))
		})
	})
	t.Run("device", func(t *testing.T) {
		holdertest.Run(t, func(t *testing.T) func() keystore.Holder {
			dev := block.NewMemory()
			var id keystore.HolderID
			return func() keystore.Holder {
				h := must(holder.OnDevice(dev))(t)
				if shares := must(h.Current(ctx))(t); len(shares) > 0 && id != (keystore.HolderID{}) && id != h.Caps().ID {
					t.Error("the id of the holder changed")
				}
				id = h.Caps().ID
				return h
			}
		})
	})
	t.Run("mem", func(t *testing.T) {
		holdertest.Run(t, func(*testing.T) func() keystore.Holder {
			h := holder.NewMem()
			return func() keystore.Holder { return h }
		})
	})
}

func createThenOpen(t *testing.T, paths ...string) func() keystore.Holder {
	first := true
	return func() keystore.Holder {
		if first {
			first = false
			return must(holder.CreateFiles(paths...))(t)
		}
		return must(holder.OpenFiles(paths...))(t)
	}
}

func share(tree keystore.TreeID, epoch uint64) keystore.Share {
	s := keystore.Share{Tree: tree, Epoch: epoch}
	rand.Read(s.Attempt[:])
	rand.Read(s.Secret[:])
	return s
}

// shows reports whether enough of a share to guess the rest can be seen on a
// device.
func shows(dev *block.Memory, s keystore.Share) bool {
	for _, b := range dev.Blocks() {
		if bytes.Contains(b, s.Secret[:16]) || bytes.Contains(b, s.Secret[16:]) {
			return true
		}
	}
	return false
}

// TestAttack13TornDestroy interrupts every write. A slot whose check sum does not
// fit is not empty: the share in it can be read by whoever looks past the check.
// So after recovery nothing but the live share may be on the medium.
func TestAttack13TornDestroy(t *testing.T) {
	torn := 0
	for seed := range uint64(300) {
		rng := mrand.New(mrand.NewPCG(seed, 0))
		dev := block.NewMemory()
		h := must(holder.OnDevice(dev))(t)
		var tree keystore.TreeID
		one, two := share(tree, 1), share(tree, 2)
		if err := h.Prepare(ctx, one); err != nil {
			t.Fatal(err)
		}
		dev.TearAt(rng.IntN(2), rng)
		err := h.Prepare(ctx, two)
		if err == nil {
			_, err = h.Destroy(ctx, tree, 2, two.Attempt)
		}
		if !errors.Is(err, block.ErrCrashed) {
			t.Fatalf("was not interrupted: %v", err)
		}
		dev.Restart()
		h = must(holder.OnDevice(dev))(t)
		keep, gone := one, two
		for _, s := range must(h.Current(ctx))(t) {
			if s.Epoch == 2 {
				keep, gone = two, one
			}
		}
		if len(must(h.Current(ctx))(t)) == 1 && shows(dev, gone) {
			torn++ // the draft would have stopped here
		}
		if _, err := h.Destroy(ctx, tree, keep.Epoch, keep.Attempt); err != nil {
			t.Fatal(err)
		}
		if shows(dev, gone) {
			t.Fatalf("seed %d: a share is still there after recovery", seed)
		}
		if !shows(dev, keep) {
			t.Fatalf("seed %d: the live share was lost", seed)
		}
	}
	if torn == 0 {
		t.Error("no write was torn so that a share stayed readable: this test shows nothing")
	}
	t.Logf("%d of 300 interrupted writes left a readable share behind a broken check sum", torn)
}

// stubborn is a device that says it wrote and did not.
type stubborn struct {
	*block.Memory
	refuse bool
}

func (s *stubborn) Write(i int, b []byte) error {
	if s.refuse {
		return nil
	}
	return s.Memory.Write(i, b)
}

func TestReadBack(t *testing.T) {
	dev := &stubborn{Memory: block.NewMemory()}
	h := must(holder.OnDevice(dev))(t)
	defer func() {
		if !bytes.Equal(h.Room(), make([]byte, len(h.Room()))) {
			t.Error("a holder keeps in memory what it has read")
		}
	}()
	var tree keystore.TreeID
	one, two := share(tree, 1), share(tree, 2)
	if err := errors.Join(h.Prepare(ctx, one), h.Prepare(ctx, two)); err != nil {
		t.Fatal(err)
	}
	dev.refuse = true
	if _, err := h.Destroy(ctx, tree, 2, two.Attempt); err == nil {
		t.Error("stated a destruction that did not take place")
	}
	if err := must(holder.OnDevice(&stubborn{block.NewMemory(), true}))(t).Prepare(ctx, one); err == nil {
		t.Error("took a share that was not written")
	}
}

func TestFileErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "root")
	hinted := func(err, want error) {
		t.Helper()
		var h *keystore.HintError
		if !errors.Is(err, want) || !errors.As(err, &h) || h.Hint == "" {
			t.Errorf("got %v, want %v with a hint", err, want)
		}
	}
	_, err := holder.OpenFile(path)
	hinted(err, keystore.ErrHolderMissing)
	h := must(holder.CreateFile(path))(t)
	_, err = holder.CreateFile(path)
	hinted(err, keystore.ErrExists)
	_, err = holder.OpenFile(path)
	hinted(err, keystore.ErrLocked)
	before := must(os.Stat(path))(t)
	if before.Mode().Perm() != 0o600 || before.Size() != 3*4096 {
		t.Errorf("the file has mode %v and %d bytes", before.Mode(), before.Size())
	}
	var tree keystore.TreeID
	one := share(tree, 1)
	for e := range uint64(5) {
		s := share(tree, e+1)
		if err := h.Prepare(ctx, s); err != nil {
			t.Fatal(err)
		}
		must(h.Destroy(ctx, tree, e+1, s.Attempt))(t)
	}
	if after := must(os.Stat(path))(t); !os.SameFile(before, after) || after.Size() != before.Size() {
		t.Error("the file was replaced")
	}
	h.Close()
	b := must(os.ReadFile(path))(t)
	if bytes.Contains(b, one.Secret[:]) {
		t.Error("an old share is in the file")
	}
	other := filepath.Join(dir, "other")
	os.WriteFile(other, []byte("not a root"), 0o600)
	_, err = holder.OpenFile(other)
	hinted(err, keystore.ErrHolderMissing)
	_, err = holder.OpenFiles()
	hinted(err, keystore.ErrHolderMissing)

	// Two files that were not made together.
	a, c := filepath.Join(dir, "a"), filepath.Join(dir, "c")
	for _, p := range []string{a, c} {
		h := must(holder.CreateFile(p))(t)
		if err := h.Prepare(ctx, share(tree, 1)); err != nil {
			t.Fatal(err)
		}
		h.Close()
	}
	_, err = holder.OpenFiles(a, c)
	hinted(err, keystore.ErrWrongTree)
	// And they are not left locked.
	must(holder.OpenFile(a))(t).Close()
}

// TestMirrorHeals interrupts a mirrored holder between its copies, and replaces
// one of them by a new file.
func TestMirrorHeals(t *testing.T) {
	for stop := range 12 {
		devs := []*block.Memory{block.NewMemory(), block.NewMemory()}
		open := func() *holder.Mirrored {
			var fs []*holder.File
			for _, d := range devs {
				fs = append(fs, must(holder.OnDevice(d))(t))
			}
			return must(holder.Mirror(fs...))(t)
		}
		m := open()
		var tree keystore.TreeID
		one, two := share(tree, 1), share(tree, 2)
		if err := m.Prepare(ctx, one); err != nil {
			t.Fatal(err)
		}
		rng := mrand.New(mrand.NewPCG(uint64(stop), 0))
		devs[stop%2].TearAt(stop/2%2, rng)
		err := m.Prepare(ctx, two)
		if err == nil {
			_, err = m.Destroy(ctx, tree, 2, two.Attempt)
		}
		if err == nil {
			t.Fatal("was not interrupted")
		}
		for _, d := range devs {
			d.Restart()
		}
		m = open()
		keep, gone := one, two
		for _, s := range must(m.Current(ctx))(t) {
			if s.Epoch == 2 {
				keep, gone = two, one
			}
		}
		must(m.Destroy(ctx, tree, keep.Epoch, keep.Attempt))(t)
		for i, d := range devs {
			if shows(d, gone) || !shows(d, keep) {
				t.Fatalf("stop %d: copy %d was not healed", stop, i)
			}
		}
		devs[1] = block.NewMemory()
		m = open()
		st := must(m.Destroy(ctx, tree, keep.Epoch, keep.Attempt))(t)
		if !shows(devs[1], keep) || st.Copies != 2 {
			t.Fatal("a new copy was not filled")
		}
	}
}

func TestPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pages")
	target := holder.PageDir(dir)
	kv := func(s string) keystore.KV { return keystore.KV{Key: []byte("k" + s), Value: []byte("v" + s)} }
	for epoch := range uint64(12) {
		if err := target.Ship(ctx, epoch+1, []keystore.KV{kv(fmt.Sprint(epoch + 1)), kv("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := target.Ship(ctx, 11, []keystore.KV{kv("again")}); err != nil {
		t.Fatal(err)
	}
	pages := must(holder.ReadPages(dir, 9))(t)
	got := ""
	for _, p := range pages {
		got += string(p.Key) + "=" + string(p.Value) + " "
	}
	if want := "k10=v10 kx=vx kagain=vagain k12=v12 kx=vx "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	names := must(os.ReadDir(dir))(t)
	if len(names) != 12 {
		t.Errorf("%d files", len(names))
	}
	path := filepath.Join(dir, names[11].Name())
	whole := must(os.ReadFile(path))(t)
	for i := range whole {
		broken := bytes.Clone(whole)
		broken[i] ^= 0x40
		os.WriteFile(path, broken, 0o600)
		if _, err := holder.ReadPages(dir, 9); err == nil {
			t.Fatalf("byte %d was changed and nobody noticed", i)
		}
		os.WriteFile(path, whole[:i], 0o600)
		if _, err := holder.ReadPages(dir, 9); err == nil {
			t.Fatalf("cut at byte %d and nobody noticed", i)
		}
	}
	os.Rename(path, filepath.Join(dir, "epoch-00000000000000000013.pages"))
	if _, err := holder.ReadPages(dir, 9); err == nil {
		t.Error("a file under another epoch's name was read")
	}
	if _, err := holder.ReadPages(filepath.Join(dir, "no"), 0); err == nil {
		t.Error("a folder that is not there was read")
	}
}
