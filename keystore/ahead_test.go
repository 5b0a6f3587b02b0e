package keystore_test

import (
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
)

// TestAhead: behind Ahead an epoch reads no page, neither one of the erased nor one of
// those that it re-keys beside them. Without it, which is the control, it does.
func TestAhead(t *testing.T) {
	p, rows := newShells(t)
	const people = 2500
	refs := make([]keystore.Ref, people)
	for i := range refs {
		refs[i] = p.add(fmt.Sprint("subject ", i), "contract", 0)
	}
	p.rows.Commit()
	for i, ahead := range []bool{true, false, true} {
		doomed := refs[3*i : 3*i+3]
		p.tree.DropCaches()
		rows.n = 0
		if ahead {
			p.tree.Ahead(ctx, doomed)
			p.tree.Ahead(ctx, nil) // of somebody else who asks for the same epoch
			if rows.n < len(doomed) {
				t.Errorf("%d reads of a page ahead", rows.n)
			}
			rows.n = 0
		}
		p.ok(p.tree.Fence(ctx, doomed))
		e, err := p.tree.Begin(ctx, doomed)
		p.ok(err)
		if ahead != (rows.n == 0) {
			t.Errorf("epoch %d, ahead is %v: %d reads of a page", i, ahead, rows.n)
		}
		p.ok(e.Settle(ctx))
		p.ok(e.Root(ctx))
		_, err = e.Destroy(ctx)
		p.ok(err)
	}
	r, err := p.tree.Fsck(ctx, nil)
	p.ok(err)
	if r.Keys != people-9 || len(r.Missing)+len(r.Problems) > 0 {
		t.Fatalf("%d keys instead of %d; %v %v", r.Keys, people-9, r.Missing, r.Problems)
	}
}
