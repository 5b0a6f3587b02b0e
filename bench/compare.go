package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// A Comparison is several paths under one load, in rounds that take turns: what
// else happens on the machine happens to all of them.
type Comparison struct {
	Load   Load
	Paths  []string
	Rounds [][]*Result // of each round, in the order of Paths
}

// Compare drives paths in turn, so many rounds, and lets what one leaves behind
// come to an end before the next one begins. each is told of every run; nil if
// nobody wants to know.
func Compare(ctx context.Context, paths []Path, l Load, rounds int, each func(*Result)) (*Comparison, error) {
	c := &Comparison{Load: l}
	for _, p := range paths {
		c.Paths = append(c.Paths, p.Name())
	}
	for range rounds {
		var rs []*Result
		for _, p := range paths {
			if err := settle(ctx); err != nil {
				return nil, err
			}
			r, err := Append(ctx, p, l)
			if err != nil {
				return nil, err
			}
			if rs = append(rs, r); each != nil {
				each(r)
			}
		}
		c.Rounds = append(c.Rounds, rs)
	}
	return c, nil
}

// settle waits until this process and those it has started are idle: compactions
// of our engine, checkpoints of PostgreSQL, what Tessera cleans up. None of that
// may be charged to the path that comes next. It gives up after a while, since a
// path may never be quite idle.
func settle(ctx context.Context) error {
	const look, most = 50 * time.Millisecond, 40
	used := func() time.Duration { return processTime() + takeCensus().children() }
	last := used()
	for range most {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(look):
		}
		now := used()
		if now-last <= tick {
			return nil
		}
		last = now
	}
	return nil
}

// Spread is the median of some figures and their range.
type Spread struct{ Least, Median, Most float64 }

// SpreadOf returns the spread of some figures, zero where there are none.
func SpreadOf(v []float64) Spread {
	if len(v) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(v))
	median := s[len(s)/2]
	if len(s)%2 == 0 {
		median = (s[len(s)/2-1] + s[len(s)/2]) / 2
	}
	return Spread{s[0], median, s[len(s)-1]}
}

// Of returns the spread of a figure of a path.
func (c *Comparison) Of(path int, unit string) Spread {
	var v []float64
	for _, round := range c.Rounds {
		v = append(v, round[path].Metric(unit))
	}
	return SpreadOf(v)
}

// Ratio returns the spread of a figure of one path over that of another, round by
// round.
func (c *Comparison) Ratio(path, to int, unit string) Spread {
	var v []float64
	for _, round := range c.Rounds {
		if d := round[to].Metric(unit); d > 0 {
			v = append(v, round[path].Metric(unit)/d)
		}
	}
	return SpreadOf(v)
}

// busy says how busy others were at their busiest.
func (c *Comparison) busy() string {
	var worst Busy
	for _, round := range c.Rounds {
		for _, r := range round {
			if b := r.Busy; b.Others+b.Stolen >= worst.Others+worst.Stolen {
				worst = b
			}
		}
	}
	return "at most, " + worst.String()
}

// WriteTable writes medians with their ranges, and how many times the rate of
// each other path the first one reaches.
func (c *Comparison) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "%d callers, window %d, %d B, %d rounds; %s\n", c.Load.Callers, max(c.Load.Window, 1), c.Load.Size, len(c.Rounds), c.busy())
	fmt.Fprintln(t, "path\tevents/s\t\tp50 ms\tp99 ms\tCPU µs/event\tfirst path's rate, times this one's\t")
	for i, name := range c.Paths {
		rate, cpu := c.Of(i, UnitRate), c.Of(i, UnitCPU)
		fmt.Fprintf(t, "%s\t%.0f\t[%.0f–%.0f]\t%.2f\t%.2f\t%.1f [%.1f–%.1f]\t", name, rate.Median, rate.Least, rate.Most,
			c.Of(i, UnitP50).Median/1e3, c.Of(i, UnitP99).Median/1e3, cpu.Median, cpu.Least, cpu.Most)
		if i > 0 {
			r := c.Ratio(0, i, UnitRate)
			fmt.Fprintf(t, "%.2f [%.2f–%.2f]", r.Median, r.Least, r.Most)
		}
		fmt.Fprintln(t, "\t")
	}
	return t.Flush()
}
