package bench

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/ledger"
)

// Units of erasures: from the call until the keys are destroyed at every holder
// (from then on nobody can read any more), and until the epoch record is in the
// log and the certificate is in hand.
const (
	UnitDestroyedP50 = "destroyed-p50-ms"
	UnitDestroyedP99 = "destroyed-p99-ms"
	UnitRecordedP50  = "recorded-p50-ms"
	UnitRecordedP99  = "recorded-p99-ms"
)

// Units of many erasures in one epoch, from PREPARED on: until then everything goes on
// as before.
const (
	UnitTogether   = "prepared-to-destroyed-ms"
	UnitTogetherIn = "requested-to-destroyed-ms"
)

// UnitLeft is the part of erased keys that a search of the files still finds.
const UnitLeft = "left"

// Erase erases so many people, each by a request of its own, so many at once.
// They must not have been erased before: from is the number of the first.
func (s *Sandbox) Erase(ctx context.Context, from, n, atOnce int) (*Result, error) {
	if from+n > s.People {
		return nil, fmt.Errorf("erasing people %d to %d of %d", from, from+n, s.People)
	}
	reached := make(map[erasure.State]Latencies)
	var recorded Latencies
	m := Start()
	for done := 0; done < n; {
		round := min(atOnce, n-done)
		r, err := s.eraseRound(ctx, from+done, round, reached)
		if err != nil {
			return nil, fmt.Errorf("erasing: %w", err)
		}
		recorded = append(recorded, r...)
		done += round
	}
	u := m.Stop()
	destroyed := reached[erasure.Destroyed]
	r := &Result{Name: fmt.Sprintf("Erase/people=%d/at-once=%d", s.People, atOnce), N: n}
	r.add("ns/op", float64(u.Elapsed.Nanoseconds())/float64(n))
	r.add(UnitDestroyedP50, micros(destroyed.Quantile(0.50))/1e3)
	r.add(UnitDestroyedP99, micros(destroyed.Quantile(0.99))/1e3)
	r.add(UnitRecordedP50, micros(recorded.Quantile(0.50))/1e3)
	r.add(UnitRecordedP99, micros(recorded.Quantile(0.99))/1e3)
	if u.CPU > 0 {
		r.add("cpu-µs/op", micros(u.CPU)/float64(n))
	}
	r.during(u.Busy)
	// The way there, for one who looks where the time goes.
	for _, state := range []erasure.State{erasure.Requested, erasure.Fenced, erasure.Collected, erasure.Prepared, erasure.Rooted} {
		if l := reached[state]; len(l) > 0 {
			r.add(strings.ToLower(state.String())+"-p50-ms", micros(l.Quantile(0.50))/1e3)
		}
	}
	return r, nil
}

// eraseRound sends requests at the same time and waits for all of them. It notes
// when each state was reached, counted from the calls.
func (s *Sandbox) eraseRound(ctx context.Context, from, n int, reached map[erasure.State]Latencies) (recorded Latencies, err error) {
	began := time.Now()
	var mu sync.Mutex
	progress := func(state erasure.State) {
		at := time.Since(began)
		mu.Lock()
		reached[state] = append(reached[state], at)
		mu.Unlock()
	}
	s.progress.Store(&progress)
	defer s.progress.Store(nil)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, _, e := s.Ledger.Erase(ctx, ledger.EraseRequest{Subject: Person(from + i)})
			at := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			recorded = append(recorded, at)
			if err == nil {
				err = e
			}
		})
	}
	wg.Wait()
	return recorded, err
}

// EraseTogether makes so many people whose data falls due before that of the others,
// and lets a retention run destroy it, which it does in one epoch. They are the last of
// the people, and gone afterwards.
func (s *Sandbox) EraseTogether(ctx context.Context, n int) (*Result, error) {
	others := s.People
	if _, err := s.populate(ctx, n, "raffle"); err != nil {
		return nil, err
	}
	if err := settle(ctx); err != nil {
		return nil, err
	}
	s.People = others
	at := make(map[erasure.State]time.Time)
	progress := func(state erasure.State) { at[state] = time.Now() }
	s.progress.Store(&progress)
	defer s.progress.Store(nil)
	m := Start()
	_, certs, err := s.Ledger.RunRetention(ctx, time.Now().AddDate(0, 3, 0))
	if err != nil {
		return nil, fmt.Errorf("erasing %d people in one epoch: %w", n, err)
	}
	u := m.Stop()
	if len(certs) != 1 {
		return nil, fmt.Errorf("erasing %d people took %d epochs", n, len(certs))
	}
	r := &Result{Name: fmt.Sprintf("EraseTogether/people=%d/epoch=%d", others, n), N: 1}
	r.add("ns/op", float64(u.Elapsed.Nanoseconds()))
	r.add(UnitTogether, micros(at[erasure.Destroyed].Sub(at[erasure.Prepared]))/1e3)
	r.add(UnitTogetherIn, micros(at[erasure.Destroyed].Sub(at[erasure.Requested]))/1e3)
	r.during(u.Busy)
	return r, nil
}
