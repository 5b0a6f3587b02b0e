package custodian

import (
	"context"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
)

const Protocol = protocol

var Certificate = certificate

// SetMachine makes a server say that it runs elsewhere, or a ledger think so.
func (r *Remote) SetMachine(m [16]byte) { r.machine = m }

// Once sends a share by the connection that there is, and does not try again.
func (r *Remote) Once(ctx context.Context, s keystore.Share) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.once(ctx, opPrepare, appendShare(nil, &s), nil)
	return err
}

// ShipFile ships bytes that are perhaps no page file.
func (r *Remote) ShipFile(ctx context.Context, epoch uint64, file []byte) error {
	_, err := r.exchange(ctx, opShip, appendShip(epoch, uint64(len(file))), file)
	return err
}

// Damage returns a page file with one bit changed, or of another epoch than 2.
func Damage(epoch uint64, pages []keystore.KV) []byte {
	_, b := holder.PageFile(epoch, pages)
	if epoch == 2 {
		b[40] ^= 1
	}
	return b
}

// LoseRoot makes the next opening of the root files fail.
func (c *Custodian) LoseRoot() { c.config.Root = []string{"elsewhere"} }
