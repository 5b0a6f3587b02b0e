package certificate

import (
	"slices"
	"testing"
)

func TestDraw(t *testing.T) {
	for _, c := range []struct {
		size uint64
		n    int
		want int
	}{{0, 5, 0}, {5, 0, 0}, {5, -1, 0}, {5, 5, 5}, {5, 9, 5}, {100, 99, 99}, {1 << 40, 1000, 1000}} {
		drawn := Draw(fixed("seed"), c.size, c.n)
		if len(drawn) != c.want || !slices.IsSorted(drawn) || len(slices.Compact(slices.Clone(drawn))) != c.want {
			t.Errorf("%d of %d: %d numbers", c.n, c.size, len(drawn))
		}
		if len(drawn) > 0 && drawn[len(drawn)-1] >= c.size {
			t.Errorf("%d of %d: %d is none of them", c.n, c.size, drawn[len(drawn)-1])
		}
	}
	a, b := Draw(fixed("seed"), 1<<40, 20), Draw(fixed("other"), 1<<40, 20)
	if slices.Equal(a, b) || !slices.Equal(a, Draw(fixed("seed"), 1<<40, 20)) {
		t.Error("a seed does not choose the numbers")
	}
}

// TestDrawFair: every number is drawn about as often as any other. With 40,000 draws of 8 in 64 the
// expected count of each is 5,000 with a deviation of 66; eight of these are never seen.
func TestDrawFair(t *testing.T) {
	var n [64]int
	for i := range 40000 {
		for _, d := range Draw(seedOf([]byte{byte(i), byte(i >> 8)}, nil), 64, 8) {
			n[d]++
		}
	}
	for i, c := range n {
		if c < 5000-8*66 || c > 5000+8*66 {
			t.Errorf("%d was drawn %d times of 5000", i, c)
		}
	}
}
