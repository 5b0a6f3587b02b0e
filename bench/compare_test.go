package bench_test

import (
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/bench"
)

func TestCompare(t *testing.T) {
	ctx := t.Context()
	var paths []bench.Path
	for range 2 {
		p, err := bench.NewLeaves(ctx, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer closing(t, p)
		paths = append(paths, p)
	}
	runs := 0
	c, err := bench.Compare(ctx, paths, bench.Load{Size: bench.Small, Callers: 2, Calls: 10}, 3, func(*bench.Result) { runs++ })
	if err != nil {
		t.Fatal(err)
	}
	if runs != 6 || len(c.Rounds) != 3 {
		t.Errorf("%d runs in %d rounds", runs, len(c.Rounds))
	}
	for _, s := range []bench.Spread{c.Of(0, bench.UnitRate), c.Ratio(0, 1, bench.UnitRate)} {
		if !(0 < s.Least && s.Least <= s.Median && s.Median <= s.Most) {
			t.Errorf("spread %+v", s)
		}
	}
	var b strings.Builder
	if err := c.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != 4 {
		t.Errorf("a table of %d lines:\n%s", n, &b)
	}
}
