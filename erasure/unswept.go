package erasure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lacunalog/lacuna/keystore"
)

// Unswept says how many erasures the next sweep covers, and when the keys of the first of them were destroyed.
func (e *Engine) Unswept(ctx context.Context) (jobs int, first time.Time, err error) {
	names, err := e.names(ctx)
	if err != nil {
		return 0, first, fmt.Errorf("looking for what is not swept: %w", err)
	}
	for _, n := range names {
		if n.kind != kindEpoch || n.state != Recorded {
			continue
		}
		var what epochRow
		err := unseal(ctx, e, n, &what)
		if errors.Is(err, keystore.ErrNoKey) || errors.Is(err, keystore.ErrErasing) {
			continue // swept, or just now
		}
		if err != nil {
			return 0, first, fmt.Errorf("looking for what is not swept: %w", err)
		}
		at, err := time.Parse(time.RFC3339, what.KeysDestroyedAt)
		if err != nil {
			return 0, first, err
		}
		if jobs += len(what.Jobs); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return jobs, first, nil
}
