package log_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// A reader fetches a log over a real connection.
type reader struct {
	t      testing.TB
	url    string
	client *http.Client
	proto  string
	gzip   bool
}

func (r *reader) do(path string, header map[string]string) (*http.Response, []byte) {
	r.t.Helper()
	req, err := http.NewRequest("GET", r.url+"/"+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	if r.gzip {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatalf("GET /%s: %v", path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("GET /%s: %v", path, err)
	}
	if resp.Proto != r.proto {
		r.t.Fatalf("GET /%s: answered by %s, want %s", path, resp.Proto, r.proto)
	}
	return resp, b
}

func (r *reader) get(path string) []byte {
	r.t.Helper()
	resp, b := r.do(path, nil)
	if resp.StatusCode != http.StatusOK {
		r.t.Fatalf("GET /%s: status %d", path, resp.StatusCode)
	}
	if resp.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err == nil {
			b, err = io.ReadAll(z)
		}
		if err != nil {
			r.t.Fatalf("GET /%s: %v", path, err)
		}
	}
	// Whoever has it need not fetch it again.
	again, rest := r.do(path, map[string]string{"If-None-Match": resp.Header.Get("ETag")})
	if again.StatusCode != http.StatusNotModified || len(rest) > 0 {
		r.t.Fatalf("GET /%s again: status %d and %d bytes", path, again.StatusCode, len(rest))
	}
	return b
}

// verify fetches everything that a checkpoint calls for (of a large log, every so
// many tiles) and compares it with the leaves.
func (r *reader) verify(hashes []merkle.Hash, leaf func(int) []byte, every uint64) {
	r.t.Helper()
	h := parseHead(r.t, r.get("checkpoint"))
	if h.Size != uint64(len(hashes)) || h.Root != slowRoot(hashes) {
		r.t.Fatalf("checkpoint of size %d, want %d", h.Size, len(hashes))
	}
	for tile := range merkle.TilesOf(h.Size) {
		if tile.Index%every != 0 && tile.Width == merkle.TileWidth {
			continue
		}
		span := uint64(1) << (8 * tile.Level)
		var want []byte
		for i := range uint64(tile.Width) {
			from := (tile.Index*256 + i) * span
			root := slowRoot(hashes[from : from+span])
			want = append(want, root[:]...)
		}
		if !bytes.Equal(r.get(tile.Path()), want) {
			r.t.Fatalf("%s differs from the leaves", tile.Path())
		}
		if tile.Width < merkle.TileWidth {
			// What is not there must be a 404: clients fall back on nothing else.
			for _, absent := range []merkle.Tile{{Level: tile.Level, Index: tile.Index, Width: 256}, {Level: tile.Level, Index: tile.Index, Width: tile.Width + 1}} {
				if resp, _ := r.do(absent.Path(), nil); resp.StatusCode != http.StatusNotFound {
					r.t.Fatalf("GET /%s: status %d, want 404", absent.Path(), resp.StatusCode)
				}
			}
		}
		if tile.Level > 0 {
			continue
		}
		want = nil
		for i := range tile.Width {
			l := leaf(int(tile.Index)*256 + i)
			want = append(binary.BigEndian.AppendUint16(want, uint16(len(l))), l...)
		}
		path := merkle.EntriesPath(tile.Index, tile.Width)
		if !bytes.Equal(r.get(path), want) {
			r.t.Fatalf("%s differs from the leaves", path)
		}
	}
	next := merkle.Tile{Index: (h.Size + 255) / 256, Width: 1}
	for _, path := range []string{next.Path(), merkle.EntriesPath(next.Index, 1)} {
		if resp, _ := r.do(path, nil); resp.StatusCode != http.StatusNotFound {
			r.t.Fatalf("GET /%s: status %d, want 404", path, resp.StatusCode)
		}
	}
}

// readers are connections of all kinds to one server.
func readers(t testing.TB, h http.Handler) []*reader {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	secure := httptest.NewUnstartedServer(h)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	h1, h2c := new(http.Transport), new(http.Transport)
	h2c.Protocols = new(http.Protocols)
	h2c.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h1.CloseIdleConnections)
	t.Cleanup(h2c.CloseIdleConnections)
	return []*reader{
		{t, srv.URL, &http.Client{Transport: h1}, "HTTP/1.1", false},
		{t, srv.URL, &http.Client{Transport: h1}, "HTTP/1.1", true},
		{t, srv.URL, &http.Client{Transport: h2c}, "HTTP/2.0", true},
		{t, secure.URL, secure.Client(), "HTTP/2.0", false},
	}
}

// TestHandlerSizes reads logs of the sizes around which things happen, through
// HTTP/1.1 and HTTP/2, with gzip and without, as the newest head and as one that
// was published and that the log has outgrown.
func TestHandlerSizes(t *testing.T) {
	sizes := []int{0, 1, 255, 256, 257, 65_535, 65_536, 70_000}
	if slow {
		sizes = sizes[:5]
	}
	w := newWitness(t, "one")
	plain, under := options(t), withWitnesses(options(t), 1, w)
	newest, published := create(t, "log", plain), create(t, "log", under)
	defer newest.Close()
	defer published.Close()
	rs, ps := readers(t, newest.Handler()), readers(t, published.Handler())
	leaf := func(i int) []byte { return fmt.Appendf(nil, "leaf %d", i) }
	var hashes []merkle.Hash
	for _, size := range sizes {
		for len(hashes) < size {
			es := make([]log.Entry, min(size-len(hashes), 5000))
			for i := range es {
				es[i] = log.Entry{Leaf: leaf(len(hashes)), Order: 1}
				hashes = append(hashes, merkle.LeafHash(es[i].Leaf))
			}
			for _, l := range []*log.Log{newest, published} {
				if _, err := l.Append(t.Context(), es); err != nil {
					t.Fatal(err)
				}
			}
		}
		every := uint64(1)
		if size > 1000 {
			every = 61
		}
		for _, r := range rs {
			r.verify(hashes, leaf, every)
		}
		publish(t, published)
		for _, r := range ps[1:3] {
			r.verify(hashes, leaf, every)
		}
	}
}
