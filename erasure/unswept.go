package erasure

import (
	"context"
	"fmt"
	"time"
)

// Unswept says how many erasures the next sweep covers, and when the keys of the first of them were destroyed.
func (e *Engine) Unswept(ctx context.Context) (jobs int, first time.Time, err error) {
	names, err := e.names(ctx)
	if err != nil {
		return 0, first, fmt.Errorf("looking for what is not swept: %w", err)
	}
	epochs, unread, err := e.recordedEpochs(ctx, names)
	if err != nil {
		return 0, first, fmt.Errorf("looking for what is not swept: %w", err)
	}
	note := func(n int, when string) error {
		at, err := time.Parse(time.RFC3339, when)
		if jobs += n; first.IsZero() || at.Before(first) {
			first = at
		}
		return err
	}
	for _, what := range epochs {
		if err := note(len(what.Jobs), what.KeysDestroyedAt); err != nil {
			return 0, first, err
		}
	}
	for _, r := range unread { // how many erasures it had is not known
		if err := note(1, r.KeysDestroyedAt); err != nil {
			return 0, first, err
		}
	}
	return jobs, first, nil
}
