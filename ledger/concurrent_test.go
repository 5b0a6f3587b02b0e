package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
)

// A witness notes what many callers were told, with the order of beginnings and
// ends, so that it can be held against the ledger when all are done.
type witness struct {
	tick atomic.Int64

	mu      sync.Mutex
	records []witnessed
	erased  map[string][]witnessed // by person
}

type witnessed struct {
	person, id, compartment string
	index                   uint64
	began, ended            int64
}

// TestConcurrent lets many callers record about few people, erase them, ask, read
// and prove at once. No call fails in a way that is not an answer, no event is lost
// that no erasure can have taken, and no chain has a hole.
func TestConcurrent(t *testing.T) {
	for seed := range histories(t, 3) {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			v := &witness{erased: map[string][]witnessed{}}
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
					for n := range 60 {
						if err := v.act(ctx, l, rng, fmt.Sprintf("%d-%d", i, n)); err != nil {
							t.Errorf("%s", explain(err))
							return
						}
					}
				})
			}
			wg.Wait()
			if t.Failed() {
				return
			}
			v.check(t, l)
			w.close(l)
			v.check(t, w.open())
		})
	}
}

// act makes one random call.
func (v *witness) act(ctx context.Context, l *ledger.Ledger, rng *rand.Rand, id string) error {
	person := fmt.Sprintf("p-%d", rng.IntN(3))
	switch n := rng.IntN(100); {
	case n < 50:
		kinds := []struct{ compartment, more string }{
			{"chat", `"type":"processing.performed","purpose":"chat-service","operation":"answer"`},
			{"marketing", `"type":"processing.performed","purpose":"own-products","operation":"store"`},
			{"tax", `"type":"processing.performed","purpose":"invoices","operation":"store"`},
			{event.RightsRecords, `"type":"right.requested","right":"A15","channel":"email"`},
			{event.ConsentEvidence, `"type":"notice.delivered","notice":"privacy","channel":"email"`},
		}
		k := kinds[rng.IntN(len(kinds))]
		return v.record(ctx, l, person, id, k.compartment, k.more)
	case n < 60:
		_, err := l.Record(ctx, mustParse(`{"type":"consent.given","id":%q,"subject":%q,"form":"web-partner","contact":"mailto:p@shop.example"}`, id, person))
		return unlessAnswer(err)
	case n < 70:
		_, err := l.May(ctx, person, consent.Question{Purpose: "partner-mail", Channel: "email"})
		return unlessAnswer(err)
	case n < 80:
		entries, err := l.Timeline(ctx, person)
		if err == nil {
			err = contiguous(entries)
		}
		return unlessAnswer(err)
	case n < 86:
		return v.prove(ctx, l, rng)
	case n < 88:
		_, _, err := l.RunRetention(ctx, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
		return unlessAnswer(err)
	case n < 90:
		ledger.Evict(l, person)
		return nil
	default:
		began := v.tick.Add(1)
		_, _, err := l.Erase(ctx, ledger.EraseRequest{Subject: person, Everything: n == 99})
		scope := "some"
		if n == 99 {
			scope = "all"
		}
		// Even one that failed may have taken something.
		v.mu.Lock()
		v.erased[person] = append(v.erased[person], witnessed{person: person, compartment: scope, began: began, ended: v.tick.Add(1)})
		v.mu.Unlock()
		return unlessAnswer(err)
	}
}

func (v *witness) record(ctx context.Context, l *ledger.Ledger, person, id, compartment, more string) error {
	began := v.tick.Add(1)
	rec, err := l.Record(ctx, mustParse(`{"id":%q,"subject":%q,%s}`, id, person, more))
	if err != nil {
		return unlessAnswer(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.records = append(v.records, witnessed{person: person, id: id, compartment: compartment, index: rec[0].Index, began: began, ended: v.tick.Add(1)})
	return nil
}

func (v *witness) prove(ctx context.Context, l *ledger.Ledger, rng *rand.Rand) error {
	v.mu.Lock()
	if len(v.records) == 0 {
		v.mu.Unlock()
		return nil
	}
	r := v.records[rng.IntN(len(v.records))]
	v.mu.Unlock()
	p, err := l.Prove(ctx, r.index, ledger.ProveOptions{})
	if err != nil {
		return unlessAnswer(err)
	}
	_, err = l.Verify(p.File)
	return err
}

func mustParse(format string, args ...any) *event.Event {
	ev, err := event.Parse(fmt.Appendf(nil, format, args...))
	if err != nil {
		panic(err)
	}
	return ev
}

// unlessAnswer drops errors that are answers.
func unlessAnswer(err error) error {
	var (
		refused *event.Refused
		missing *ledger.NotFoundError
		busy    *ledger.BusyError
		kept    *ledger.KeptError
		erased  *ledger.ErasedError
	)
	if errors.As(err, &refused) || errors.As(err, &missing) || errors.As(err, &busy) || errors.As(err, &kept) || errors.As(err, &erased) {
		return nil
	}
	return err
}

// contiguous checks that each chain of a timeline runs from one on, in the order of
// the log.
func contiguous(entries []ledger.Entry) error {
	last := map[string]int{}
	for _, e := range entries {
		chain := e.Compartment + " " + e.Cohort.String()
		last[chain]++
		if got, _ := e.Event.Get("_seq"); string(got) != strconv.Itoa(last[chain]) {
			return fmt.Errorf("an event of %s is number %s and stands at %d", chain, got, last[chain])
		}
	}
	return nil
}

// check holds the ledger to what callers were told.
func (v *witness) check(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	there := map[string]map[string]bool{}
	for i := range 3 {
		person := fmt.Sprintf("p-%d", i)
		entries, err := l.Timeline(t.Context(), person)
		if err != nil && !isNotFound(err) {
			t.Fatal(err)
		}
		there[person] = map[string]bool{}
		for _, e := range entries {
			there[person][e.Event.Str("id")] = true
		}
		if err := contiguous(entries); err != nil {
			t.Error(err)
		}
		checkCache(t, l, person)
	}
	must, lost := 0, 0
	for _, r := range v.records {
		may := false
		for _, e := range v.erased[r.person] {
			may = may || e.ended > r.began && (e.compartment == "all" || !kept(r.compartment))
		}
		if may {
			continue
		}
		if must++; !there[r.person][r.id] {
			lost++
			t.Errorf("an acknowledged event of %s (entry %d) is not there, and nobody can have erased it", r.compartment, r.index)
		}
	}
	if must == 0 {
		t.Error("every event may have been erased: this shows nothing")
	}
	checkFsck(t, l)
}
