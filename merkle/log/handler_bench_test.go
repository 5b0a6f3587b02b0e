package log_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// BenchmarkHandler serves a full bundle, as it is and compressed.
func BenchmarkHandler(b *testing.B) {
	l := create(b, "log", options(b))
	defer l.Close()
	for range 4 {
		if _, err := appendSome(l, "bench", merkle.TileWidth/4); err != nil {
			b.Fatal(err)
		}
	}
	h := l.Handler()
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/"+merkle.EntriesPath(0, merkle.TileWidth), nil)
			r.Header.Set("Accept-Encoding", encoding)
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
