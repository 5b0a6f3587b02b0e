package ledger_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/ledger"
)

// openErasing opens the ledger and calls f when an erasure reaches a state.
func (w *world) openErasing(f func(erasure.State)) *ledger.Ledger {
	w.t.Helper()
	seams := w.seams()
	seams.Erasure = func(o *erasure.Options) { o.Progress = func(_ erasure.ID, s erasure.State) { f(s) } }
	l, err := ledger.OpenOn(w.t.Context(), w.options(), seams)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	return l
}

// TestBackDuringErasure lets a person come back in the moment in which their keys
// are destroyed and the ledger still remembers them: the new event begins a chain
// under a new key, and is not lost behind the end of the old one.
func TestBackDuringErasure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var l *ledger.Ledger
	at := erasure.State(0)
	l = w.openErasing(func(s erasure.State) {
		if s == at {
			must(t, l, `{"type":"processing.performed","id":"back-%s","subject":"p","purpose":"chat-service","operation":"again"}`, s)
			must(t, l, `{"type":"right.requested","id":"right-%s","subject":"p","right":"A15","channel":"email"}`, s)
		}
	})
	declare(t, l)
	for _, at = range []erasure.State{erasure.Destroyed, erasure.Scrubbed, erasure.Recorded} {
		for i := range 3 {
			must(t, l, `{"type":"processing.performed","id":"before-%d-%s","subject":"p","purpose":"chat-service","operation":"first"}`, i, at)
		}
		must(t, l, `{"type":"processing.performed","id":"other-%s","subject":"p","purpose":"own-products","operation":"first"}`, at)
		if _, cert, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil || cert.Entries < 4 {
			t.Fatal(cert, err)
		}
		ids := map[string]bool{}
		entries, err := l.Timeline(t.Context(), "p")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			ids[e.Event.Str("id")] = true
		}
		if !ids["back-"+at.String()] || !ids["right-"+at.String()] {
			t.Errorf("an event that was recorded at %s is not there: %v", at, ids)
		}
		if ids["other-"+at.String()] || ids["before-0-"+at.String()] {
			t.Errorf("what was erased is there: %v", ids)
		}
		checkFsck(t, l)
	}
}

// TestForgetInFlight forgets a person of whom a request is on its way to the disk:
// the next request is its successor in the chain.
func TestForgetInFlight(t *testing.T) {
	w := newWorld(t)
	var l *ledger.Ledger
	var wg sync.WaitGroup
	var subs [2]*ledger.Submission
	l = w.openErasing(func(s erasure.State) {
		if s != erasure.Destroyed {
			return
		}
		reached, release := w.disk.HoldSyncs(".log")
		submit := func(i int) {
			var err error
			ev := parse(t, `{"type":"processing.performed","subject":"p","purpose":"invoices","operation":"store"}`)
			if subs[i], err = l.Submit(t.Context(), ev); err != nil {
				t.Error(err)
			}
		}
		submit(0)
		wg.Go(func() {
			<-reached // the first is on its way, and the person is about to be forgotten
			done := make(chan struct{})
			wg.Go(func() { submit(1); close(done) })
			for range 1000 {
				select {
				case <-done:
				default:
					runtime.Gosched()
				}
			}
			release()
		})
	})
	declare(t, l)
	must(t, l, `{"type":"processing.performed","subject":"p","purpose":"chat-service","operation":"first"}`)
	must(t, l, `{"type":"processing.performed","subject":"p","purpose":"invoices","operation":"store"}`)
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	for _, s := range subs {
		if _, err := s.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := l.Timeline(t.Context(), "p"); err != nil || len(entries) != 3 {
		t.Errorf("%d events are there, want 3 (%v)", len(entries), err)
	}
	r := checkFsck(t, l)
	if r.Erased != 1 {
		t.Errorf("%d entries do not open, one was erased", r.Erased)
	}
}
