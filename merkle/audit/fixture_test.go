package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

const testOrigin = "log.example/audited"

// history is a log in memory: all that was ever appended, and the hashes of each
// level of tiles. Two histories with one key are a fork.
type history struct {
	signer  merkle.Signer
	vkey    string
	entries [][]byte
	rng     merkle.Range
	hashes  [levels][]merkle.Hash
}

type seedReader byte

func (s seedReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s) + byte(i)
	}
	return len(p), nil
}

func newHistory(t testing.TB) *history {
	t.Helper()
	skey, vkey, err := merkle.GenerateKey(seedReader(7), testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return &history{signer: signer, vkey: vkey}
}

// grow appends entries until there are n. What they say depends on the word.
func (h *history) grow(n int, word string) *history {
	for i := len(h.entries); i < n; i++ {
		e := fmt.Appendf(nil, "%s %d", word, i)
		h.entries = append(h.entries, e)
		h.rng.Append(merkle.LeafHash(e), func(level uint, _ uint64, hash merkle.Hash) {
			if level%merkle.TileHeight == 0 {
				l := level / merkle.TileHeight
				h.hashes[l] = append(h.hashes[l], hash)
			}
		})
	}
	return h
}

// signed returns the signed head at a size that was reached.
func (h *history) signed(t testing.TB, size int) []byte {
	t.Helper()
	var r merkle.Range
	for _, e := range h.entries[:size] {
		r.Append(merkle.LeafHash(e), nil)
	}
	return h.sign(t, merkle.Checkpoint{Origin: testOrigin, Size: uint64(size), Root: r.Root()})
}

func (h *history) sign(t testing.TB, c merkle.Checkpoint) []byte {
	t.Helper()
	signed, err := merkle.SignCheckpoint(c, h.signer)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// files returns what a static copy at that size consists of.
func (h *history) files(t testing.TB, size int) files {
	t.Helper()
	out := files{"checkpoint": h.signed(t, size)}
	for tile := range merkle.TilesOf(uint64(size)) {
		first := tile.Index * merkle.TileWidth
		out[tile.Path()] = merkle.AppendTile(nil, h.hashes[tile.Level][first:first+uint64(tile.Width)])
		if tile.Level > 0 {
			continue
		}
		var b []byte
		for _, e := range h.entries[first : first+uint64(tile.Width)] {
			var err error
			if b, err = merkle.AppendBundleEntry(b, e); err != nil {
				t.Fatal(err)
			}
		}
		out[merkle.EntriesPath(tile.Index, tile.Width)] = b
	}
	return out
}

// files is a source in memory: path and bytes.
type files map[string][]byte

func (f files) String() string { return "memory" }

func (f files) Fetch(ctx context.Context, path string, limit int) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	b, ok := f[path]
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	if len(b) > limit {
		return nil, &MismatchError{Place: path, What: "too long"}
	}
	return slices.Clone(b), nil
}

// with returns a copy with one file changed.
func (f files) with(path string, change func([]byte) []byte) files {
	out := maps.Clone(f)
	if b := change(slices.Clone(out[path])); b == nil {
		delete(out, path)
	} else {
		out[path] = b
	}
	return out
}

// folder writes the files into a new directory.
func (f files) folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	f.writeTo(t, dir)
	return dir
}

func (f files) writeTo(t testing.TB, dir string) {
	t.Helper()
	for path, b := range f {
		to := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// recorder notes what was asked for, and can change answers.
type recorder struct {
	Source
	mu    sync.Mutex
	asked map[string]int
	// before, if not nil, is called before each request.
	before func(path string)
}

func record(src Source) *recorder { return &recorder{Source: src, asked: map[string]int{}} }

func (r *recorder) Fetch(ctx context.Context, path string, limit int) ([]byte, error) {
	r.mu.Lock()
	r.asked[path]++
	before := r.before
	r.mu.Unlock()
	if before != nil {
		before(path)
	}
	return r.Source.Fetch(ctx, path, limit)
}

func testLog(t testing.TB, h *history) *Log {
	t.Helper()
	l, err := NewLog([]string{h.vkey}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// auditor returns an auditor that remembers in memory.
func auditor(t testing.TB, h *history, src Source) *Auditor {
	t.Helper()
	l := testLog(t, h)
	s, err := OpenState("", l)
	if err != nil {
		t.Fatal(err)
	}
	return &Auditor{Source: src, Log: l, State: s}
}

func mustRound(t testing.TB, a *Auditor, size int) Report {
	t.Helper()
	r, err := a.Round(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Head.Size != uint64(size) {
		t.Fatalf("round ended at size %d, want %d", r.Head.Size, size)
	}
	return r
}

// wantMismatch checks that an error names a place.
func wantMismatch(t testing.TB, err error, place string) {
	t.Helper()
	m, ok := errors.AsType[*MismatchError](err)
	if !ok {
		t.Errorf("got %v, want a mismatch at %s", err, place)
		return
	}
	if m.Place != place {
		t.Errorf("got a mismatch at %s (%v), want it at %s", m.Place, err, place)
	}
}

// wantConflict checks that an error has evidence of a kind that stands without
// the log.
func wantConflict(t testing.TB, h *history, err error, kind Kind) *Evidence {
	t.Helper()
	c, ok := errors.AsType[*ConflictError](err)
	if !ok {
		t.Fatalf("got %v, want evidence of kind %s", err, kind)
	}
	if c.Evidence.Kind != kind {
		t.Fatalf("evidence of kind %s (%v), want %s", c.Evidence.Kind, err, kind)
	}
	b, err := c.Evidence.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	e, err := ParseEvidence(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if err := e.Verify(testLog(t, h)); err != nil {
		t.Fatal(err)
	}
	if e.Summary() != c.Evidence.Summary() {
		t.Errorf("the file says %q, the auditor %q", e.Summary(), c.Evidence.Summary())
	}
	return e
}

// tree returns every file below a directory.
func tree(t testing.TB, dir string) files {
	t.Helper()
	out := files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out[strings.TrimPrefix(filepath.ToSlash(strings.TrimPrefix(path, dir)), "/")] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// answering is a server without a network that answers one path as it is told.
type answering struct {
	files
	path     string
	body     []byte
	status   int
	encoding string
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	body, ok := a.files[path]
	status, head := http.StatusOK, http.Header{}
	switch {
	case path == a.path:
		body, status = a.body, a.status
		head.Set("Content-Encoding", a.encoding)
	case !ok:
		status = http.StatusNotFound
	}
	return &http.Response{StatusCode: status, Header: head, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1, Request: r}, nil
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
