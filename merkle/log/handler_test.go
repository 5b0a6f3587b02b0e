package log_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle/log"
)

func request(h http.Handler, method, target string, header map[string]string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// servedLog has 70,000 leaves, the size that the specification works out.
func servedLog(t *testing.T) *log.Log {
	t.Helper()
	l := create(t, "log", options(t))
	t.Cleanup(func() { _ = l.Close() })
	for range 100 {
		if _, err := l.Append(t.Context(), manyLeaves(700)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestHandler(t *testing.T) {
	h := servedLog(t).Handler()
	const tile, text = "application/octet-stream", "text/plain; charset=utf-8"
	for _, test := range []struct {
		path   string
		status int
		length int // of the body, if it is 200
		kind   string
	}{
		{"/checkpoint", 200, -1, text},
		{"/tile/0/000", 200, 8192, tile},
		{"/tile/0/272", 200, 8192, tile},
		{"/tile/0/273.p/112", 200, 112 * 32, tile},
		{"/tile/0/273.p/1", 200, 32, tile},
		{"/tile/0/000.p/255", 200, 255 * 32, tile},
		{"/tile/1/000", 200, 8192, tile},
		{"/tile/1/001.p/17", 200, 17 * 32, tile},
		{"/tile/2/000.p/1", 200, 32, tile},
		{"/tile/entries/000", 200, 256 * 6, tile},
		{"/tile/entries/273.p/112", 200, 112 * 6, tile},
		{"/tile/entries/272.p/3", 200, 18, tile},

		{"/tile/0/273", 404, 0, ""},
		{"/tile/0/273.p/113", 404, 0, ""},
		{"/tile/0/274.p/1", 404, 0, ""},
		{"/tile/1/001.p/18", 404, 0, ""},
		{"/tile/2/000", 404, 0, ""},
		{"/tile/2/000.p/2", 404, 0, ""},
		{"/tile/3/000.p/1", 404, 0, ""},
		{"/tile/9/000.p/1", 404, 0, ""},
		{"/tile/63/000.p/1", 404, 0, ""},
		{"/tile/entries/273", 404, 0, ""},
		{"/tile/entries/273.p/113", 404, 0, ""},
		// Other spellings.
		{"/", 404, 0, ""},
		{"/checkpoint/", 404, 0, ""},
		{"//checkpoint", 404, 0, ""},
		{"/%63heckpoint", 404, 0, ""}, // the same path by RFC 3986, but a second one for a cache
		{"/tile%2f0/000", 404, 0, ""},
		{"/tile/0/000.p/256", 404, 0, ""},
		{"/tile/0/000.p/0", 404, 0, ""},
		{"/tile/0/000.p/01", 404, 0, ""},
		{"/tile/00/000", 404, 0, ""},
		{"/tile/0/0", 404, 0, ""},
		{"/tile/0/x000/000", 404, 0, ""},
		{"/tile/0/1000", 404, 0, ""},
		{"/tile/-1/000", 404, 0, ""},
		{"/tile/0/../0/000", 404, 0, ""},
		{"/tile/data/000", 404, 0, ""},
		{"/tile/0/x999/x999/x999/x999/x999/x999/999", 404, 0, ""},
	} {
		r := request(h, "GET", test.path, nil)
		if r.StatusCode != test.status {
			t.Errorf("GET %s: status %d, want %d", test.path, r.StatusCode, test.status)
			continue
		}
		cache := r.Header.Get("Cache-Control")
		if r.StatusCode != 200 {
			if cache != "no-cache" {
				t.Errorf("GET %s: Cache-Control %q of what may yet come", test.path, cache)
			}
			continue
		}
		if b := body(t, r); test.length >= 0 && len(b) != test.length {
			t.Errorf("GET %s: %d bytes, want %d", test.path, len(b), test.length)
		}
		if got := r.Header.Get("Content-Type"); got != test.kind {
			t.Errorf("GET %s: Content-Type %q, want %q", test.path, got, test.kind)
		}
		if want := strings.HasPrefix(test.path, "/tile"); strings.Contains(cache, "immutable") != want {
			t.Errorf("GET %s: Cache-Control %q", test.path, cache)
		}
		if r.Header.Get("ETag") == "" {
			t.Errorf("GET %s: no ETag", test.path)
		}
	}
}

func TestHandlerMethods(t *testing.T) {
	h := servedLog(t).Handler()
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		r := request(h, method, "/checkpoint", nil)
		if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d, Allow %q", method, r.StatusCode, r.Header.Get("Allow"))
		}
	}
	for _, path := range []string{"/checkpoint", "/tile/0/000", "/tile/entries/000"} {
		get, head := request(h, "GET", path, nil), request(h, "HEAD", path, nil)
		if head.StatusCode != 200 || body(t, head) != "" {
			t.Errorf("HEAD %s: status %d, or a body", path, head.StatusCode)
		}
		for _, k := range []string{"Content-Type", "Content-Length", "ETag", "Cache-Control"} {
			if get.Header.Get(k) != head.Header.Get(k) {
				t.Errorf("HEAD %s: %s is %q, of GET %q", path, k, head.Header.Get(k), get.Header.Get(k))
			}
		}
	}
}

func TestHandlerConditional(t *testing.T) {
	l := servedLog(t)
	h := l.Handler()
	for _, path := range []string{"/checkpoint", "/tile/1/000", "/tile/entries/000"} {
		etag := request(h, "GET", path, nil).Header.Get("ETag")
		for header, want := range map[string]int{
			etag:                    304,
			"W/" + etag:             304,
			`"other", ` + etag:      304,
			"*":                     304,
			`"other"`:               200,
			"":                      200,
			strings.Trim(etag, `"`): 200,
		} {
			r := request(h, "GET", path, map[string]string{"If-None-Match": header})
			if r.StatusCode != want {
				t.Errorf("GET %s, If-None-Match %s: status %d, want %d", path, header, r.StatusCode, want)
			}
			if r.StatusCode == 304 && (body(t, r) != "" || r.Header.Get("ETag") != etag) {
				t.Errorf("GET %s: 304 with a body or without its ETag", path)
			}
		}
	}
	etag := request(h, "GET", "/checkpoint", nil).Header.Get("ETag")
	if _, err := l.Append(t.Context(), leaves("x")); err != nil {
		t.Fatal(err)
	}
	if r := request(h, "GET", "/checkpoint", map[string]string{"If-None-Match": etag}); r.StatusCode != 200 {
		t.Errorf("checkpoint after an append: status %d, want 200", r.StatusCode)
	}
}

func TestHandlerGzip(t *testing.T) {
	h := servedLog(t).Handler()
	plain := request(h, "GET", "/tile/entries/000", nil)
	z := request(h, "GET", "/tile/entries/000", map[string]string{"Accept-Encoding": "br, gzip"})
	if z.Header.Get("Content-Encoding") != "gzip" || plain.Header.Get("Content-Encoding") != "" {
		t.Fatalf("Content-Encoding: %q, without asking %q", z.Header.Get("Content-Encoding"), plain.Header.Get("Content-Encoding"))
	}
	if plain.Header.Get("Vary") != "Accept-Encoding" || z.Header.Get("Vary") != "Accept-Encoding" {
		t.Error("no Vary header")
	}
	if plain.Header.Get("ETag") == z.Header.Get("ETag") {
		t.Error("two encodings with one strong ETag")
	}
	zr, err := gzip.NewReader(z.Body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(zr)
	if err != nil || !bytes.Equal(b, []byte(body(t, plain))) {
		t.Errorf("unpacked: %d bytes, %v, differing", len(b), err)
	}
	if r := request(h, "GET", "/tile/0/000", map[string]string{"Accept-Encoding": "gzip"}); r.Header.Get("Content-Encoding") != "" {
		t.Error("hashes do not compress")
	}
	for header, want := range map[string]bool{
		"gzip": true, "GZIP": true, " deflate , gzip;q=0.5": true, "*": true, "gzip;q=1.0, *;q=0": true,
		"": false, "identity": false, "gzip;q=0": false, "gzip; q=0.000": false, "*;q=0": false, "*, gzip;q=0": false,
		"gzip;q=x": false, "gzipped": false,
	} {
		if got := log.AcceptsGzip(header); got != want {
			t.Errorf("Accept-Encoding %q: %v, want %v", header, got, want)
		}
	}
}

// TestHandlerGone: a closed log has nothing to say, a broken one its last head.
func TestHandlerGone(t *testing.T) {
	l := create(t, "log", options(t))
	if _, err := l.Append(t.Context(), leaves("x")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/checkpoint", "/tile/0/000.p/1", "/tile/entries/000.p/1"} {
		r := request(l.Handler(), "GET", path, nil)
		if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s of a closed log: status %d, Cache-Control %q", path, r.StatusCode, r.Header.Get("Cache-Control"))
		}
	}
}
