package report

import (
	"bytes"
	"fmt"

	"github.com/lacunalog/lacuna/bench"
)

// A target is something that the log is to reach, with the figure that says
// whether it does.
type target struct {
	what  string
	aim   float64
	most  bool // the aim is not to be exceeded
	unit  string
	value func(recs []bench.Record) (float64, bool)
}

func (t target) reached(v float64) bool {
	if t.most {
		return v <= t.aim
	}
	return v >= t.aim
}

var targets = []target{
	{"÷ Tessera indexed, 1 caller", 6, false, "×", times("tessera-indexed", 1)},
	{"÷ Tessera indexed, 64 callers", 3, false, "×", times("tessera-indexed", 64)},
	{"÷ Tessera indexed, 1,024 callers", 1.4, false, "×", times("tessera-indexed", 1024)},
	{"÷ Tessera published, 1 caller", 300, false, "×", times("tessera-published", 1)},
	{"÷ Tessera published, 16,384 in flight", 2, false, "×", times("tessera-published", 16384)},
	{"÷ bare loop, 1 caller", 0.8, false, "×", times("loop", 1)},
	{"÷ bare loop, 64 callers", 0.8, false, "×", times("loop", 64)},
	{"÷ bare loop, 1,024 callers", 0.8, false, "×", times("loop", 1024)},
	{"best of the batches", 130_000, false, "events/s", bestBatch},
	{"p50 at 1 caller", 0.4, true, "ms", oneCaller},
	{"disk above the padded plaintext, largest ledger", 300, true, "B/event", grown(true, bench.UnitAbove)},
	{"resident memory, cgo, largest ledger", 250, true, "MiB", grown(true, bench.UnitMemory)},
	{"resident memory, pure Go, largest ledger", 400, true, "MiB", grown(false, bench.UnitMemory)},
	{"opening after a clean stop", 300, true, "ms", reopening("clean")},
	{"opening after a kill", 1500, true, "ms", reopening("kill")},
	{"last 3 M ÷ second M", 0.85, false, "×", steady},
	{"inclusion proof p50, largest ledger", 100, true, "µs", proving(bench.UnitProveP50)},
	{"verification p50 without the signature", 8, true, "µs", proving(bench.UnitVerifyP50)},
}

// targetTable holds what was measured against what was to be reached.
func targetTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| what | aim | measured | |\n| --- | --- | --- | --- |\n")
	for _, t := range targets {
		than := "≥"
		if t.most {
			than = "≤"
		}
		fmt.Fprintf(b, "| %s | %s %s %s |", t.what, than, figure(t.aim), t.unit)
		v, ok := t.value(recs)
		switch {
		case !ok:
			b.WriteString(" not measured | |\n")
		case t.reached(v):
			fmt.Fprintf(b, " %s | reached |\n", figure(v))
		default:
			fmt.Fprintf(b, " %s | **missed** |\n", figure(v))
		}
	}
	return nil
}

// times is how many times the rate of a path the whole product reaches, with so
// many in flight.
func times(path string, inFlight int) func([]bench.Record) (float64, bool) {
	return func(recs []bench.Record) (float64, bool) {
		for _, l := range loads(recs) {
			if l.size == bench.Small && l.callers*l.window == inFlight && l.runs["whole"] != nil && l.runs[path] != nil {
				return l.ratio("whole", path, bench.UnitRate).Median, true
			}
		}
		return 0, false
	}
}

func bestBatch(recs []bench.Record) (best float64, ok bool) {
	for _, l := range loads(recs) {
		if l.size == bench.Small && l.window >= 512 && l.window <= 4096 && l.runs["whole"] != nil {
			best, ok = max(best, l.of("whole", bench.UnitRate).Median), true
		}
	}
	return best, ok
}

func oneCaller(recs []bench.Record) (float64, bool) {
	for _, l := range loads(recs) {
		if l.size == bench.Small && l.callers == 1 && l.window == 1 && l.runs["whole"] != nil {
			return l.of("whole", bench.UnitP50).Median / 1e3, true
		}
	}
	return 0, false
}

// grown is a figure of the largest ledger of a build.
func grown(cgo bool, unit string) func([]bench.Record) (float64, bool) {
	return func(recs []bench.Record) (v float64, ok bool) {
		most := 0.0
		for _, r := range of(recs, "Grow") {
			if n := leaves(r); r.Machine.CGO == cgo && n >= most {
				most, v, ok = n, r.Figures[unit], true
			}
		}
		return v, ok
	}
}

func reopening(after string) func([]bench.Record) (float64, bool) {
	return func(recs []bench.Record) (float64, bool) {
		var rs []bench.Record
		for _, r := range of(recs, "Open") {
			if r.Label("after") == after && r.Machine.CGO {
				rs = append(rs, r)
			}
		}
		return spreadOf(rs, bench.UnitOpen).Median, len(rs) > 0
	}
}

// steady compares the last three million events of a growth with the second million,
// however many steps they were: a growth that was interrupted has shorter ones.
func steady(recs []bench.Record) (float64, bool) {
	const million = 1e6
	most := 0.0
	for _, r := range of(recs, "Grow") {
		if r.Machine.CGO {
			most = max(most, leaves(r))
		}
	}
	// between is the rate of the steps that end behind one size and not behind another.
	between := func(from, to float64) float64 {
		events, seconds := 0.0, 0.0
		for _, r := range of(recs, "Grow") {
			if n, rate := leaves(r), r.Figures[bench.UnitRate]; r.Machine.CGO && n > from+rounding && n <= to+rounding && rate > 0 {
				events, seconds = events+float64(r.N), seconds+float64(r.N)/rate
			}
		}
		if seconds == 0 {
			return 0
		}
		return events / seconds
	}
	second, last := between(million, 2*million), between(most-3*million, most)
	if most < 5*million || second == 0 {
		return 0, false
	}
	return last / second, true
}

// rounding is by how much a step may end behind its goal, because windows that have
// begun are finished.
const rounding = 1e5

// proving is a figure of proofs in the largest log.
func proving(unit string) func([]bench.Record) (float64, bool) {
	return func(recs []bench.Record) (v float64, ok bool) {
		most := 0.0
		for _, r := range of(recs, "Proof") {
			if n := leaves(r); r.Machine.CGO && n >= most {
				most, v, ok = n, r.Figures[unit], true
			}
		}
		return v, ok
	}
}
