package bench

import "testing"

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
