package ledger_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
)

// TestSweepStale restores key pages from before a sweep beside rows that say how far it had come. The next sweep begins
// anew, and where it is interrupted before it has come as far, the one after it goes on with that and not with the
// other.
func TestSweepStale(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	crowd(t, l, 40, 4)
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p-1", Everything: true}); err != nil {
		t.Fatal(err)
	}
	interrupt := func(l *ledger.Ledger, at string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := l.Sweep(ctx, ledger.SweepOptions{Progress: func(stage string, _, _ uint64) {
			if stage == at {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("the sweep was not interrupted: %v", err)
		}
	}
	w.close(l)
	restored := w.crashNow(100, nil) // its key pages are from before the sweep
	l = w.open()
	interrupt(l, "events")
	stale := rowsOf(t, l, 'j')
	w.close(l)

	l = restored.open()
	n := 0
	for k, v := range stale {
		if k[1] == 's' {
			overwrite(t, l, k, v)
			n++
		}
	}
	if n != 2 {
		t.Fatalf("the sweep had come through %d states, not to its cut: this shows nothing", n)
	}
	interrupt(l, "lists")
	restored.close(l)
	l = restored.open()
	if done := sweepOnce(t, l); done.Record.Erased == 0 {
		t.Error("nothing is erased")
	}
	checkFsck(t, l)
}
