package report

import (
	"io"
	"slices"
	"strconv"

	"github.com/lacunalog/lacuna/bench"
	"github.com/lacunalog/lacuna/bench/plot"
)

// A drawing makes a chart of records, and says how it is drawn.
type drawing func(recs []bench.Record) (*plot.Chart, func(*plot.Chart, io.Writer) error)

var plots = map[string]drawing{
	"plot-rates":   plotRates,
	"plot-latency": plotLatency,
	"plot-batches": plotBatches,
	"plot-growth":  growth("Throughput while a ledger grows", "events/s", bench.UnitRate, 0, ""),
	"plot-memory":  growth("Resident memory while a ledger grows", "MiB", bench.UnitMemory, 0, ""),
	"plot-debt":    growth("Compaction debt while a ledger grows", "MiB", bench.UnitDebt, 0, ""),
	"plot-disk":    growth("Bytes on disk above the padded plaintext", "bytes per event", bench.UnitAbove, 300, "aim: 300"),
}

// byPath makes one series of each path and one group of each load.
func byPath(ls []*load, unit string, scale float64) (groups []string, series []plot.Series) {
	for g, l := range ls {
		groups = append(groups, l.String())
		for _, path := range l.paths {
			i := slices.IndexFunc(series, func(s plot.Series) bool { return s.Name == nameOf(path) })
			if i < 0 {
				i, series = len(series), append(series, plot.Series{Name: nameOf(path)})
			}
			s := l.of(path, unit)
			series[i].Points = append(series[i].Points, plot.Point{X: float64(g), Y: s.Median * scale, Least: s.Least * scale, Most: s.Most * scale})
		}
	}
	return groups, series
}

func plotRates(recs []bench.Record) (*plot.Chart, func(*plot.Chart, io.Writer) error) {
	c := &plot.Chart{Title: "Durable events a second, beside other logs (median, range of rounds)", XLabel: "callers in a closed loop, or callers × events that each submits before it waits",
		YLabel: "events/s, logarithmic", Log: true}
	c.Groups, c.Series = byPath(loads(recs), bench.UnitRate, 1)
	return c, (*plot.Chart).WriteBars
}

func plotLatency(recs []bench.Record) (*plot.Chart, func(*plot.Chart, io.Writer) error) {
	c := &plot.Chart{Title: "Time to an answer, 99th percentile (median, range of rounds)", XLabel: "callers in a closed loop", YLabel: "ms, logarithmic", Log: true}
	c.Groups, c.Series = byPath(loads(recs), bench.UnitP99, 1e-3)
	return c, (*plot.Chart).WriteBars
}

func plotBatches(recs []bench.Record) (*plot.Chart, func(*plot.Chart, io.Writer) error) {
	c := &plot.Chart{Title: "Events a second through batches (median, range of rounds)", XLabel: "callers × events in a batch", YLabel: "events/s", Target: 130_000, TargetName: "aim: 130k"}
	c.Groups, c.Series = byPath(loads(recs), bench.UnitRate, 1)
	return c, (*plot.Chart).WriteBars
}

func growth(title, unit, figure string, target float64, targetName string) drawing {
	return func(recs []bench.Record) (*plot.Chart, func(*plot.Chart, io.Writer) error) {
		c := &plot.Chart{Title: title, XLabel: "events in the log", YLabel: unit, Target: target, TargetName: targetName}
		for _, r := range of(recs, "Grow") {
			name := build(r)
			if stay := r.Label("stay"); stay != "" && stay != strconv.Itoa(bench.DefaultStay) {
				name += ", stay " + stay
			}
			i := slices.IndexFunc(c.Series, func(s plot.Series) bool { return s.Name == name })
			if i < 0 {
				i, c.Series = len(c.Series), append(c.Series, plot.Series{Name: name})
			}
			c.Series[i].Points = append(c.Series[i].Points, plot.Point{X: leaves(r), Y: r.Figures[figure]})
		}
		return c, (*plot.Chart).WriteLines
	}
}
