package bench

import (
	"context"
	"fmt"
	mrand "math/rand/v2"

	"github.com/lacunalog/lacuna/ledger/consent"
)

// Units of asking whether something may be done, about somebody who is in memory and
// about somebody who has to be folded from what is stored.
const (
	UnitAskCached  = "cached-p50-µs"
	UnitAskCold    = "cold-p50-µs"
	UnitAskColdP99 = "cold-p99-µs"
)

// Asking records so many events about each of some people and opens the ledger anew,
// where nobody is in memory; then it asks about each of them twice. Files are where the
// system keeps what was written lately.
func (s *Sandbox) Asking(ctx context.Context, people, events int) (*Result, error) {
	from := s.People
	if _, err := s.about(ctx, "History", from, people, events, "newsletter"); err != nil {
		return nil, fmt.Errorf("recording %d events about each of %d people: %w", events, people, err)
	}
	s.People += people
	if err := settle(ctx); err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	r := &Result{Name: fmt.Sprintf("Ask/events=%d/people=%d", events, people), N: people}
	m := Start()
	order := mrand.New(mrand.NewPCG(2, uint64(events))).Perm(people)
	cold, err := s.ask(ctx, from, order)
	if err != nil {
		return nil, err
	}
	cached, err := s.ask(ctx, from, order)
	if err != nil {
		return nil, err
	}
	r.add(UnitAskCached, micros(cached.Quantile(0.5)))
	r.add(UnitAskCold, micros(cold.Quantile(0.5)))
	r.add(UnitAskColdP99, micros(cold.Quantile(0.99)))
	r.during(m.Stop().Busy)
	return r, nil
}

func (s *Sandbox) ask(ctx context.Context, from int, people []int) (took Latencies, _ error) {
	for _, p := range people {
		one, err := timed(func() error {
			_, err := s.Ledger.May(ctx, Person(from+p), consent.Question{Purpose: "newsletter", Channel: "email"})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("asking: %w", err)
		}
		took = append(took, one)
	}
	return took, nil
}
