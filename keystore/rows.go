package keystore

import (
	"context"
	"errors"
)

// A KV is one row. Whoever receives it owns the bytes.
type KV struct{ Key, Value []byte }

// Rows is the store below the tree, an ordered map of rows whose keys begin
// with 'k'. The tree needs no more of it than this:
//
//   - Enqueue hands over writes, all or nothing, in one first-in-first-out queue
//     that the events sealed under our keys go through too. It is called with
//     [Options].Order held. wait returns when the writes are durable and visible
//     to Get and Scan; the end of its context ends the wait, not the write, and
//     it need not be called. If Enqueue returns an error, nothing was queued.
//   - Get returns an error that wraps [ErrNoRow] where there is no such row.
//   - Scan calls f with the rows from ≤ key < to in rising order until f returns
//     an error, which it returns. k and v are valid until f returns.
//   - Get and Scan never show a row that is not durable.
//   - A key range in delRange includes its first key and excludes its second, and
//     is applied before the set of the same call.
//
// All are safe for concurrent use.
type Rows interface {
	Get(ctx context.Context, key []byte) ([]byte, error)
	Scan(ctx context.Context, from, to []byte, f func(k, v []byte) error) error
	Enqueue(set []KV, delRange [][2][]byte) (wait func(context.Context) error, err error)
}

// ErrNoRow says that there is no row under a key.
var ErrNoRow = errors.New("no such row")
