package log

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/lacunalog/lacuna/merkle"
)

// Handler serves the log as https://c2sp.org/tlog-tiles describes, for reading
// only: /checkpoint, /tile/<level>/<index> and /tile/entries/<index>. It serves
// the tiles of the newest head, never more, and every partial tile that some head
// had. The checkpoint is the one that Published returns: with a policy, no other is
// ever shown. It holds nothing about persons, so it may stand in the open; mount it
// below a prefix with http.StripPrefix.
func (l *Log) Handler() http.Handler { return handler{l} }

type handler struct{ log *Log }

const (
	textPlain   = "text/plain; charset=utf-8"
	octetStream = "application/octet-stream"
	// A tile never changes, so a cache may keep it for ever (a year is the
	// longest that caches understand).
	forEver = "public, max-age=31536000, immutable"
	// A checkpoint that a cache holds back for seconds would make clients see
	// a log that stands still.
	noCache = "no-cache"
)

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Browsers that verify proofs come from other origins.
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	// A second spelling of a path would be a second entry in every cache.
	path, ok := strings.CutPrefix(r.URL.Path, "/")
	if !ok || r.URL.RawPath != "" {
		notFound(w)
		return
	}
	if path == "checkpoint" {
		h.checkpoint(w, r)
		return
	}
	t, entries, err := merkle.ParsePath(path)
	if err != nil {
		notFound(w)
		return
	}
	h.tile(w, r, t, entries)
}

// gzipWriters are kept because making one costs more than compressing a bundle. What
// is compressed is mostly hashes, which no level makes shorter.
var gzipWriters = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is one
	}
	return w
}}

func (h handler) checkpoint(w http.ResponseWriter, r *http.Request) {
	// A broken log shows its last head, which stays true; a closed one is gone.
	if h.log.closed.Load() {
		failed(w, ErrClosed)
		return
	}
	head, ok := h.log.Published()
	if !ok || len(head.Signed) == 0 {
		notFound(w)
		return
	}
	serve(w, r, head.Signed, textPlain, noCache, "")
}

func (h handler) tile(w http.ResponseWriter, r *http.Request, t merkle.Tile, entries bool) {
	s := h.log.Snapshot()
	defer s.Close()
	if !entries {
		hashes, err := s.ReadTile(r.Context(), t)
		if err != nil {
			failed(w, err)
			return
		}
		serve(w, r, merkle.AppendTile(make([]byte, 0, len(hashes)*merkle.HashSize), hashes), octetStream, forEver, "")
		return
	}
	b, err := s.ReadBundle(r.Context(), t.Index, t.Width)
	if err != nil {
		failed(w, err)
		return
	}
	w.Header().Set("Vary", "Accept-Encoding")
	if !acceptsGzip(r.Header.Get("Accept-Encoding")) {
		serve(w, r, b, octetStream, forEver, "")
		return
	}
	var z bytes.Buffer
	zw := gzipWriters.Get().(*gzip.Writer)
	zw.Reset(&z)
	_, _ = zw.Write(b) // a buffer takes everything
	_ = zw.Close()
	gzipWriters.Put(zw)
	serve(w, r, z.Bytes(), octetStream, forEver, "gzip")
}

// serve writes a whole answer, or 304 if the client has it.
func serve(w http.ResponseWriter, r *http.Request, b []byte, contentType, cache, encoding string) {
	sum := sha256.Sum256(b)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	head := w.Header()
	head.Set("ETag", etag)
	head.Set("Cache-Control", cache)
	if etagMatches(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Type", contentType)
	if encoding != "" {
		head.Set("Content-Encoding", encoding)
	}
	head.Set("Content-Length", strconv.Itoa(len(b)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(b) // the client left: nobody to tell
}

// etagMatches reports whether a list of entity tags names etag. Comparison is
// weak, as RFC 9110, section 13.1.2, wants it here.
func etagMatches(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

// acceptsGzip reads an Accept-Encoding header (RFC 9110, section 12.5.3).
func acceptsGzip(header string) bool {
	any := false
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "*" {
			continue
		}
		ok := true
		if q, found := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q="); found {
			f, err := strconv.ParseFloat(q, 64)
			ok = err == nil && f > 0
		}
		if coding == "gzip" {
			return ok
		}
		any = ok
	}
	return any
}

// notFound must be a 404: clients fall back from a partial tile to the full one
// on this status only.
func notFound(w http.ResponseWriter) {
	// The tile may come into being, so nobody must remember that it was not there.
	w.Header().Set("Cache-Control", noCache)
	http.Error(w, "not found", http.StatusNotFound)
}

// failed answers for an error. What went wrong is the operator's business.
func failed(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		notFound(w)
	case errors.Is(err, ErrClosed), errors.Is(err, ErrBroken):
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "the log is not available", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "internal error", http.StatusInternalServerError)
	}
}
