package erasure

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/keystore"
)

// Resume finishes what an earlier process, or an earlier failure in this one, left open, and returns the
// certificates of what it finished, which [Options].Unclaimed was given before. An epoch whose root had reached all holders goes forward; jobs before that
// go on from their last durable state. It runs the same code as an erasure does, and may be called again.
//
// A certificate that is written here may open less: the identifier of the person died with the keys, so only
// the person can supply it.
func (e *Engine) Resume(ctx context.Context) ([]*Certificate, error) {
	e.epochs.Lock()
	defer e.epochs.Unlock()
	certs, err := e.resume(ctx)
	if err != nil {
		return certs, fmt.Errorf("resuming erasures: %w", err)
	}
	return certs, nil
}

func (e *Engine) resume(ctx context.Context) ([]*Certificate, error) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, ErrClosed
	}
	known := e.jobs
	e.mu.Unlock()

	var certs []*Certificate
	if u := e.under; u != nil {
		e.mu.Lock()
		for _, j := range u.jobs {
			j.done, j.unawaited, j.keep = make(chan struct{}), true, nil // whoever waited was told of the failure
		}
		e.mu.Unlock()
		cs, err := e.push(ctx, u)
		if err != nil {
			return nil, err
		}
		certs = cs
	}
	var err error
	if e.last, err = e.lastRecorded(ctx); err != nil {
		return certs, err
	}
	if err := e.resumeSweep(ctx); err != nil {
		return certs, err
	}
	left, err := e.load(ctx)
	if err != nil {
		return certs, err
	}
	e.abandoned = left.abandoned
	if err := e.freeAbandoned(ctx, left); err != nil {
		return certs, err
	}
	if b := left.epoch; b != nil {
		jobs := make([]*job, len(b.what.Jobs))
		for i, id := range b.what.Jobs {
			jobs[i] = left.jobs[id]
			delete(left.jobs, id)
		}
		cs, err := e.conclude(ctx, b, jobs, e.tree.Recovery().Statements)
		certs = append(certs, cs...)
		if err != nil {
			return certs, err
		}
	}

	e.mu.Lock()
	e.ready = true
	var on []*job
	for id, j := range left.jobs {
		if k := known[id]; k != nil && !k.finished() {
			continue // it waits for an epoch of this process
		}
		e.jobs[id] = j
		// The identifier of a job that went through an epoch which no row knows, as after a restore, is gone.
		// Its keys are destroyed; what is missing is the record, and nobody can write that for it.
		if j.who != nil && !j.waits() {
			on = append(on, j)
		}
	}
	e.mu.Unlock()
	slices.SortFunc(on, func(a, b *job) int { return slices.Compare(a.id[:], b.id[:]) })
	silent, why := 0, error(nil) // jobs whose dependents did not report, or whose key pages are missing
	for len(on) > 0 {
		n := e.share(on)
		if err := e.run(ctx, on[:n]); err != nil {
			return certs, &PendingError{Jobs: len(on), Err: err}
		}
		for _, j := range on[:n] {
			if j.cert != nil {
				certs = append(certs, j.cert)
			} else if errors.Is(j.err, ErrDependent) || errors.Is(j.err, keystore.ErrPageMissing) {
				silent++
				why = j.err
			}
		}
		on = on[n:]
	}
	if silent > 0 {
		return certs, &PendingError{Jobs: silent, Err: why}
	}
	return certs, nil
}

// A PendingError says that requests could not be finished yet: a holder does not answer, say. They are not
// lost; call [Engine.Resume] again. The engine takes other requests, unless [ErrNotResumed] says otherwise.
type PendingError struct {
	Jobs int
	Err  error
}

func (e *PendingError) Error() string {
	return fmt.Sprintf("%d erasures are still pending: %v", e.Jobs, e.Err)
}
func (e *PendingError) Unwrap() error { return e.Err }

// leftover is what rows tell of work that is not done.
type leftover struct {
	jobs  map[ID]*job
	epoch *epoch // the one that was interrupted after its root had changed, or nil

	abandoned map[ID]bool // jobs that nobody can read
}

// names reads the names of all rows of jobs and epochs.
func (e *Engine) names(ctx context.Context) (names []rowName, err error) {
	err = e.rows.Scan(ctx, []byte{space}, []byte{space + 1}, func(k, _ []byte) error {
		if len(k) > 1 && (k[1] == kindRecorded || k[1] == kindSweep) {
			return nil
		}
		n, err := parseRowKey(k)
		names = append(names, n)
		return err
	})
	return names, err
}

