package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Units of what is done under load: events that were recorded in a second before it
// began, and the part of them that were while it went on.
const (
	UnitAlone = "alone-events/s"
	UnitKept  = "kept"
)

// alone is how long a load runs before that begins.
const alone = 2 * time.Second

// EraseUnderLoad is Erase while so many events are recorded in a second, about the
// first others of the people, who must not be among the erased.
func (s *Sandbox) EraseUnderLoad(ctx context.Context, from, n, atOnce, others, rate int) (*Result, error) {
	var r *Result
	var rates Result
	err := s.beside(ctx, others, rate, &rates, func() (err error) {
		r, err = s.Erase(ctx, from, n, atOnce)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.Name += fmt.Sprintf("/load=%d", rate)
	r.Metrics = append(r.Metrics, rates.Metrics...)
	return r, nil
}

// beside does something while so many events are recorded in a second about the first
// of the people, and adds to a result how many were before, and how many meanwhile.
func (s *Sandbox) beside(ctx context.Context, people, rate int, r *Result, do func() error) (err error) {
	ctx, stop := context.WithCancelCause(ctx)
	var recorded atomic.Int64
	var wg sync.WaitGroup
	for range loaders {
		wg.Go(func() {
			if err := s.load(ctx, people, max(rate/loaders, 1), seeds.Add(1), &recorded); err != nil {
				stop(fmt.Errorf("recording meanwhile: %w", err))
			}
		})
	}
	defer func() {
		stop(nil)
		wg.Wait()
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			err = cause
		}
	}()
	perSecond := func(f func() error) (float64, error) {
		before, began := recorded.Load(), time.Now()
		err := f()
		return float64(recorded.Load()-before) / time.Since(began).Seconds(), err
	}
	quiet, err := perSecond(func() error {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(alone):
			return nil
		}
	})
	if err != nil {
		return err
	}
	during, err := perSecond(do)
	if err != nil {
		return err
	}
	r.add(UnitAlone, quiet)
	r.add(UnitRate, during)
	r.add(UnitKept, during/quiet)
	return nil
}

// loaders share a load. Each sends what is due at its tick; a tick that is missed is
// not caught up with.
const loaders = 4

func (s *Sandbox) load(ctx context.Context, people, rate int, seed uint64, recorded *atomic.Int64) error {
	window := max(1, rate/100) // a hundred times a second
	send := s.window(NewEvents(Small, people, seed).Next, window)
	tick := time.NewTicker(time.Second * time.Duration(window) / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		n, err := send(ctx)
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		recorded.Add(int64(n))
	}
}
