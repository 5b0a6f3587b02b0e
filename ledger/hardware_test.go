package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle"
)

// root is what a root holder keeps.
type root struct {
	id     keystore.HolderID
	shares []keystore.Share
}

func (r *root) clone() root { return root{r.id, slices.Clone(r.shares)} }

// memHolder is the root holder of a world, in memory. Its steps are before and after
// each change: a share is there or it is not.
type memHolder struct{ w *world }

func (h *memHolder) Caps() keystore.Caps {
	return keystore.Caps{ID: h.w.root.id, Kind: "mem", Copies: 1}
}
func (h *memHolder) Close() error { return nil }

func (h *memHolder) Current(context.Context) ([]keystore.Share, error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	return slices.Clone(h.w.root.shares), nil
}

var errAway = errors.New("the holder is away")

func (h *memHolder) Prepare(_ context.Context, s keystore.Share) error {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.step("root: before the new share")
	if h.w.away {
		return errAway
	}
	r := &h.w.root
	r.shares = append(slices.DeleteFunc(r.shares, func(o keystore.Share) bool { return o.Epoch == s.Epoch }), s)
	if len(r.shares) > 2 {
		return keystore.ErrHolderBusy
	}
	h.w.step("root: after the new share")
	return nil
}

func (h *memHolder) Destroy(_ context.Context, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) (keystore.Statement, error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.step("root: before the old share dies")
	r := &h.w.root
	s := keystore.Statement{Holder: r.id, Kind: "mem", Tree: tree, Epoch: epoch, Attempt: attempt, Destroyed: []uint64{}, Overwritten: 1, Copies: 1}
	var keep []keystore.Share
	for _, o := range r.shares {
		if o.Tree == tree && o.Epoch == epoch && o.Attempt == attempt {
			keep = append(keep, o)
		} else {
			s.Destroyed = append(s.Destroyed, o.Epoch)
		}
	}
	if len(keep) == 0 {
		return s, fmt.Errorf("keeping epoch %d: %w", epoch, keystore.ErrNotHeld)
	}
	r.shares = keep
	h.w.step("root: after the old share died")
	return s, nil
}

// pageTarget is the second place of key pages.
type pageTarget struct{ w *world }

func (p pageTarget) Ship(_ context.Context, epoch uint64, pages []keystore.KV) error {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.step("pages: before they are shipped")
	p.w.pages[epoch] = slices.Clone(pages)
	p.w.step("pages: after they are shipped")
	return nil
}

// headCopy is the copy of the newest head beside the root.
type headCopy struct{ w *world }

func (h headCopy) Load() ([]byte, error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	return slices.Clone(h.w.head), nil
}

func (h headCopy) Store(checkpoint []byte) error {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.step("head copy")
	h.w.head = slices.Clone(checkpoint)
	return nil
}

// signer is the log's signer; signing is between the write of a group and the end
// of its sync.
type signer struct {
	merkle.Signer
	w *world
}

func (s signer) Sign(msg []byte) ([]byte, error) {
	s.w.mu.Lock()
	s.w.step("sign")
	s.w.mu.Unlock()
	return s.Signer.Sign(msg)
}
