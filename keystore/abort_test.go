package keystore_test

import (
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

// TestAbortRefused gives an epoch up on a page of which a key was made meanwhile, and the
// store refuses to remove its rows. The next attempt has pages of the same names: what
// was written behind those of the first must not follow on them.
func TestAbortRefused(t *testing.T) {
	p := &plain{t: t, rows: keytest.NewRows(), h: holder.NewMem()}
	rows := &refusing{Rows: p.rows, after: -1}
	tree, err := keystore.Create(ctx, rows, []keystore.Holder{p.h}, keystore.Options{})
	p.ok(err)
	p.tree = tree
	t.Cleanup(func() { p.tree.Close() })
	doomed, stays := p.add("alice", "contract", 0), p.add("bob", "contract", 0)
	p.ok(tree.Fence(ctx, []keystore.Ref{doomed}))
	e, err := tree.Prepare(ctx, []keystore.Ref{doomed})
	p.ok(err)
	late := p.add("carol", "contract", 0)
	rows.after = 0
	p.is(e.Abort(ctx), errRefused)
	rows.after = -1
	p.erase(doomed)
	p.reopen()
	for _, r := range []keystore.Ref{stays, late} {
		l, err := p.tree.LeaseOf(ctx, r)
		p.ok(err)
		l.Done()
	}
	_, err = p.tree.LeaseOf(ctx, doomed)
	p.is(err, keystore.ErrNoKey)
}
