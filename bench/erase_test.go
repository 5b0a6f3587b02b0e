package bench_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/bench"
)

// BenchmarkErase erases people out of 100,000, one after the other and many at
// once. An iteration is one round of requests; every person dies once, so the
// benchmark ends early where nobody is left.
func BenchmarkErase(b *testing.B) {
	const population = 100_000
	s, err := bench.NewSandbox(context.Background(), b.TempDir(), population)
	if err != nil {
		b.Fatal(err)
	}
	defer closing(b, s)
	next := 0
	for _, atOnce := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("people=%d/at-once=%d", population, atOnce), func(b *testing.B) {
			var rs []*bench.Result
			for b.Loop() {
				n := max(atOnce, 16)
				if next+n > population {
					b.Skip("everybody is erased")
				}
				r, err := s.Erase(b.Context(), next, n, atOnce)
				if err != nil {
					b.Fatal(err)
				}
				next += n
				rs = append(rs, r)
			}
			report(b, rs)
		})
	}
}

// BenchmarkCreate is the first event of somebody: a new key, and the page that
// it is kept in.
func BenchmarkCreate(b *testing.B) {
	const population = 10_000
	var rs []*bench.Result
	for b.Loop() {
		s, err := bench.NewSandbox(b.Context(), b.TempDir(), 0)
		if err != nil {
			b.Fatal(err)
		}
		r, err := s.Populate(b.Context(), population)
		if err != nil {
			b.Fatal(err)
		}
		rs = append(rs, r)
		closing(b, s)
	}
	report(b, rs)
}

// TestEraseUnderLoad: the load is there before and while people are erased, and
// nobody whom it records was among them.
func TestEraseUnderLoad(t *testing.T) {
	s, err := bench.NewSandbox(t.Context(), t.TempDir(), 200)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	r, err := s.EraseUnderLoad(t.Context(), 190, 8, 4, 190, 400)
	if err != nil {
		t.Fatal(err)
	}
	if r.Metric(bench.UnitAlone) <= 0 || r.Metric(bench.UnitRate) <= 0 || r.Metric(bench.UnitDestroyedP50) <= 0 || r.N != 8 {
		t.Errorf("%s", r)
	}
	if _, err := s.EraseUnderLoad(t.Context(), 190, 1, 1, 190, 400); err == nil {
		t.Error("erases somebody who is erased already")
	}
}

// TestEraseTogether: people whose data falls due before that of the others are gone
// afterwards, in one epoch, and the others are not.
func TestEraseTogether(t *testing.T) {
	s, err := bench.NewSandbox(t.Context(), t.TempDir(), 20)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	r, err := s.EraseTogether(t.Context(), 30)
	if err != nil {
		t.Fatal(err)
	}
	checkLine(t, r)
	if all, some := r.Metric(bench.UnitTogetherIn), r.Metric(bench.UnitTogether); some <= 0 || all < some {
		t.Errorf("%v ms from PREPARED, %v ms from REQUESTED", some, all)
	}
	for p, want := range map[int]int{0: 1, 19: 1, 20: 0, 49: 0} {
		if entries, _ := s.Ledger.Timeline(t.Context(), bench.Person(p)); len(entries) != want {
			t.Errorf("person %d has %d readable events", p, len(entries))
		}
	}
}
