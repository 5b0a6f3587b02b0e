package ledger

import (
	"context"

	"github.com/lacunalog/lacuna/erasure"
)

// Certificates returns the officer's copy of the certificate of every erasure and of
// every retention run, in the order of their epochs. They name nobody. Each hangs on
// the epoch record that it refers to, and is verified with a proof of that entry.
func (l *Ledger) Certificates(ctx context.Context) ([]*erasure.Certificate, error) {
	return l.erasure.Certificates(ctx)
}
