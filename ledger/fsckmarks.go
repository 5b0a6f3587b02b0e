package ledger

import (
	"context"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/event"
)

// fsckMarks compares the flags of keys with the events about holds and restrictions:
// who controls the rows could drop the newest change of a page, and with it a hold. It
// reads the chains in which such events lie, and no others. A ledger that is in use
// places holds meanwhile, so what differs is looked at again where no epoch runs.
func (l *Ledger) fsckMarks(ctx context.Context, r *FsckReport) error {
	people := make(map[string][]keystore.KeyInfo)
	err := l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		if k.State != keystore.Erasing {
			people[personTag(k)] = append(people[personTag(k)], k)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, keys := range people {
		differ, err := l.marksDiffer(ctx, keys)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || len(differ) == 0 {
			continue // what does not open is found with the chains
		}
		err = l.erasure.Exclusive(func() error {
			l.keeper.flush()
			var err error
			differ, err = l.marksDiffer(ctx, l.refresh(ctx, keys))
			return err
		})
		if err != nil {
			return err
		}
		for _, p := range differ {
			r.problem("%s", p)
		}
	}
	return nil
}

// marksDiffer says where the flags of a person's keys are not what the events ask for.
func (l *Ledger) marksDiffer(ctx context.Context, keys []keystore.KeyInfo) (differ []string, err error) {
	var mine []keystore.KeyInfo
	marked := false
	for _, k := range keys {
		marked = marked || k.Held || k.Restricted
		if k.Compartment == event.RightsRecords {
			mine = append(mine, k)
		}
	}
	if len(mine) == 0 && !marked {
		return nil, nil
	}
	state, whole, err := l.stateUnder(ctx, mine)
	if err != nil || !whole {
		return nil, err
	}
	holds := state.Holds()
	for _, k := range keys {
		want, have := marksFor(holds, k.Compartment, k.Cohort), marksOf(k)
		switch {
		case !have.covers(want):
			differ = append(differ, "a key of compartment "+k.Compartment+" is not marked, and an event says that it is held or restricted: part of its page was taken away")
		case !want.covers(have):
			differ = append(differ, "a key of compartment "+k.Compartment+" is held or restricted, and no event says so: lacuna erase mends it, or the next hold of the person")
		}
	}
	return differ, nil
}

// refresh looks keys up again.
func (l *Ledger) refresh(ctx context.Context, keys []keystore.KeyInfo) (out []keystore.KeyInfo) {
	for _, k := range keys {
		lease, err := l.tree.LeaseOf(ctx, k.Ref)
		if err != nil {
			continue // being erased, or gone
		}
		out = append(out, lease.Info())
		lease.Done()
	}
	return out
}
