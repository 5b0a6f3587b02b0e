package keystore

import (
	"context"
	"errors"
	"fmt"
)

// ShipAll gives every page to the page target, for a target that is new. It does so
// in an epoch that erases nobody: what a backup lacks is looked for in the files of
// later epochs, so a target that begins with all pages of one epoch completes every
// backup from before. If it fails, the tree goes on with the target, and the pages
// are shipped with the next epoch.
func (t *Tree) ShipAll(ctx context.Context) error {
	if t.opts.PageTarget == nil {
		return errors.New("shipping all key pages: there is no page target")
	}
	var all []part
	err := t.walkPages(ctx, func(p *page, _ *PageMissingError) error {
		if p != nil && (p.kind == kindLeaf || p.kind == kindInterior) {
			all = append(all, part{p.gen, p.at})
		}
		return nil
	}, func() error { return nil })
	if err != nil {
		return fmt.Errorf("shipping all key pages: %w", err)
	}
	t.opts.Order.Lock()
	for _, at := range all {
		t.parts[at] = true
	}
	t.opts.Order.Unlock()
	e, err := t.Prepare(ctx, nil)
	if err != nil {
		return fmt.Errorf("shipping all key pages: %w", err)
	}
	if err := e.Root(ctx); err != nil {
		return errors.Join(fmt.Errorf("shipping all key pages: %w", err), e.Abort(context.WithoutCancel(ctx)))
	}
	if _, err := e.Destroy(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("shipping all key pages: %w", err)
	}
	return nil
}
