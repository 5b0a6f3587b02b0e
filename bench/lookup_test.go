package bench_test

import (
	"testing"

	"github.com/lacunalog/lacuna/bench"
)

// Every way of looking a key up is measured.
func TestLookups(t *testing.T) {
	r, err := bench.Lookups(t.Context(), t.TempDir(), 3000, 500)
	if err != nil {
		t.Fatal(err)
	}
	checkLine(t, r)
	for _, unit := range []string{bench.UnitLookupCached, bench.UnitLookupPage, bench.UnitLookupCold} {
		if r.Metric(unit) <= 0 {
			t.Errorf("no figure for %s: %s", unit, r)
		}
	}
}

// First events are those of new people, further ones make nobody.
func TestCreation(t *testing.T) {
	s, err := bench.NewSandbox(t.Context(), t.TempDir(), 10)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	before := s.Ledger.Log().Head().Size
	r, err := s.Creation(t.Context(), 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	checkLine(t, r)
	if n := s.Ledger.Log().Head().Size - before; s.People != 30 || n != 40 || r.N != 20 {
		t.Errorf("%d people, %d entries, %d counted", s.People, n, r.N)
	}
	for p, want := range map[int]int{0: 1, 9: 1, 10: 2, 29: 2} {
		if entries, _ := s.Ledger.Timeline(t.Context(), bench.Person(p)); len(entries) != want {
			t.Errorf("person %d has %d events, want %d", p, len(entries), want)
		}
	}
	if _, err := s.Creation(t.Context(), 100, 1); err == nil {
		t.Error("further events of more people than there are")
	}
}
