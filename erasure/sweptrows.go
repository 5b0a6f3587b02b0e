package erasure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/keystore"
)

// dropBatch is of how many jobs the rows are removed at once.
const dropBatch = 64

// dropSwept removes the rows of jobs whose keys died in a sweep: those that are closed, and
// those that nobody could read. Nobody reads them any more, so that is tidiness; and that
// a job is closed its names have told before. All rows of a job go in one write: what is
// left of one must not be taken for one that was interrupted. Each job has ranges of its
// own, because a new one may be written between any two. The caller holds epochs.
func (e *Engine) dropSwept(ctx context.Context) error {
	names, err := e.names(ctx)
	if err != nil {
		return err
	}
	kinds := make(map[ID]string)
	for _, n := range names {
		if k := kinds[n.id]; k == "" || k[len(k)-1] != n.kind { // names come kind by kind
			kinds[n.id] += string(n.kind)
		}
	}
	var gone [][2][]byte
	var wait func(context.Context) error
	enqueue := func() (err error) {
		e.o.Order.Lock()
		defer e.o.Order.Unlock()
		wait, err = e.rows.Enqueue(nil, gone)
		gone = nil
		return err
	}
	n := 0
	for id := range kinds {
		own, err := e.tree.Keys(ctx, subjectOf(id))
		if errors.Is(err, keystore.ErrPageMissing) {
			continue // whose keys were on it is not known
		}
		if err != nil {
			return err
		}
		if len(own) > 0 {
			continue // the next sweep's, or its work is not done
		}
		for _, kind := range []byte(kinds[id]) {
			from := append([]byte{space, kind}, id[:]...)
			to := slices.Concat(from, bytes.Repeat([]byte{0xff}, 1+16+1)) // longer than any name
			gone = append(gone, [2][]byte{from, to})
		}
		if n++; n%dropBatch == 0 {
			if err := enqueue(); err != nil {
				return err
			}
		}
	}
	if len(gone) > 0 {
		if err := enqueue(); err != nil {
			return err
		}
	}
	if wait == nil {
		return nil
	}
	if err := wait(ctx); err != nil {
		return fmt.Errorf("removing rows of erasure jobs: %w", err)
	}
	return nil
}
