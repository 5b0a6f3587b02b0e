package erasure

import (
	"context"
	"testing"
	"time"
)

// epochOf waits for a job and says in which epoch it was.
func epochOf(t *testing.T, j *Job) uint64 {
	t.Helper()
	c, err := j.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c.Terms.Epoch
}

func submit(t *testing.T, w *world, subject string) *Job {
	t.Helper()
	j, err := w.e.Submit(t.Context(), w.erasing(subject))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestPause: while the ledger is busy, requests that come after one another share an
// epoch. The control is a ledger that is not: nobody waits.
func TestPause(t *testing.T) {
	for _, busy := range []bool{true, false} {
		w := newWorld(t)
		w.people()
		entered, release := make(chan struct{}), make(chan struct{})
		w.e.o.Pause, w.e.o.Busy = time.Hour, func() bool { return busy }
		w.e.o.wait = func(_ context.Context, c <-chan struct{}, most time.Duration) {
			if c != nil || most <= gatherMost {
				t.Errorf("waits %v for something else", most)
			}
			close(entered)
			<-release
		}
		first := epochOf(t, submit(t, w, "s:ada"))
		second := submit(t, w, "s:bob")
		if !busy {
			if n := epochOf(t, second); n != first+1 {
				t.Errorf("epoch %d after %d", n, first)
			}
			continue
		}
		<-entered
		third := submit(t, w, "s:cyn")
		close(release)
		if a, b := epochOf(t, second), epochOf(t, third); a != b || a != first+1 {
			t.Errorf("epochs %d and %d after %d", a, b, first)
		}
	}
}

// TestGather: an epoch waits for requests that are being written down, and no longer
// than it has to.
func TestGather(t *testing.T) {
	w := newWorld(t)
	w.people()
	entered := make(chan struct{})
	w.e.o.wait = func(ctx context.Context, c <-chan struct{}, _ time.Duration) {
		close(entered)
		select {
		case <-ctx.Done():
		case <-c:
		}
	}
	w.e.mu.Lock()
	w.e.writing++ // somebody is
	w.e.mu.Unlock()
	first := submit(t, w, "s:ada")
	<-entered
	second := submit(t, w, "s:bob")
	w.e.mu.Lock()
	w.e.written()
	w.e.mu.Unlock()
	if a, b := epochOf(t, first), epochOf(t, second); a != b {
		t.Errorf("epochs %d and %d", a, b)
	}
}
