package keystore

import (
	"context"
	"errors"
	"fmt"
)

// Fence begins the erasure of keys: no new event is sealed under them from now
// on. It returns when that is queued, written as images so that nobody who
// controls the rows can drop it alone, and when every lease that was given before
// has ended. It is durable no later than the pages of the epoch that erases the keys,
// which are queued behind it; who stops before that may find the keys free. If ctx
// ends first the keys stay fenced.
func (t *Tree) Fence(ctx context.Context, refs []Ref) error {
	ids := refIDs(refs)
	_, err := t.enqueueChange(ctx, ids, true, false, func(e *entry) error {
		if e.flags&flagHeld != 0 {
			return errHeld
		}
		e.state = Erasing
		return nil
	})
	if err != nil {
		return fmt.Errorf("fencing keys: %w", err)
	}
	for _, id := range ids {
		if err := await(ctx, t.keys.drain(id)); err != nil {
			return fmt.Errorf("waiting for a key to be out of use: %w", err)
		}
	}
	return nil
}

var errHeld = errors.New("the key is held")

// Unfence gives up the erasure of keys.
func (t *Tree) Unfence(ctx context.Context, refs []Ref) error {
	err := t.change(ctx, refIDs(refs), true, func(e *entry) error {
		e.state = Active
		return nil
	})
	if err != nil {
		return fmt.Errorf("unfencing keys: %w", err)
	}
	return nil
}

func refIDs(refs []Ref) []keyID {
	seen := make(map[keyID]bool, len(refs))
	ids := make([]keyID, 0, len(refs))
	for _, r := range refs {
		if !seen[r.id] {
			seen[r.id] = true
			ids = append(ids, r.id)
		}
	}
	return ids
}

func await(ctx context.Context, c <-chan struct{}) error {
	if c == nil {
		return nil
	}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
