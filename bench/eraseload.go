package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Units of erasures under load: events that were recorded in a second while nobody
// was erased, and while people were; and the one over the other.
const (
	UnitAlone = "alone-events/s"
	UnitKept  = "kept"
)

// alone is how long the load runs before the first erasure.
const alone = 2 * time.Second

// EraseUnderLoad is Erase while so many events are recorded in a second, about the
// first others of the people, who must not be among the erased.
func (s *Sandbox) EraseUnderLoad(ctx context.Context, from, n, atOnce, others, rate int) (*Result, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var recorded atomic.Int64
	var wg sync.WaitGroup
	for c := range loaders {
		wg.Go(func() {
			if err := s.load(ctx, others, rate/loaders, seeds.Add(1)+uint64(c), &recorded); err != nil {
				stop(fmt.Errorf("recording beside erasures: %w", err))
			}
		})
	}
	r, err := s.eraseBeside(ctx, from, n, atOnce, &recorded)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	stop(nil)
	wg.Wait()
	if err != nil {
		return nil, err
	}
	r.Name += fmt.Sprintf("/load=%d", rate)
	return r, nil
}

func (s *Sandbox) eraseBeside(ctx context.Context, from, n, atOnce int, recorded *atomic.Int64) (*Result, error) {
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
		return nil, err
	}
	var r *Result
	during, err := perSecond(func() (err error) {
		r, err = s.Erase(ctx, from, n, atOnce)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.add(UnitAlone, quiet)
	r.add(UnitRate, during)
	r.add(UnitKept, during/quiet)
	return r, nil
}

// loaders share a load. Each sends what has become due since it last sent, so a load
// that is too much is not caught up with.
const loaders = 4

func (s *Sandbox) load(ctx context.Context, people, rate int, seed uint64, recorded *atomic.Int64) error {
	const tick = 10 * time.Millisecond
	events := NewEvents(Small, people, seed)
	window := max(1, int(float64(rate)*tick.Seconds()))
	send := s.window(events.Next, window)
	every := time.NewTicker(time.Duration(float64(window) / float64(rate) * float64(time.Second)))
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		n, err := send(ctx)
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		recorded.Add(int64(n))
	}
}
