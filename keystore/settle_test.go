package keystore_test

import (
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
)

// TestSettled: when Settle returns, memory knows that the store has the pages of the
// epoch, and need not ask it for each before it lets go of one; but not that of a page
// to which a key was added meanwhile.
func TestSettled(t *testing.T) {
	p := newPlain(t, keystore.Options{}.Capacity(8))
	refs := make([]keystore.Ref, 300)
	for i := range refs {
		refs[i] = p.add(fmt.Sprint("subject ", i), "contract", 0)
	}
	doomed := refs[:10]
	p.ok(p.tree.Fence(ctx, doomed))
	e, err := p.tree.Begin(ctx, doomed)
	p.ok(err)
	before := p.tree.Unsettled(t)
	if before < len(doomed) {
		t.Fatalf("%d pages wait for the disk", before)
	}
	p.ok(e.Settle(ctx))
	if n := p.tree.Unsettled(t); n != 0 {
		t.Errorf("%d pages still wait for the disk", n)
	}
	p.ok(e.Abort(ctx))

	e, err = p.tree.Begin(ctx, doomed)
	p.ok(err)
	// The key goes into both versions of a page, and is not queued yet.
	l, err := p.tree.Use(ctx, keystore.Subject("subject 0"), "another", 0)
	p.ok(err)
	_ = l.TakePending()
	p.ok(e.Settle(ctx))
	if n := p.tree.Unsettled(t); n == 0 {
		t.Error("a page that was written behind the epoch's rows counts as durable")
	}
	l.UntakePending()
	l.Done()
	p.ok(e.Abort(ctx))
}
