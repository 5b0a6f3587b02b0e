package ledger

import (
	"context"
	"errors"

	"github.com/lacunalog/lacuna/keystore"
)

// A ledger that is open for reading changes nothing, neither in the store nor at
// the root. Opening a key tree after a crash tidies up, in rows that no root opens
// any more and in the slot of the root that is not the live one; that is left to
// the next who opens for writing, who then states what was destroyed.

// readOnlyRows drops what is written.
type readOnlyRows struct{ treeRows }

func (readOnlyRows) Enqueue([]keystore.KV, [][2][]byte) (func(context.Context) error, error) {
	return func(context.Context) error { return nil }, nil
}

// readOnlyHolder destroys nothing.
type readOnlyHolder struct{ keystore.Holder }

func (readOnlyHolder) Prepare(context.Context, keystore.Share) error {
	return errors.New("the root is open for reading only")
}

func (h readOnlyHolder) Destroy(_ context.Context, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) (keystore.Statement, error) {
	return keystore.Statement{Holder: h.Caps().ID, Tree: tree, Epoch: epoch, Attempt: attempt}, nil
}

// treeRows are the rows of the key tree and of the erasure jobs.
func (l *Ledger) treeRows() keystore.Rows {
	rows := treeRows{l.log}
	if l.readOnly != nil {
		return readOnlyRows{rows}
	}
	return rows
}
