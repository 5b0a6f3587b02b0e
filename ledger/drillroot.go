package ledger

import (
	"context"
	"fmt"

	"github.com/lacunalog/lacuna/keystore"
)

// A glancedHolder has in memory what a root holder keeps at one moment. A drill opens
// a second key tree under the root that is in use, and must neither touch it nor have
// it on another disk.
type glancedHolder struct {
	caps   keystore.Caps
	shares []keystore.Share
}

// glance reads what the holders keep now.
func glance(ctx context.Context, hs []keystore.Holder) ([]keystore.Holder, error) {
	var out []keystore.Holder
	for _, h := range hs {
		g := &glancedHolder{caps: h.Caps()}
		var err error
		if g.shares, err = h.Current(ctx); err != nil {
			return nil, fmt.Errorf("reading root holder %s: %w", g.caps.ID, err)
		}
		out = append(out, g)
	}
	return out, nil
}

func (g *glancedHolder) wipe() {
	for i := range g.shares {
		g.shares[i].Secret.Zero()
	}
}

func (g *glancedHolder) Current(context.Context) ([]keystore.Share, error) {
	return append([]keystore.Share(nil), g.shares...), nil
}

func (g *glancedHolder) Prepare(context.Context, keystore.Share) error {
	return fmt.Errorf("a drill does not change the root")
}

// Destroy destroys nothing: recovery asks for it wherever a tree is opened.
func (g *glancedHolder) Destroy(_ context.Context, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) (keystore.Statement, error) {
	return keystore.Statement{Holder: g.caps.ID, Tree: tree, Epoch: epoch, Attempt: attempt}, nil
}

func (g *glancedHolder) Caps() keystore.Caps { return g.caps }
func (g *glancedHolder) Close() error        { return nil }
