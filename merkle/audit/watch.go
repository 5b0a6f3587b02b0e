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
	// TolerateOlder is how long the source may show an older head than before,
	// as caches do, if it is one of the same history. Zero tolerates none.
	TolerateOlder time.Duration
	// Round is one round.
	Round func(context.Context) error
	// Tell, if not nil, is called with the error of a round after which the watch
	// goes on.
	Tell func(error)
}

// Run runs rounds until one finds something that cannot be waited out. A source
// that cannot be reached can be, and so can, for a time, an older head. It
// returns the error of the last round, or the cause of ctx's end.
func (w *Watch) Run(ctx context.Context) error {
	var since time.Time // when the older head was first seen
	for {
		err := w.Round(ctx)
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		c, conflicts := errors.AsType[*ConflictError](err)
		_, unreachable := errors.AsType[*UnreachableError](err)
		switch {
		case err == nil:
			since = time.Time{}
		case conflicts && c.Evidence.Kind == Older:
			if since.IsZero() {
				since = time.Now()
			}
			if lasted := time.Since(since); lasted >= w.TolerateOlder {
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
