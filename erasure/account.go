package erasure

import (
	"context"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/keystore"
)

// An Account is what the epochs account for that a ledger went through.
type Account struct {
	Epochs  int    // since the last sweep
	Entries uint64 // of the log, that became unreadable
	Swept   uint64 // of those, replaced by the last sweep
	// Open is how many erasures have begun and are not recorded yet. What they
	// have destroyed so far is not counted. A request that waits has not begun.
	Open int
}

// Account adds up what was erased, from the rows of the epochs. A ledger in which
// more entries do not open than this has lost some, or hides them.
//
// What was erased before the last sweep is in its record as a sum; the keys of those
// epochs' jobs are gone with it.
func (e *Engine) Account(ctx context.Context) (Account, error) {
	e.epochs.Lock() // no sweep ends meanwhile
	defer e.epochs.Unlock()
	d, err := e.account(ctx)
	if err != nil {
		return d, fmt.Errorf("adding up what was erased: %w", err)
	}
	return d, nil
}

// Erased returns the names of the rows of everything that the epochs since the last sweep made unreadable.
func (e *Engine) Erased(ctx context.Context) (keys []keystore.RowsKey, err error) {
	e.epochs.Lock()
	defer e.epochs.Unlock()
	closed, err := e.closedJobs(ctx)
	if err != nil {
		return nil, err
	}
	return rowsKeys(closed)
}

// rowsKeys are the keys that closed jobs have destroyed.
func rowsKeys(closed []closedJob) (keys []keystore.RowsKey, err error) {
	for _, j := range closed {
		if j.state != Recorded {
			continue
		}
		for _, raw := range j.what.RowsKeys {
			k, err := keystore.ParseRowsKey(raw)
			if err != nil {
				return nil, err
			}
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (e *Engine) account(ctx context.Context) (d Account, err error) {
	swept, err := e.sweptAt(ctx, e.tree.Generation())
	if err != nil {
		return d, err
	}
	if swept != nil {
		d.Entries, d.Swept = swept.Erased, swept.Erased
	}
	if e.checked != nil { // what has begun, and not to be seen yet
		if err := e.checked(ctx); err != nil {
			return d, err
		}
	}
	names, err := e.names(ctx)
	if err != nil {
		return d, err
	}
	last := make(map[ID]rowName) // of every epoch, by the job that leads it
	jobs := make(map[ID]State)
	for _, n := range names {
		switch n.kind {
		case kindEpoch:
			if n.state > last[n.id].state {
				last[n.id] = n
			}
		case kindJob:
			jobs[n.id] = max(jobs[n.id], n.state)
		}
	}
	for _, s := range jobs {
		if s > Requested && s.open() { // nothing is fenced before CHECKED is in the queue
			d.Open++
		}
	}
	for _, n := range last {
		if n.state < Recorded {
			continue
		}
		var what epochRow
		err := unseal(ctx, e, n, &what)
		if errors.Is(err, keystore.ErrNoKey) {
			continue // swept
		}
		if err != nil {
			return d, err
		}
		d.Epochs++
		for _, entries := range what.Entries {
			d.Entries += entries
		}
	}
	return d, nil
}
