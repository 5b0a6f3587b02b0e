package ledger

import (
	"context"
	"errors"

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

// reunite finds, among entries that no row leads to, the events of rows that went astray, or are missing. What is
// found is not lost: only its row is.
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
	return found, l.tryLiving(ctx, v, entries, found)
}

// tryLiving tries entries under every living key, as long as these are not too many together. A row that is missing
// tells nobody whose it was.
func (l *Ledger) tryLiving(ctx context.Context, v *view, entries []uint64, found map[uint64]astray) error {
	envs := make(map[uint64][]byte)
	for _, i := range entries {
		if _, known := found[i]; known || len(envs) == triedMost {
			continue
		}
		leaf, err := v.Leaf(ctx, i)
		if err != nil {
			return err
		}
		env, err := l.envelope(ctx, v, i, leaf)
		if err == nil {
			envs[i] = env
		} else if !errors.Is(err, log.ErrNotFound) {
			return err
		}
	}
	tries := uint64(0)
	done := errors.New("done")
	err := l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		if tries += uint64(len(envs)); len(envs) == 0 || tries > triesMost {
			return done
		}
		lease, err := l.leaseLiving(ctx, k.Ref)
		if lease == nil {
			return err
		}
		defer lease.Done()
		for i, env := range envs {
			if !envelope.Opens(lease, env) {
				continue
			}
			if seq, err := l.numberOf(ctx, v, lease, i); err == nil && seq > 0 {
				found[i] = astray{k.Ref, seq}
			}
			delete(envs, i)
		}
		return ctx.Err()
	})
	if err == done {
		return nil
	}
	return err
}

// triedMost bounds how many entries are tried under every living key, and are in memory for that.
const triedMost = 4096

// leadsTo reports whether a list row leads to an entry.
func (l *Ledger) leadsTo(ctx context.Context, v *view, row astray, entry uint64) (bool, error) {
	lease, err := l.leaseLiving(ctx, row.ref)
	if lease == nil {
		return false, err
	}
	defer lease.Done()
	listed, ok, err := readListed(ctx, v, lease, row.seq)
	return ok && listed.index == entry, err
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
