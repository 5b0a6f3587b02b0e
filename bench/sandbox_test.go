package bench

import (
	"testing"

	"github.com/lacunalog/lacuna/ledger/event"
)

// TestCrowd: whoever comes in a crowd is there like the others.
func TestCrowd(t *testing.T) {
	defer func(n int) { crowd = n }(crowd)
	crowd = 50
	s, err := NewSandbox(t.Context(), t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	for _, people := range []int{20, 90} {
		if err := s.Grow(t.Context(), people); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.Erase(t.Context(), 0, 90, 9)
	if err != nil || r.N != 90 {
		t.Fatalf("erasing everybody: %v, %v", r, err)
	}
}

// TestWhom: an event is about the person who is asked for, also behind ten million others.
func TestWhom(t *testing.T) {
	for _, n := range []int{0, 1, 9, 10, 999_999, 1_000_000, 9_999_999, 10_000_000, 25_000_000} {
		ev, err := event.Parse(NewEvents(Small, 1, 1).about(n, "newsletter"))
		if err != nil {
			t.Fatal(err)
		}
		if got := ev.Str("subject"); got != Person(n) {
			t.Errorf("person %d: %s instead of %s", n, got, Person(n))
		}
	}
}
