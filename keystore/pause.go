package keystore

import (
	"context"
	"time"
)

// pause waits about as long as a group of writes takes to become visible.
func pause(ctx context.Context) error {
	t := time.NewTimer(200 * time.Microsecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
