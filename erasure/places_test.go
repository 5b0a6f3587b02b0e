package erasure

import "testing"

func TestPlaces(t *testing.T) {
	for range 20 {
		seen := make(map[int]bool)
		for _, p := range places(64, 64) {
			if p < 0 || p > 63 || seen[p] {
				t.Fatalf("place %d", p)
			}
			seen[p] = true
		}
	}
}
