package erasure

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/lacunalog/lacuna/keystore"
)

// Certificates writes the officer's copies of all certificates again, in the order of their epochs, from
// what the jobs kept. They can be had until the sweep, whose epoch erases the jobs' keys.
func (e *Engine) Certificates(ctx context.Context) ([]*Certificate, error) {
	e.epochs.Lock()
	defer e.epochs.Unlock()
	return e.certificates(ctx, math.MaxUint64)
}

// certificates is Certificates of the epochs up to one. The caller holds epochs.
func (e *Engine) certificates(ctx context.Context, to uint64) ([]*Certificate, error) {
	names, err := e.names(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading erasure certificates: %w", err)
	}
	last := make(map[ID]rowName) // the last rows of the jobs that are recorded
	for _, n := range names {
		if n.kind == kindJob && n.state == Recorded {
			last[n.id] = n
		}
	}
	var all []*Certificate
	for _, n := range names {
		if n.kind != kindEpoch || n.state != Recorded {
			continue
		}
		certs, err := e.filed(ctx, n, last)
		if errors.Is(err, keystore.ErrNoKey) || unreadable(err) {
			continue // swept, or nobody can write them again
		}
		if err != nil {
			return all, fmt.Errorf("reading erasure certificates: %w", err)
		}
		if len(certs) > 0 && certs[0].Terms.Epoch <= to {
			all = append(all, certs...)
		}
	}
	sortByEpoch(all)
	return all, nil
}

// filed writes the officer's copies of one epoch.
func (e *Engine) filed(ctx context.Context, n rowName, last map[ID]rowName) ([]*Certificate, error) {
	b := new(epoch)
	if err := unseal(ctx, e, n, &b.what); err != nil {
		return nil, err
	}
	jobs := make([]*job, len(b.what.Jobs))
	for i, id := range b.what.Jobs {
		jobs[i] = &job{id: id}
		if err := unseal(ctx, e, last[id], &jobs[i].what); err != nil {
			return nil, err
		}
	}
	certs, err := certificates(e.ledger.Origin(), b, jobs)
	for i, c := range certs {
		certs[i] = c.Officer()
	}
	return certs, err
}
