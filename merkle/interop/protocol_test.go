package interop

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// An answer is what came over the wire, before anybody unpacked it.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends one request. Setting Accept-Encoding by hand keeps Go's client from
// unpacking what it gets.
func ask(t *testing.T, s *site, w way, method, path string, header map[string]string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+"/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if w.gzip {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := s.http().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.ProtoMajor != w.http {
		t.Errorf("%s %s: answered in %s", method, path, resp.Proto)
	}
	return answer{resp.StatusCode, resp.Header, b}
}

// testProtocol checks what a cache, a browser and a client that falls back from
// a partial tile to the full one need of the server, over the wire.
func testProtocol(t *testing.T, s *site, w way) {
	there, never := resources(s.size)
	for _, path := range there {
		get := ask(t, s, w, "GET", path, nil)
		if get.status != http.StatusOK {
			t.Errorf("GET %s: status %d", path, get.status)
			continue
		}
		bundle := len(path) > 13 && path[:13] == "tile/entries/"
		if zipped := get.header.Get("Content-Encoding") == "gzip"; zipped != (bundle && w.gzip) {
			t.Errorf("GET %s: Content-Encoding %q", path, get.header.Get("Content-Encoding"))
		} else if zipped {
			zr, err := gzip.NewReader(bytes.NewReader(get.body))
			if err == nil {
				_, err = io.Copy(io.Discard, zr)
			}
			if err != nil {
				t.Errorf("GET %s: unpacking: %v", path, err)
			}
		}
		if n := get.header.Get("Content-Length"); n != fmt.Sprint(len(get.body)) {
			t.Errorf("GET %s: Content-Length %q, %d bytes came", path, n, len(get.body))
		}
		etag := get.header.Get("ETag")
		again := ask(t, s, w, "GET", path, map[string]string{"If-None-Match": etag})
		if etag == "" || again.status != http.StatusNotModified || len(again.body) > 0 || again.header.Get("ETag") != etag {
			t.Errorf("GET %s, If-None-Match %s: status %d, %d bytes, ETag %s", path, etag, again.status, len(again.body), again.header.Get("ETag"))
		}
		other := ask(t, s, w, "GET", path, map[string]string{"If-None-Match": `"another"`})
		if other.status != http.StatusOK || !bytes.Equal(other.body, get.body) {
			t.Errorf("GET %s, If-None-Match of something else: status %d", path, other.status)
		}
		head := ask(t, s, w, "HEAD", path, nil)
		if head.status != http.StatusOK || len(head.body) > 0 {
			t.Errorf("HEAD %s: status %d, %d bytes", path, head.status, len(head.body))
		}
		for _, k := range []string{"Content-Type", "Content-Length", "Content-Encoding", "ETag", "Cache-Control", "Vary"} {
			if head.header.Get(k) != get.header.Get(k) {
				t.Errorf("HEAD %s: %s is %q, of GET %q", path, k, head.header.Get(k), get.header.Get(k))
			}
		}
	}
	for _, path := range never {
		for _, method := range []string{"GET", "HEAD"} {
			if got := ask(t, s, w, method, path, nil); got.status != http.StatusNotFound || got.header.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s %s: status %d, Cache-Control %q", method, path, got.status, got.header.Get("Cache-Control"))
			}
		}
	}
	if got := ask(t, s, w, "POST", "checkpoint", nil); got.status != http.StatusMethodNotAllowed {
		t.Errorf("POST checkpoint: status %d", got.status)
	}
}

// resources returns paths that a log of a size has, and paths that look as if it
// had them: those of the next larger logs, and of the tiles that will be there
// once the partial ones are full.
func resources(size uint64) (there, never []string) {
	there = append(there, "checkpoint")
	for level := range 5 {
		per := uint64(1) << (level * merkle.TileHeight) // entries below one hash
		hashes := size / per
		full, width := hashes/merkle.TileWidth, int(hashes%merkle.TileWidth)
		paths := func(n uint64, width int) (p []string) {
			p = append(p, merkle.Tile{Level: level, Index: n, Width: width}.Path())
			if level == 0 {
				p = append(p, merkle.EntriesPath(n, width))
			}
			return p
		}
		if full > 0 {
			there = append(there, paths(full-1, merkle.TileWidth)...)
			there = append(there, paths(full-1, 1)...) // it was served once
			there = append(there, paths(0, merkle.TileWidth-1)...)
		}
		if width > 0 {
			there = append(there, paths(full, width)...)
			there = append(there, paths(full, 1)...)
		}
		if width+1 < merkle.TileWidth {
			never = append(never, paths(full, width+1)...)
			never = append(never, paths(full, merkle.TileWidth-1)...)
		}
		never = append(never, paths(full, merkle.TileWidth)...)
		never = append(never, paths(full+1, 1)...)
		never = append(never, paths(full+1, merkle.TileWidth)...)
		never = append(never, paths(full+1_000_000, 7)...)
	}
	return there, never
}
