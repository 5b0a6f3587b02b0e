package audit

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkRound audits a log of 70,000 entries from nothing, out of a folder and
// over HTTP from a file server of this process.
func BenchmarkRound(b *testing.B) {
	const size = 70000
	h := newHistory(b).grow(size, "a")
	dir := h.files(b, size).folder(b)
	srv := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer srv.Close()
	for name, where := range map[string]string{"folder": dir, "http": srv.URL} {
		b.Run(name, func(b *testing.B) {
			src, err := Open(where, Options{})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				mustRound(b, auditor(b, h, src), size)
			}
			b.ReportMetric(float64(b.N)*size/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
