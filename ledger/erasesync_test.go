package ledger_test

import (
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
)

// TestEraseSyncs counts what an erasure waits for. Up to the death of the keys that is
// the request, then everything up to PREPARED in one sync of the log, and the root's
// holder twice; how many events there are changes nothing.
func TestEraseSyncs(t *testing.T) {
	for _, events := range []int{1, 40} {
		w := newWorld(t)
		l := w.open()
		declare(t, l)
		for range events {
			must(t, l, `{"type":"processing.performed","subject":"anna","purpose":"chat-service","operation":"x"}`)
		}
		syncs, shares, at := 0, 0, map[string][2]int{}
		w.mu.Lock()
		w.onStep = func(step string, _ int) {
			switch {
			case step == "disk sync .log":
				syncs++
			case step == "root: after the new share", step == "root: after the old share died":
				shares++
			case strings.HasPrefix(step, "erasure "):
				at[strings.TrimPrefix(step, "erasure ")] = [2]int{syncs, shares}
			}
		}
		w.mu.Unlock()
		if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "anna"}); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.onStep = nil
		w.mu.Unlock()
		for state, want := range map[string][2]int{"REQUESTED": {1, 0}, "COLLECTED": {1, 0}, "PREPARED": {2, 0}, "ROOTED": {2, 1}, "DESTROYED": {2, 2}} {
			if at[state] != want {
				t.Errorf("%d events: %v syncs of the log and writes of the root until %s, want %v", events, at[state], state, want)
			}
		}
		// Behind that the record with the mark that the epoch has ended, and
		// the rows that say where the record is.
		if n := at["RECORDED"][0]; n != 4 {
			t.Errorf("%d events: %d syncs of the log until RECORDED, want 4", events, n)
		}
	}
}
