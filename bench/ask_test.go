package bench_test

import (
	"testing"

	"github.com/lacunalog/lacuna/bench"
)

// Everybody who is asked about has as many events as is said, and is new.
func TestAsking(t *testing.T) {
	s, err := bench.NewSandbox(t.Context(), t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	for _, events := range []int{1, 7} {
		r, err := s.Asking(t.Context(), 5, events)
		if err != nil {
			t.Fatal(err)
		}
		checkLine(t, r)
		for _, unit := range []string{bench.UnitAskCached, bench.UnitAskCold, bench.UnitAskColdP99} {
			if r.Metric(unit) <= 0 {
				t.Errorf("no figure for %s: %s", unit, r)
			}
		}
	}
	if s.People != 13 {
		t.Errorf("%d people", s.People)
	}
	for p, want := range map[int]int{0: 1, 3: 1, 7: 1, 8: 7, 12: 7} {
		if entries, _ := s.Ledger.Timeline(t.Context(), bench.Person(p)); len(entries) != want {
			t.Errorf("person %d has %d events, want %d", p, len(entries), want)
		}
	}
}
