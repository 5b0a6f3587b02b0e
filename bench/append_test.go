package bench_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/bench"
)

// people have their keys before anything is measured.
const people = 10_000

// shapes are how a path is driven: closed loops, and windows as an importer has
// them. calls is how many calls make one iteration of a benchmark.
var shapes = []struct{ callers, window, calls int }{
	{1, 1, 256},
	{64, 1, 4096},
	{1024, 1, 16384},
	{1, 512, 16},
	{2, 4096, 4},
}

func benchmarkPath(b *testing.B, p bench.Path, size, callers, window, calls int) {
	load := bench.Load{Size: size, Callers: callers, Window: window, Calls: calls}
	var rs []*bench.Result
	for b.Loop() {
		r, err := bench.Append(b.Context(), p, load)
		if err != nil {
			b.Fatal(err)
		}
		rs = append(rs, r)
	}
	report(b, rs)
}

// report sets the figures of a benchmark. One iteration is many events; what is
// printed is for one of them.
func report(b *testing.B, rs []*bench.Result) {
	for _, m := range mean(rs).Metrics {
		b.ReportMetric(m.Value, m.Unit)
	}
}

// mean averages the figures of runs of one kind, weighted by how much each run
// did.
func mean(rs []*bench.Result) *bench.Result {
	if len(rs) == 0 {
		return new(bench.Result)
	}
	out := &bench.Result{Name: rs[0].Name}
	for _, r := range rs {
		out.N += r.N
	}
	for _, m := range rs[0].Metrics {
		var sum float64
		for _, r := range rs {
			v := r.Metric(m.Unit)
			if m.Unit == bench.UnitRate { // of rates, it is the time for one that adds up
				v = 1 / v
			}
			sum += v * float64(r.N)
		}
		v := sum / float64(max(out.N, 1))
		if m.Unit == bench.UnitRate {
			v = 1 / v
		}
		out.Metrics = append(out.Metrics, bench.Metric{Unit: m.Unit, Value: v})
	}
	return out
}

func benchmarkShapes(b *testing.B, p bench.Path, sizes ...int) {
	for _, size := range sizes {
		for _, s := range shapes {
			b.Run(fmt.Sprintf("size=%d/callers=%d/window=%d", size, s.callers, s.window), func(b *testing.B) {
				benchmarkPath(b, p, size, s.callers, s.window, s.calls)
			})
		}
	}
}

// BenchmarkAppend is the product, with everything it does.
func BenchmarkAppend(b *testing.B) {
	s, err := bench.NewSandbox(context.Background(), b.TempDir(), people)
	if err != nil {
		b.Fatal(err)
	}
	defer closing(b, s)
	benchmarkShapes(b, s, bench.Small, bench.Large)
}

// BenchmarkBare is the floor: keys, seals, leaves and rows, and nothing else.
func BenchmarkBare(b *testing.B) {
	p, err := bench.NewBare(context.Background(), b.TempDir(), people)
	if err != nil {
		b.Fatal(err)
	}
	defer closing(b, p)
	benchmarkShapes(b, p, bench.Small)
}

// BenchmarkLog is the log without rows and without any cryptography but its own.
func BenchmarkLog(b *testing.B) {
	p, err := bench.NewLeaves(context.Background(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer closing(b, p)
	benchmarkShapes(b, p, bench.Small)
}

func closing(b testing.TB, c interface{ Close() error }) {
	if err := c.Close(); err != nil {
		b.Error(err)
	}
}
