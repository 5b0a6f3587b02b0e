package erasure

import (
	"context"
	"fmt"

	"github.com/lacunalog/lacuna/keystore"
)

// An Account is what the epochs account for that a ledger went through.
type Account struct {
	Epochs  int    // since the last sweep
	Unread  int    // more of them, whose rows cannot be read
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

// LostEpochs returns the epochs since the last sweep of which it is lost what they erased, all or a part: the key of a
// job is on a page that is missing, or a row is damaged. Such entries look as if they were lost.
func (e *Engine) LostEpochs(ctx context.Context) ([]uint64, error) {
	e.epochs.Lock()
	defer e.epochs.Unlock()
	left, err := e.backlog(ctx)
	if err != nil {
		return nil, err
	}
	return left.lost, nil
}

// Erased returns the names of the rows of everything that the epochs since the last sweep made unreadable.
func (e *Engine) Erased(ctx context.Context) (keys []keystore.RowsKey, err error) {
	e.epochs.Lock()
	defer e.epochs.Unlock()
	left, err := e.backlog(ctx)
	if err != nil {
		return nil, err
	}
	return left.rowsKeys()
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
	for id, n := range lastOfJobs(names) {
		if n.state > Requested && n.state.open() && !e.abandoned[id] { // nothing is fenced before CHECKED is in the queue
			d.Open++
		}
	}
	epochs, unread, err := e.recordedEpochs(ctx, names)
	if err != nil {
		return d, err
	}
	d.Epochs, d.Unread = len(epochs), len(unread)
	for _, what := range epochs {
		for _, entries := range what.Entries {
			d.Entries += entries
		}
	}
	return d, nil
}