// load reads the rows of open jobs.
func (e *Engine) load(ctx context.Context) (*leftover, error) {
	if e.checked != nil { // by this process, and not to be seen yet
		if err := e.checked(ctx); err != nil {
			return nil, err
		}
	}
	names, err := e.names(ctx)
	if err != nil {
		return nil, err
	}
	latest := make(map[ID][]rowName) // of every job; those of one state
	identity := make(map[ID]rowName) // of every job
	epochs := make(map[ID][]rowName) // by the job that leads them
	approvals := make(map[ID][]rowName)
	for _, n := range names {
		switch {
		case n.kind == kindIdentity:
			identity[n.id] = n
		case n.kind == kindEpoch:
			epochs[n.id] = append(epochs[n.id], n)
		case n.kind == kindApproval:
			approvals[n.id] = append(approvals[n.id], n)
		case latest[n.id] == nil || n.state > latest[n.id][0].state:
			latest[n.id] = []rowName{n}
		case n.state == latest[n.id][0].state:
			latest[n.id] = append(latest[n.id], n)
		}
	}
	left := &leftover{jobs: make(map[ID]*job), abandoned: make(map[ID]bool)}
	for id, rows := range epochs {
		if of := latest[id]; len(of) > 0 && !of[0].state.open() {
			continue
		}
		b, err := e.interrupted(ctx, rows)
		if unreadable(err) || errors.Is(err, keystore.ErrNoKey) {
			continue // its record was not published, and nobody can word it any more
		}
		if err != nil {
			return nil, fmt.Errorf("reading an epoch: %w", err)
		}
		if b != nil {
			left.epoch = b
		}
	}
	for id, rows := range latest {
		if !rows[0].state.open() {
			continue
		}
		j := &job{id: id, state: rows[0].state, resumed: true, unawaited: true, done: make(chan struct{})}
		err := e.latest(ctx, j, rows, left.epoch)
		if err == nil {
			j.who, err = e.identify(ctx, identity[id])
		}
		if unreadable(err) || errors.Is(err, keystore.ErrNoKey) {
			left.abandoned[id] = true // or its key went in a sweep, with the page that it was lost with
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading an erasure job: %w", err)
		}
		if b := left.epoch; b != nil && slices.Contains(b.what.Jobs, id) {
			approvals[id] = nil // those that counted when it began stand in its row
		}
		for _, row := range approvals[id] {
			var a Approval
			err := unseal(ctx, e, row, &a)
			if unreadable(err) {
				continue // it does not count
			}
			if err != nil {
				return nil, fmt.Errorf("reading an approval: %w", err)
			}
			j.approve(a)
		}
		left.jobs[id] = j
	}
	left.abandon()
	return left, nil
}

// abandon gives up what cannot go on, because a row that it needs cannot be read: an epoch whose root has changed and
// that nobody can word the record of, and jobs that went through one. What they erased is erased all the same.
func (l *leftover) abandon() {
	var of []ID
	if l.epoch != nil {
		of = l.epoch.what.Jobs
		if slices.ContainsFunc(of, func(id ID) bool { return l.jobs[id] == nil }) {
			l.epoch, of = nil, nil
		}
	}
	for id, j := range l.jobs {
		if j.who == nil && !slices.Contains(of, id) {
			l.abandoned[id] = true
		}
	}
}

// freeAbandoned frees keys that a job has fenced which nobody can read any more. Nobody would erase them, or free them,
// and whose they are could not be erased by another job either.
func (e *Engine) freeAbandoned(ctx context.Context, left *leftover) error {
	if len(left.abandoned) == 0 {
		return nil
	}
	claimed := make(map[keystore.Ref]bool)
	for _, j := range left.jobs {
		if j.who == nil {
			continue
		}
		refs, err := j.refs()
		if err != nil {
			return err
		}
		for _, ref := range refs {
			claimed[ref] = true
		}
	}
	var free []keystore.Ref
	err := e.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		// Those of jobs are fenced by a sweep.
		if k.State == keystore.Erasing && k.Compartment != compartmentJob && k.Compartment != compartmentIdentity && !claimed[k.Ref] {
			free = append(free, k.Ref)
		}
		return ctx.Err()
	})
	if err != nil || len(free) == 0 {
		return err
	}
	return e.tree.Unfence(ctx, free)
}

// latest reads the rows of a job's newest state. Several attempts at an epoch leave a row each, and they differ: a
// dependent is told again, say. The one that counts is that of the epoch that was interrupted. Where it was none of
// them, everything but the request is collected again.
func (e *Engine) latest(ctx context.Context, j *job, rows []rowName, b *epoch) error {
	for _, n := range rows {
		j.what = particulars{}
		if err := unseal(ctx, e, n, &j.what); err != nil {
			return err
		}
		if b != nil && j.what.Attempt == b.what.Attempt {
			break
		}
	}
	return nil
}

// identify reads whose a job is; nil if that is already erased.
func (e *Engine) identify(ctx context.Context, n rowName) (*identity, error) {
	who := new(identity)
	err := unseal(ctx, e, n, who)
	if errors.Is(err, keystore.ErrNoKey) {
		return nil, nil
	}
	return who, err
}

// interrupted returns the epoch that rows describe if its root has changed, and nil if it came to nothing:
// then the tree is at another epoch, or at another attempt of this one.
func (e *Engine) interrupted(ctx context.Context, rows []rowName) (*epoch, error) {
	info := e.tree.Info()
	slices.SortFunc(rows, func(a, b rowName) int { return int(b.state) - int(a.state) })
	for _, n := range rows {
		b := &epoch{state: n.state, maybePublished: n.state == Scrubbed}
		if err := unseal(ctx, e, n, &b.what); err != nil {
			return nil, err
		}
		if len(b.what.Jobs) == 0 || len(b.what.Jobs) != len(b.what.Places) {
			return nil, errRow
		}
		if n.state > Prepared || b.what.Epoch == info.Epoch && b.what.Attempt == ID(info.Attempt) {
			return b, nil
		}
	}
	return nil, nil
}
