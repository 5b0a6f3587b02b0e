package ledger_test

import (
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger"
)

// TestRecordedTime: an answer names the time that was sealed with the event, under a
// clock that is finer than an event, and again when it is asked for once more.
func TestRecordedTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	w.close(l)
	o := w.options()
	o.Now = func() time.Time { return w.clock.now().Add(456_789 * time.Nanosecond) }
	l, err := ledger.OpenOn(t.Context(), o, w.seams())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, request := range []string{single, single, several, public} {
		for _, r := range must(t, l, request) {
			e, err := l.Get(t.Context(), r.Index)
			if err != nil {
				t.Fatal(err)
			}
			if sealed := e.Event.Recorded(); sealed.IsZero() || !r.Recorded.Equal(sealed) {
				t.Errorf("entry %d (replayed: %v): answered %s, sealed %s", r.Index, r.Replayed, r.Recorded.Format(time.RFC3339Nano), sealed.Format(time.RFC3339Nano))
			}
		}
	}
}
