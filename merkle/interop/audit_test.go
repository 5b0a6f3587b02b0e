package interop

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/audit"
)

// Our auditor and our mirror read a log that Tessera writes, as a folder and over
// HTTP, while it grows. Its entries are any bytes.
func TestAuditTessera(t *testing.T) {
	signer, vkey := testKey(t)
	dir := t.TempDir()
	driver, err := posix.New(t.Context(), posix.Config{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	appender, shutdown, reader, err := tessera.NewAppender(t.Context(), driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).WithCheckpointInterval(100*time.Millisecond).WithBatching(512, 5*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	awaiter := tessera.NewPublicationAwaiter(t.Context(), reader.ReadCheckpoint, 10*time.Millisecond)
	srv := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(srv.Close)

	l, err := audit.NewLog([]string{vkey}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	open := func(where string) audit.Source {
		src, err := audit.Open(where, audit.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
	whole := func(where string) (audit.Report, error) {
		s, err := audit.OpenState("", l)
		if err != nil {
			t.Fatal(err)
		}
		return (&audit.Auditor{Source: open(where), Log: l, State: s}).Round(t.Context())
	}
	s, err := audit.OpenState(filepath.Join(t.TempDir(), "state"), l)
	if err != nil {
		t.Fatal(err)
	}
	follower := &audit.Auditor{Source: open(srv.URL), Log: l, State: s}
	copied := filepath.Join(t.TempDir(), "mirror")
	m, err := audit.OpenMirror(copied, open(srv.URL), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})

	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 300, 2000} {
		futures := make([]tessera.IndexFuture, n)
		for i := range futures {
			entry := make([]byte, 1+rng.IntN(600))
			for j := range entry {
				entry[j] = byte(rng.Uint32())
			}
			futures[i] = appender.Add(t.Context(), tessera.NewEntry(entry))
		}
		for _, f := range futures {
			if _, _, err := awaiter.Await(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		r, err := follower.Round(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Update(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, where := range []string{dir, srv.URL, copied} {
			if w, err := whole(where); err != nil || w.Head.Size < r.Head.Size {
				t.Errorf("%s: size %d after %d: %v", where, w.Head.Size, r.Head.Size, err)
			}
		}
	}
	if size := s.State().Bundles; size != 2301/256 {
		t.Errorf("%d full bundles were followed, want %d", size, 2301/256)
	}
	// Every full file of the mirror is Tessera's, byte for byte.
	for tile := range merkle.TilesOf(2301) {
		paths := []string{tile.Path()}
		if tile.Level == 0 {
			paths = append(paths, merkle.EntriesPath(tile.Index, tile.Width))
		}
		for _, p := range paths {
			ours, err := os.ReadFile(filepath.Join(copied, p))
			theirs, err2 := os.ReadFile(filepath.Join(dir, p))
			if err := errors.Join(err, err2); err != nil || !bytes.Equal(ours, theirs) {
				t.Errorf("%s differs: %v", p, err)
			}
		}
	}
	// The control: one bit of what Tessera wrote.
	const victim = "tile/entries/003"
	b, err := os.ReadFile(filepath.Join(dir, victim))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(filepath.Join(dir, victim), b, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = whole(dir)
	if mismatch, ok := errors.AsType[*audit.MismatchError](err); !ok || mismatch.Place != victim {
		t.Errorf("a changed bit in %s: %v", victim, err)
	}
}
