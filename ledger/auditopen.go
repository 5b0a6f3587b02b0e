package ledger

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
)

// MaxAuditOpen is how many entries one supervised opening may have.
const MaxAuditOpen = 100

// AuditOpened is one entry that was opened under supervision.
type AuditOpened struct {
	Index uint64
	Proof []byte // .tlog-proof with a field opening; nil where Err is not
	Err   error  // an *ErasedError, *EntryLostError or *UnreadableError where the entry does not open
}

// AuditOpen opens entries whose people nobody knows, for somebody who supervises the controller. That it was
// done, and why, is recorded first, under the organisation's key. Without reveal all members are shown but _seq
// and _prev, which link an entry to its neighbours.
//
// Which key opens an entry is found in memory, by walking the living keys; no such map is ever stored.
func (l *Ledger) AuditOpen(ctx context.Context, entries []uint64, reason string, reveal []string) ([]AuditOpened, error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	if l.readOnly != nil {
		return nil, l.readOnly
	}
	if strings.TrimSpace(reason) == "" {
		return nil, badConfig("opening entries needs a reason: it is recorded")
	}
	if n := len(entries); n == 0 || n > MaxAuditOpen {
		return nil, badConfig("%d entries to open; it takes 1 to %d at once", n, MaxAuditOpen)
	}
	for _, i := range entries {
		if size := l.log.Head().Size; i >= size {
			return nil, &NotFoundError{What: fmt.Sprintf("entry %d: the log has %d entries", i, size)}
		}
	}
	if err := l.noteOpening(ctx, entries, reason); err != nil {
		return nil, fmt.Errorf("recording that entries are opened: %w", err)
	}
	v := l.view()
	defer v.Close()
	keys, err := l.keysOf(ctx, v, entries, func(string, uint64, uint64) {})
	if err != nil {
		return nil, err
	}
	out := make([]AuditOpened, 0, len(entries))
	for _, i := range entries {
		o := AuditOpened{Index: i}
		if o.Proof, o.Err = l.openFor(ctx, v, i, keys, reveal); ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if o.Err != nil {
			o.Err = l.whyClosed(ctx, i, o.Err)
		}
		out = append(out, o)
	}
	return out, nil
}

func (l *Ledger) openFor(ctx context.Context, v *view, index uint64, keys map[uint64]keystore.Ref, reveal []string) ([]byte, error) {
	leaf, err := v.Leaf(ctx, index)
	if err != nil {
		return nil, err
	}
	if envelope.IsPublic(leaf) {
		return l.publicReceipt(ctx, index)
	}
	ref, ok := keys[index]
	if !ok {
		return nil, &ErasedError{Index: index}
	}
	shown := envelope.DefaultReveal
	if len(reveal) > 0 {
		shown = named(reveal)
	}
	opening, err := l.openLeaf(ctx, v, index, ref, shown)
	if errors.Is(err, keystore.ErrNoKey) || errors.Is(err, keystore.ErrErasing) {
		return nil, &ErasedError{Index: index}
	}
	if err != nil {
		return nil, err
	}
	file, _, err := l.proofFile(ctx, index, opening)
	return file, err
}

// noteOpening records which entries are opened, and why.
func (l *Ledger) noteOpening(ctx context.Context, entries []uint64, reason string) error {
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = strconv.FormatUint(e, 10)
	}
	text, err := json.Marshal(map[string]string{
		"type": event.AuditOpened, "audit_id": "opened-" + strings.ToLower(rand.Text()), "reason": reason, "entries": strings.Join(list, " "),
	})
	if err != nil {
		return err
	}
	short, err := event.Parse(text)
	if err != nil {
		return err
	}
	_, err = l.declare(ctx, short, true)
	return err
}
