package interop

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

const origin = "log.example/interop"

// A site is a log as a stranger finds it: an address and a public key.
type site struct {
	url    string // file:///… or http://…
	vkey   string
	size   uint64
	entry  func(index uint64) []byte // what was logged, for comparison
	client *http.Client              // nil: http.DefaultClient
	env    []string                  // for programs that cannot be given a client
}

// http returns the client that the site is read with.
func (s *site) http() *http.Client {
	if s.client != nil {
		return s.client
	}
	return http.DefaultClient
}

// dir returns the folder of a site that is one.
func (s *site) dir() (string, bool) { return strings.CutPrefix(s.url, "file://") }

// fetch returns one resource. The error is fs.ErrNotExist if it does not exist.
func (s *site) fetch(ctx context.Context, path string) ([]byte, error) {
	if dir, ok := s.dir(); ok {
		return os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.http().Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return io.ReadAll(resp.Body)
	case http.StatusNotFound:
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return nil, fmt.Errorf("%s: %s", path, resp.Status)
}

// readTile is a merkle.TileReader, as a client of ours would have it.
func (s *site) readTile(ctx context.Context, t merkle.Tile) ([]merkle.Hash, error) {
	return merkle.AtSize(s.size, func(ctx context.Context, t merkle.Tile) ([]merkle.Hash, error) {
		b, err := s.fetch(ctx, t.Path())
		if err != nil {
			return nil, err
		}
		return merkle.ParseTile(b, t.Width)
	})(ctx, t)
}

// testEntry is entry number i in the shape of a commitment: 34 bytes.
func testEntry(i uint64) []byte {
	h := sha256.Sum256(binary.BigEndian.AppendUint64(nil, i))
	return append([]byte{1, 0}, h[:]...)
}

// A fixed seed, so that a failure can be repeated.
type seedReader byte

func (s seedReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s) + byte(i)
	}
	return len(p), nil
}

func testKey(t *testing.T) (merkle.Signer, string) {
	t.Helper()
	skey, vkey, err := merkle.GenerateKey(seedReader(7), origin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}

// staticSite writes a log with nothing but package merkle.
func staticSite(t *testing.T, size uint64) *site {
	t.Helper()
	dir := t.TempDir()
	write := func(path string, b []byte) {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var r merkle.Range
	var levels [8][]merkle.Hash
	for i := range size {
		r.Append(merkle.LeafHash(testEntry(i)), func(level uint, _ uint64, h merkle.Hash) {
			if level%merkle.TileHeight == 0 {
				levels[level/merkle.TileHeight] = append(levels[level/merkle.TileHeight], h)
			}
		})
	}
	for tile := range merkle.TilesOf(size) {
		first := tile.Index * merkle.TileWidth
		write(tile.Path(), merkle.AppendTile(nil, levels[tile.Level][first:first+uint64(tile.Width)]))
		if tile.Level > 0 {
			continue
		}
		var b []byte
		for i := range uint64(tile.Width) {
			var err error
			if b, err = merkle.AppendBundleEntry(b, testEntry(first+i)); err != nil {
				t.Fatal(err)
			}
		}
		write(merkle.EntriesPath(tile.Index, tile.Width), b)
	}
	signer, vkey := testKey(t)
	signed, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: origin, Size: size, Root: r.Root()}, signer)
	if err != nil {
		t.Fatal(err)
	}
	write("checkpoint", signed)
	return &site{url: "file://" + dir, vkey: vkey, size: size, entry: testEntry}
}

// logSites returns a real log of that many entries, once exported and once
// served. The log decides where an entry goes, so it is asked.
func logSites(t *testing.T, size int) (exported, served *site) {
	t.Helper()
	signer, vkey := testKey(t)
	o := log.Options{Origin: origin, Signer: signer, VKey: vkey, MinFree: -1}
	dir := t.TempDir()
	if err := log.Create(dir, o); err != nil {
		t.Fatal(err)
	}
	l, err := log.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	entries := make([][]byte, size)
	for done := 0; done < size; {
		// Groups of uneven size, so that few end at the edge of a tile.
		es := make([]log.Entry, min(997, size-done))
		for i := range es {
			es[i].Leaf = testEntry(uint64(done + i))
		}
		index, err := l.Append(t.Context(), es)
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range index {
			entries[n] = testEntry(uint64(done + i))
		}
		done += len(es)
	}
	entry := func(i uint64) []byte { return entries[i] }

	folder := t.TempDir()
	if err := l.Export(t.Context(), folder, nil); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(l.Handler())
	t.Cleanup(srv.Close)
	return &site{url: "file://" + folder, vkey: vkey, size: uint64(size), entry: entry},
		&site{url: srv.URL, vkey: vkey, size: uint64(size), entry: entry}
}

