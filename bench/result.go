package bench

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A Result is one line of figures. Its String is a line that benchstat reads.
type Result struct {
	Name    string // like a Go benchmark, without "Benchmark": Append/path=whole/size=256/callers=64
	N       int    // events, or whatever the unit of the run is
	Metrics []Metric
	Busy    Busy // others, while this was measured
}

// A Metric is one figure with its unit, as Go benchmarks write them.
type Metric struct {
	Unit  string
	Value float64
}

// Metric returns a figure by its unit, 0 where the result has none.
func (r *Result) Metric(unit string) float64 {
	for _, m := range r.Metrics {
		if m.Unit == unit {
			return m.Value
		}
	}
	return 0
}

func (r *Result) add(unit string, v float64) { r.Metrics = append(r.Metrics, Metric{unit, v}) }

func (r *Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Benchmark%s-%d\t%8d", r.Name, runtime.GOMAXPROCS(0), r.N)
	for _, m := range r.Metrics {
		fmt.Fprintf(&b, "\t%10s %s", figure(m.Value), m.Unit)
	}
	return b.String()
}

// figure writes a number with as many digits as somebody compares.
func figure(v float64) string {
	switch {
	case v >= 1000 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// Units of append runs. Those of Go's own benchmarks are per event.
const (
	UnitRate  = "events/s"
	UnitCPU   = "cpu-µs/event"
	UnitP50   = "p50-µs"
	UnitP99   = "p99-µs"
	UnitDisk  = "disk-B/event"
	UnitAbove = "over-B/event" // on the disk above the padded plaintext

	UnitOthers = "others-cpus" // processors that other processes used meanwhile
)

// perEvent are the figures that every append run has.
func perEvent(name string, n int, u Usage, l Latencies) *Result {
	r := &Result{Name: name, N: n}
	each := float64(max(n, 1))
	r.add("ns/op", float64(u.Elapsed.Nanoseconds())/each)
	r.add(UnitRate, each/u.Elapsed.Seconds())
	r.add(UnitP50, micros(l.Quantile(0.50)))
	r.add(UnitP99, micros(l.Quantile(0.99)))
	if u.CPU > 0 {
		r.add(UnitCPU, micros(u.CPU)/each)
	}
	r.add("B/op", float64(u.Bytes)/each)
	r.add("allocs/op", float64(u.Allocs)/each)
	r.during(u.Busy)
	return r
}

// during notes how busy others were.
func (r *Result) during(b Busy) {
	if r.Busy = b; b.Known {
		r.add(UnitOthers, b.Others+b.Stolen)
	}
}
