package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/lacunalog/lacuna/bench"
)

// A load is the runs of several paths under one load, as they took turns.
type load struct {
	size, callers, window int
	paths                 []string // in the order in which they ran
	runs                  map[string][]bench.Record
}

// loads sorts runs of appending by what they were under.
func loads(recs []bench.Record) []*load {
	var out []*load
	for _, r := range recs {
		if r.Kind() != "Append" {
			continue
		}
		size, _ := strconv.Atoi(r.Label("size"))
		callers, _ := strconv.Atoi(r.Label("callers"))
		window, _ := strconv.Atoi(r.Label("window"))
		i := slices.IndexFunc(out, func(l *load) bool { return l.size == size && l.callers == callers && l.window == window })
		if i < 0 {
			i, out = len(out), append(out, &load{size: size, callers: callers, window: window, runs: make(map[string][]bench.Record)})
		}
		path := r.Label("path")
		if out[i].runs[path] == nil {
			out[i].paths = append(out[i].paths, path)
		}
		out[i].runs[path] = append(out[i].runs[path], r)
	}
	slices.SortStableFunc(out, func(x, y *load) int {
		return cmp.Or(cmp.Compare(x.size, y.size), cmp.Compare(x.window, y.window), cmp.Compare(x.callers, y.callers))
	})
	return out
}

func (l *load) String() string {
	s := group(float64(l.callers))
	if l.window > 1 {
		s += " × " + group(float64(l.window))
	}
	return s
}

// of is the spread of a figure of a path.
func (l *load) of(path, unit string) bench.Spread { return spreadOf(l.runs[path], unit) }

// ratio is the spread of a figure of one path over that of another, round by
// round.
func (l *load) ratio(path, to, unit string) bench.Spread {
	a, b := l.runs[path], l.runs[to]
	var v []float64
	for i := range min(len(a), len(b)) {
		if d := b[i].Figures[unit]; d > 0 {
			v = append(v, a[i].Figures[unit]/d)
		}
	}
	return bench.SpreadOf(v)
}

func spreadOf(recs []bench.Record, unit string) bench.Spread {
	var v []float64
	for _, r := range recs {
		if f, ok := r.Figures[unit]; ok {
			v = append(v, f)
		}
	}
	return bench.SpreadOf(v)
}

// names are how tables and plots call the paths.
var names = map[string]string{
	"whole": "Lacuna, whole", "bare": "Lacuna, sealing alone", "log": "Lacuna, bare leaves", "loop": "bare loop",
	"tessera-indexed": "Tessera, indexed", "tessera-published": "Tessera, published", "trillian": "Trillian on PostgreSQL",
}

func nameOf(path string) string {
	if n := names[path]; n != "" {
		return n
	}
	return path
}

func appendTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| callers | path | events/s | p50 ms | p99 ms | CPU µs/event | first ÷ this |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, l := range loads(recs) {
		for i, path := range l.paths {
			first := l.String()
			if i > 0 {
				first = ""
			}
			rate := l.of(path, bench.UnitRate)
			fmt.Fprintf(b, "| %s | %s | %s [%s–%s] | %s | %s | %s |", first, nameOf(path), group(rate.Median), group(rate.Least), group(rate.Most),
				figure(l.of(path, bench.UnitP50).Median/1e3), figure(l.of(path, bench.UnitP99).Median/1e3), figure(l.of(path, bench.UnitCPU).Median))
			if i > 0 {
				r := l.ratio(l.paths[0], path, bench.UnitRate)
				fmt.Fprintf(b, " %s |\n", spread(r))
			} else {
				b.WriteString(" |\n")
			}
		}
	}
	return nil
}

// figure writes a number with as many digits as somebody compares.
func figure(f float64) string {
	switch {
	case f >= 1000:
		return group(f)
	case f >= 100:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// group writes a whole number with commas between thousands.
func group(f float64) string {
	s := strconv.FormatFloat(f, 'f', 0, 64)
	from := 0
	if len(s) > 0 && s[0] == '-' {
		from = 1
	}
	for i := len(s) - 3; i > from; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
