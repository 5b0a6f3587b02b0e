package erasure

import "testing"

// TestForgetSweep: the rows of a sweep that began are gone, those of another stay. The
// world looks whether they go in order.
func TestForgetSweep(t *testing.T) {
	w := newWorld(t)
	for _, g := range []uint32{7, 8} {
		for _, s := range []sweepState{sweepOpened, sweepCut} {
			if err := w.e.advanceSweep(t.Context(), &sweepRow{Generation: g}, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.e.forgetSweep(t.Context(), 8); err != nil {
		t.Fatal(err)
	}
	for g, want := range map[uint32]bool{7: true, 8: false} {
		if got, err := w.e.sweepOf(t.Context(), g); err != nil || (got != nil) != want {
			t.Errorf("the sweep to generation %d: %v, %v", g, got, err)
		}
	}
}
