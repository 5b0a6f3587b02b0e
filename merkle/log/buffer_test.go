package log_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/lacunalog/lacuna/merkle/log"
)

// TestBufferedWrites: what is written in pieces of any size is in the file, in order,
// after each Sync and after Close.
func TestBufferedWrites(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i, most := range []int{10, 5_000, 70_000, 600_000} {
		name := []string{"1.sst", "1.log"}[i%2]
		mem := vfs.NewMem()
		f, err := log.BufferFS(mem).Create(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		same := func() {
			t.Helper()
			r, err := mem.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("pieces of at most %d: the file has %d bytes, %d were written (%v)", most, len(got), len(want), err)
			}
		}
		for range 4 {
			for range rng.IntN(20) {
				p := make([]byte, rng.IntN(most))
				for i := range p {
					p[i] = byte(rng.Uint32())
				}
				want = append(want, p...)
				if n, err := f.Write(p); n != len(p) || err != nil {
					t.Fatal(n, err)
				}
				clear(p) // the engine uses the memory again
			}
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			same()
		}
		want = append(want, "end"...)
		if _, err := f.Write([]byte("end")); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		same()
	}
}

// TestBufferedWriteFails: a write that fails is told at the latest by Sync and Close.
func TestBufferedWriteFails(t *testing.T) {
	for name, end := range map[string]func(vfs.File) error{"sync": vfs.File.Sync, "syncdata": vfs.File.SyncData, "close": vfs.File.Close} {
		fs := log.BufferFS(errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileWrite {
				return errorfs.ErrInjected
			}
			return nil
		})))
		f, err := fs.Create("1.log", vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("rows")); err != nil {
			continue // told at once
		}
		if err := end(f); !errors.Is(err, errorfs.ErrInjected) {
			t.Errorf("%s after a write that failed: %v", name, err)
		}
	}
}
