package bench_test

import (
	"testing"

	"github.com/lacunalog/lacuna/bench"
)

// TestSweep: what was erased is swept, alone and while others record.
func TestSweep(t *testing.T) {
	for _, load := range []int{0, 400} {
		s, err := bench.NewSandbox(t.Context(), t.TempDir(), 60)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Sweep(t.Context(), 5, load, 10<<20)
		if err != nil {
			t.Fatal(err)
		}
		if r.Metric(bench.UnitSweep) <= 0 || (r.Metric(bench.UnitRate) > 0) != (load > 0) {
			t.Errorf("%s", r)
		}
		if due, err := s.Ledger.SweepDue(t.Context()); err != nil || due.Unswept != 0 {
			t.Errorf("%d erasures are not swept, %v", due.Unswept, err)
		}
		if _, err := s.Sweep(t.Context(), 55, 0, 0); err == nil {
			t.Error("erases everybody")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
