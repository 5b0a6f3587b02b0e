package audit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Watch runs rounds of an auditor or of a mirror, again and again.
type Watch struct {
	// Every is the time between the end of a round and the next. Required.
	Every time.Duration
	// TolerateStale is how long the source may do what caches do: show an older
	// head than before, if it is one of the same history, or not have a file yet
	// that its head covers. Zero tolerates neither.
	TolerateStale time.Duration
	// Round is one round.
	Round func(context.Context) error
	// Tell, if not nil, is called with the error of a round after which the watch
	// goes on.
	Tell func(error)
}

// Run runs rounds until one finds something that cannot be waited out. A source
// that cannot be reached can be, and so can, for a time, a stale one. It returns
// the error of the last round, or the cause of ctx's end.
func (w *Watch) Run(ctx context.Context) error {
	var since time.Time // when the source was first seen to be stale
	for {
		err := w.Round(ctx)
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		_, unreachable := errors.AsType[*UnreachableError](err)
		switch {
		case err == nil:
			since = time.Time{}
		case stale(err):
			if since.IsZero() {
				since = time.Now()
			}
			if lasted := time.Since(since); lasted >= w.TolerateStale {
				return fmt.Errorf("for %v: %w", lasted.Round(time.Second), err)
			}
		case unreachable:
		default:
			return err
		}
		if err != nil && w.Tell != nil {
			w.Tell(err)
		}
		pause := time.NewTimer(w.Every)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return context.Cause(ctx)
		}
	}
}

// stale reports whether a round found what a cache does without the log's doing.
func stale(err error) bool {
	c, conflict := errors.AsType[*ConflictError](err)
	m, mismatch := errors.AsType[*MismatchError](err)
	return conflict && c.Evidence.Kind == Older || mismatch && m.Missing
}
