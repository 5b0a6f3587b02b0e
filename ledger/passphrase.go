package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/holder/custodian"
)

// ChangePassphrase seals the root's files by another passphrase, or, where next is nil, by
// none; what o has opens them until then. The ledger must not be open.
//
// The files are written in place, and a new root follows in an epoch that erases nobody:
// whoever kept a copy of a file, and learns the old passphrase, has a root that is not
// the live one. What its epoch could read of the living they read, until a sweep.
//
// Crash order: that of [holder.Passphrase.Reseal]. If we stop before the epoch, the
// passphrase is changed and the root is not; doing it again draws both anew.
func ChangePassphrase(ctx context.Context, o Options, next holder.Passphrase) error {
	o.Root = nil // a place that is left out would keep the old one
	l, err := Open(ctx, o)
	if err != nil {
		return err
	}
	err = l.changeCustodians(func() error {
		for _, h := range l.tree.Holders() {
			if _, elsewhere := h.(*custodian.Remote); elsewhere {
				continue
			}
			if err := next.Reseal(h); err != nil {
				return err
			}
		}
		if _, err := l.rehold(ctx, l.tree.Holders()); err != nil {
			return fmt.Errorf("the passphrase was changed; drawing a new root: %w", err)
		}
		return nil
	})
	return errors.Join(err, l.Close())
}
