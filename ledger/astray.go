package ledger

import (
	"context"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle/log"
)

// An astray is a list row of a living key that does not lead to its event: it has another length, or
// points at an entry that is not the key's. Its key still opens the event, wherever that is.
type astray struct {
	ref keystore.Ref
	seq uint64
}

// astrayRows finds rows that went astray: they lead nowhere, or to one of some doubtful entries and are not right
// there. right is told of those that are.
func (l *Ledger) astrayRows(ctx context.Context, v *view, doubtful bitmap, right func(k *keystore.Lease, index uint64)) (rows []astray, err error) {
	size := v.Head().Size
	err = l.walkLiving(ctx, v, nil, func(k *keystore.Lease, seq uint64, row *listValue) error {
		if row.index < size {
			if !doubtful.get(row.index) {
				return nil
			}
			if at, err := l.numberOf(ctx, v, k, row.index); err == nil && at == seq {
				right(k, row.index)
				return nil
			}
		}
		rows = append(rows, astray{k.Ref(), seq})
		return ctx.Err()
	})
	return rows, err
}

// reunite finds, among entries that no row leads to, the events of rows that went astray. What is found is
// not lost: only its row is.
func (l *Ledger) reunite(ctx context.Context, v *view, rows []astray, entries []uint64) (map[uint64]astray, error) {
	found := make(map[uint64]astray)
	if len(entries) == 0 {
		return found, nil
	}
	wanted := make(map[keystore.Ref]map[uint64]bool)
	for _, r := range rows {
		if wanted[r.ref] == nil {
			wanted[r.ref] = make(map[uint64]bool)
		}
		wanted[r.ref][r.seq] = true
	}
	for ref, seqs := range wanted {
		for _, i := range entries {
			if len(seqs) == 0 {
				break
			}
			if _, known := found[i]; known {
				continue
			}
			seq, err := l.numberUnder(ctx, v, ref, i)
			if err != nil {
				return nil, err
			}
			if seqs[seq] {
				found[i] = astray{ref, seq}
				delete(seqs, seq)
			}
		}
	}
	return found, nil
}

// numberUnder returns which event of a key's chain an entry is, and 0 where it is none of them, or damaged.
func (l *Ledger) numberUnder(ctx context.Context, v *view, ref keystore.Ref, index uint64) (uint64, error) {
	lease, err := l.leaseLiving(ctx, ref)
	if lease == nil {
		return 0, err
	}
	defer lease.Done()
	seq, err := l.numberOf(ctx, v, lease, index)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, nil
	}
	return seq, nil
}

func (l *Ledger) numberOf(ctx context.Context, v *view, lease *keystore.Lease, index uint64) (uint64, error) {
	leaf, err := v.Leaf(ctx, index)
	if err != nil {
		return 0, err
	}
	if envelope.IsPublic(leaf) {
		return 0, log.ErrNotFound
	}
	env, err := l.envelope(ctx, v, index, leaf)
	if err != nil {
		return 0, err
	}
	if !envelope.Opens(lease, env) {
		return 0, errDamaged
	}
	ev, gives, err := l.openLeafOf(lease, env)
	if err != nil {
		return 0, err
	}
	if string(gives[:]) != string(leaf) {
		return 0, errDamaged
	}
	seq, _ := placeInChain(ev)
	return seq, nil
}
