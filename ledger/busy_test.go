package ledger

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	var p pace
	at := time.Unix(1_800_000_000, 0)
	for i, c := range []struct {
		after time.Duration
		size  uint64
		want  bool
	}{
		{0, 1_000_000, false},                     // nothing to compare with
		{50 * time.Millisecond, 2_000_000, false}, // too soon to say
		{50 * time.Millisecond, 1_000_099, false}, // 990 in a second
		{100 * time.Millisecond, 1_000_199, true}, // 1,000 in a second
		{99 * time.Millisecond, 1_000_199, true},  // between two bursts
		{time.Second, 1_000_199, false},
	} {
		at = at.Add(c.after)
		if got := p.look(at, c.size); got != c.want {
			t.Errorf("look %d: %v, want %v", i, got, c.want)
		}
	}
}
