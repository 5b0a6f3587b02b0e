package bench

import (
	"context"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/envelope"
)

// Keys is one key of a key tree, to measure what is done under it.
type Keys struct {
	bare  *Bare
	lease *keystore.Lease
}

// NewKeys makes a tree with one key below a folder.
func NewKeys(ctx context.Context, dir string) (*Keys, error) {
	b, err := NewBare(ctx, dir, 1)
	if err != nil {
		return nil, err
	}
	lease, err := b.key(ctx, 0)
	if err != nil {
		b.Close()
		return nil, err
	}
	return &Keys{b, lease}, nil
}

// Seal seals an event.
func (k *Keys) Seal(members []envelope.Member) (envelope.Sealed, error) {
	return envelope.SealMembers(k.lease, envelope.ChaCha20Poly1305, originHash, members)
}

// Lease takes a lease of a key that is loaded, and gives it back.
func (k *Keys) Lease(ctx context.Context) error {
	l, err := k.bare.key(ctx, 0)
	if err == nil {
		l.Done()
	}
	return err
}

// Names computes what the rows of an event are called.
func (k *Keys) Names() {
	name := k.lease.RowName(1, 1000)
	k.bare.tree.RequestTag(name[:])
	k.bare.tree.ContentMAC(contentOfAnEvent[:])
}

var contentOfAnEvent [230]byte

// Mask masks an envelope in place.
func (k *Keys) Mask(leaf, env []byte) { k.bare.tree.Mask(1).Envelope(leaf, env) }

// Close closes the tree.
func (k *Keys) Close() error {
	k.lease.Done()
	return k.bare.Close()
}
