package ledger_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/consent"
)

// TestCacheIsWhatIsStored compares what the cache says of people, after random
// histories, with what their sealed events say: an answer may not depend on whether
// the ledger was opened since.
func TestCacheIsWhatIsStored(t *testing.T) {
	for seed := range histories(t, 4) {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			h := newHistory(w, l, newReference())
			rng := rand.New(rand.NewPCG(uint64(seed), 3))
			for i := range 60 {
				person := fmt.Sprintf("p-0-%d", i%3)
				if err := h.step(t.Context(), rng, person); err != nil {
					t.Fatal(err)
				}
				checkCache(t, l, person)
			}
		})
	}
}

func checkCache(t testing.TB, l *ledger.Ledger, person string) {
	t.Helper()
	committed, speculative, ok := ledger.CachedState(l, person)
	if !ok {
		return
	}
	stored, err := ledger.StoredState(t.Context(), l, person)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, stored) {
		t.Fatalf("the cache says something else than the store:\n%x\n%x", committed, stored)
	}
	events, err := ledger.StateOfEvents(t.Context(), l, person)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored, events) {
		t.Fatalf("a fold of runs says something else than one of events:\n%x\n%x", stored, events)
	}
	if !bytes.Equal(speculative, stored) {
		t.Fatal("nothing is on its way, but the next request is validated against another state")
	}
}

// TestAsKnownThen asks about a day on which a withdrawal had happened and was not
// recorded yet: then it was allowed, as far as anybody knew. The answer is the same
// from memory and from disk.
func TestAsKnownThen(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, `{"type":"consent.given","subject":"p","form":"web-partner","contact":"mailto:p@shop.example"}`)
	w.clock.move(10 * 24 * time.Hour)
	asked := w.clock.now()
	w.clock.move(10 * 24 * time.Hour)
	must(t, l, `{"type":"consent.withdrawn","subject":"p","purpose":"*","channel":"email",%s}`, happened(asked.Add(-24*time.Hour)))
	ask := func(when string) {
		t.Helper()
		q := question("partner-mail", "email")
		q.At = asked
		a, err := l.May(t.Context(), "p", q)
		if err != nil {
			t.Fatal(err)
		}
		if a.Decision != consent.Deny || a.Then == nil || a.Then.Decision != consent.Allow {
			t.Errorf("%s: %s, as known then %+v", when, a.Decision, a.Then)
		}
	}
	ask("from memory")
	checkCache(t, l, "p")
	w.close(l)
	l = w.open()
	ask("from disk")
}