// A damage is one change of one resource.
type damage struct {
	name, path string
	change     func([]byte) []byte // nil: the resource is missing
}

// damages are those of a log of 70,000 entries of 34 bytes.
func damages(t *testing.T) []damage {
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 1; return b }
	}
	signer, _ := testKey(t)
	return []damage{
		{"byte of a leaf", "tile/entries/123", flip(10*36 + 2 + 20)},
		{"byte of the last leaf", "tile/entries/273.p/112", flip(112*36 - 1)},
		{"byte of a level-0 tile", "tile/0/200", flip(4000)},
		{"byte of a partial level-0 tile", "tile/0/273.p/112", flip(0)},
		{"byte of a level-1 tile", "tile/1/000", flip(8191)},
		{"byte of the top tile", "tile/2/000.p/1", flip(31)},
		{"checkpoint: size", "checkpoint", func(b []byte) []byte {
			return []byte(strings.Replace(string(b), "\n70000\n", "\n69999\n", 1))
		}},
		{"checkpoint: root", "checkpoint", func(b []byte) []byte {
			at := strings.Index(string(b), "\n70000\n") + len("\n70000\n")
			b[at] ^= 1 // one letter or digit becomes another
			return b
		}},
		{"checkpoint: signature", "checkpoint", func(b []byte) []byte {
			at := strings.Index(string(b), origin+" ") + len(origin) + 30
			if b[at]++; b[at] == 'Z'+1 || b[at] == 'z'+1 || b[at] == '9'+1 || b[at] == '/'+1 || b[at] == '+'+1 {
				b[at] = 'A'
			}
			return b
		}},
		{"checkpoint: another root, and signed", "checkpoint", func([]byte) []byte {
			b, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: origin, Size: 70000, Root: merkle.LeafHash(nil)}, signer)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}},
		{"missing bundle", "tile/entries/100", nil},
		{"missing last bundle", "tile/entries/273.p/112", nil},
	}
}

// damagedFolder returns a copy of a folder with one change.
func damagedFolder(t *testing.T, s *site, d damage) *site {
	t.Helper()
	from, ok := s.dir()
	if !ok {
		t.Fatal("not a folder")
	}
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(to, filepath.FromSlash(d.path))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err) // or the damage would be none
	}
	if d.change == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, changed(t, d, b), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := *s
	c.url = "file://" + to
	return &c
}

func changed(t *testing.T, d damage, b []byte) []byte {
	was := string(b)
	b = d.change(b)
	if string(b) == was {
		t.Errorf("%s: changes nothing", d.name)
	}
	return b
}

// damagedServer serves a site through a proxy that changes one resource.
func damagedServer(t *testing.T, s *site, d damage) *site {
	t.Helper()
	var hit sync.Once
	asked := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/")
		b, err := s.fetch(r.Context(), path)
		if path == d.path && err == nil {
			hit.Do(func() { asked = true })
			if d.change == nil {
				err = fs.ErrNotExist
			} else {
				b = changed(t, d, b)
			}
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			http.Error(w, "not found", http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			_, _ = w.Write(b)
		}
	}))
	t.Cleanup(func() {
		srv.Close()
		if !asked {
			t.Errorf("%s: %s was never asked for", d.name, d.path)
		}
	})
	c := *s
	c.url = srv.URL
	return &c
}

// missing skips a test whose component cannot be had, or fails it where nothing
// may be missing.
func missing(t *testing.T, what string, err error) {
	t.Helper()
	if os.Getenv("LACUNA_TEST_REQUIRE") == "all" {
		t.Fatalf("%s: %v", what, err)
	}
	t.Skipf("%s: %v", what, err)
}
