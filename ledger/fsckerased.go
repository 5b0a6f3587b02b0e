package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle/log"
)

// accounted is what erasures accounted for when the check began: a ledger that is in use
// may erase meanwhile.
type accounted struct {
	erasure.Account
	gone bitmap // see [Ledger.gone]
}

// fsckErased compares what does not open with what erasures account for.
func (l *Ledger) fsckErased(ctx context.Context, r *FsckReport, v *view, before accounted) error {
	account, err := l.erasure.Account(ctx)
	if err != nil {
		return err
	}
	r.Claimed = account.Entries
	lost, err := l.erasure.LostEpochs(ctx)
	if errors.Is(err, keystore.ErrErasing) { // a sweep is about to end
		lost, err = nil, nil
	}
	if err != nil {
		return err
	}
	for _, n := range lost {
		r.problem("of epoch %d it is lost what it erased, all or a part: that looks like entries that are lost", n)
	}
	l.fsckSums(r, before.Account, account)
	if before.gone == nil {
		return nil
	}
	return l.fsckGone(ctx, r, v, before, account)
}

// fsckSums compares by number.
func (l *Ledger) fsckSums(r *FsckReport, before, after erasure.Account) {
	switch {
	case len(r.Missing) > 0, l.outdated() != nil, after.Unread > 0:
		// What lies on a missing page does not open either, and is named. An older
		// copy of the ledger does not know what was erased since.
	case r.Erased+r.Lost < before.Entries:
		r.problem("erasures account for %d entries that do not open, but only %d do not: something erased can be read", before.Entries, r.Erased)
	case r.Erased > after.Entries && after.Open == 0:
		r.problem("%d entries do not open, and erasures account for %d of them: the others are lost", r.Erased, after.Entries)
	}
}

// gone is which entries erasures account for now: those of the last sweep, and what the keys
// listed that were destroyed since. It is nil where a sweep is about to end, which compares
// it itself.
func (l *Ledger) gone(ctx context.Context, v *view) (bitmap, error) {
	keys, err := l.erasure.Erased(ctx)
	if errors.Is(err, keystore.ErrErasing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	gone, _, err := (&cut{s: l.sweeper, v: v, size: v.Head().Size}).expected(ctx, keys)
	if errors.Is(err, keystore.ErrErasing) || errors.Is(err, keystore.ErrNoKey) {
		return nil, nil
	}
	return gone, err
}

// fsckGone compares entry by entry: where one entry is lost and another that was erased can be
// read, the numbers agree.
func (l *Ledger) fsckGone(ctx context.Context, r *FsckReport, v *view, before accounted, account erasure.Account) (err error) {
	if len(r.Missing) > 0 || l.outdated() != nil {
		return nil // as there
	}
	after := before.gone
	if account != before.Account || account.Open > 0 {
		if after, err = l.gone(ctx, v); err != nil {
			return err
		}
	}
	if l.tree.Generation() != v.generation() {
		return keystore.ErrSwept // and the keys of these erasures went with it
	}
	var lost, alive, empty entries
	for i, opened := range r.opened {
		switch i := uint64(i); {
		case opened && before.gone.get(i):
			alive.add(i)
		case isStated(r.lost, i):
		case r.closed.get(i) && after != nil && !after.get(i) && account.Open == 0:
			lost.add(i)
		case r.closed.get(i):
			// Nobody reads it, but a sweep replaces it by something.
			_, err := v.Get(ctx, envelopeKey(v.generation(), i))
			if errors.Is(err, log.ErrNotFound) {
				empty.add(i)
			} else if err != nil {
				return err
			}
		}
	}
	if alive.n > 0 {
		r.problem("%s can be read, although erased", alive)
	}
	if lost.n > 0 {
		r.problem("%s cannot be opened, and no erasure accounts for that", lost)
	}
	if empty.n > 0 {
		r.problem("%s: the sealed event is missing; it was erased, and the next sweep puts random bytes there", empty)
	}
	return nil
}

// countLost counts what was stated as lost, unless an erasure accounts for it since. It must not open.
func (r *FsckReport) countLost(gone bitmap) {
	var alive entries
	for i, opened := range r.opened {
		switch i := uint64(i); {
		case !isStated(r.lost, i):
		case opened:
			alive.add(i)
		case !gone.get(i):
			r.Lost++
			r.Erased--
		}
	}
	if alive.n > 0 {
		r.problem("%s can be read, although stated as lost", alive)
	}
}

// entries are some of the log, of which the first are named.
type entries struct {
	first []uint64
	n     int
}

func (e *entries) add(i uint64) {
	if e.n++; len(e.first) < 8 {
		e.first = append(e.first, i)
	}
}

func (e entries) String() string {
	s := "entry "
	if e.n > 1 {
		s = "entries "
	}
	for k, i := range e.first {
		if k > 0 {
			s += ", "
		}
		s += fmt.Sprint(i)
	}
	if more := e.n - len(e.first); more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}
