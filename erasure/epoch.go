package erasure

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// run takes jobs through one epoch. A job that alone cannot go on is left behind; from PREPARED on there is
// one fate for all.
//
// The caller holds epochs.
func (e *Engine) run(ctx context.Context, jobs []*job) error {
	jobs = slices.DeleteFunc(slices.Clone(jobs), (*job).finished) // cancelled meanwhile
	defer e.tree.Hold(ctx, known(jobs))()
	jobs, err := e.approach(ctx, jobs)
	if err == nil {
		if jobs = e.tell(ctx, e.take(ctx, jobs)); len(jobs) == 0 {
			return nil
		}
		err = e.change(ctx, jobs)
	}
	if err != nil {
		e.release(jobs, err)
	}
	return err
}

// known returns the keys that jobs were asked to erase. One whose keys are not readable is found out later.
func known(jobs []*job) (refs []keystore.Ref) {
	for _, j := range jobs {
		if some, err := j.refs(); err == nil {
			refs = append(refs, some...)
		}
	}
	return refs
}

// release ends the wait for jobs that stay open. They are taken up again by Resume, or cancelled.
func (e *Engine) release(jobs []*job, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, j := range jobs {
		j.taken = false
		j.finish(nil, err)
	}
}

// approach brings jobs to COLLECTED and returns those that got there, or all of them with an error.
func (e *Engine) approach(ctx context.Context, jobs []*job) ([]*job, error) {
	jobs, err := e.checkAll(ctx, jobs)
	if err != nil || len(jobs) == 0 {
		return jobs, err
	}

	// FENCED. From here on nothing new is sealed under these keys, nor under those that seal whose they
	// are. The pages remember it; no row of the job says so: if we stop, Resume fences again, which
	// changes nothing, or does what was lost.
	var refs []keystore.Ref
	for _, j := range jobs {
		rs, err := e.doomed(ctx, j)
		if err != nil {
			return jobs, err
		}
		refs = append(refs, rs...)
	}
	if err := e.tree.Fence(ctx, refs); err != nil {
		return jobs, fmt.Errorf("fencing keys: %w", err)
	}
	if err := e.ledger.Fenced(ctx); err != nil {
		return jobs, err
	}
	if err := e.reached(Fenced, before(jobs, Fenced)...); err != nil {
		return jobs, err
	}

	// COLLECTED. What needs the keys is done while there are keys. It is written down with PREPARED: until
	// then the keys are there, and it can be collected again. Where it was, an epoch came to nothing, and the keys
	// may have been free since.
	for _, j := range jobs {
		if err := e.collect(ctx, j); err != nil {
			return jobs, err
		}
	}
	return jobs, e.reached(Collected, jobs...)
}

// before returns the jobs that have not reached a state.
func before(jobs []*job, s State) (not []*job) {
	for _, j := range jobs {
		if j.state < s {
			not = append(not, j)
		}
	}
	return not
}

// checkAll brings jobs to CHECKED. Nothing was changed yet for those that are new, so a job whose keys are
// gone, held or taken by another job is closed with that answer. One that was interrupted may have fenced its
// keys: what is held goes on being used, so it is freed before nobody is left who would free it.
func (e *Engine) checkAll(ctx context.Context, jobs []*job) ([]*job, error) {
	var on []*job
	taken := make(map[keystore.Ref]bool)
	for _, j := range jobs {
		keys, err := e.exist(ctx, j)
		for _, k := range keys {
			if err == nil && taken[k.Ref] {
				err = keystore.ErrErasing
			}
		}
		if errors.Is(err, ErrHeld) {
			if err := e.unfence(ctx, j); err != nil {
				return jobs, fmt.Errorf("freeing keys that are held: %w", err)
			}
		}
		switch {
		case err == nil:
			on = append(on, j)
			for _, k := range keys {
				taken[k.Ref] = true
			}
		case (errors.Is(err, ErrHeld) || errors.Is(err, keystore.ErrErasing)) && j.deferred():
			// It waits on: what is held today can be erased when the hold is released, and what another
			// job leaves of it when that is done.
			e.release([]*job{j}, fmt.Errorf("checking an erasure request: %w", err))
		case errors.Is(err, keystore.ErrPageMissing):
			e.release([]*job{j}, fmt.Errorf("checking an erasure request: %w", err)) // the others can go on
		case errors.Is(err, keystore.ErrNoKey), errors.Is(err, keystore.ErrErasing), errors.Is(err, ErrHeld):
			why := fmt.Errorf("checking an erasure request: %w", err)
			if err := e.close(ctx, j, why); err != nil {
				return jobs, err
			}
		default:
			return jobs, fmt.Errorf("checking an erasure request: %w", err)
		}
	}
	fresh := before(on, Checked)
	if len(fresh) == 0 {
		return on, nil
	}
	// Not waited for: who finds a fence after a crash finds this before it.
	wait, err := e.queueJobs(ctx, Checked, fresh)
	if err != nil {
		return on, fmt.Errorf("writing the state %s of an erasure: %w", Checked, err)
	}
	e.checked = wait
	return on, e.reached(Checked, fresh...)
}

// exist checks that the keys of a job are there and free, and returns them. Whoever asked for a person to be
// erased a while ago still wants the rest of it when another erasure was faster with a part; whoever asks now
// is told, and plans again. Where nobody can say whose keys they are, all have to be there.
func (e *Engine) exist(ctx context.Context, j *job) ([]keystore.KeyInfo, error) {
	refs, err := j.refs()
	if err != nil {
		return nil, err
	}
	some := len(j.who.Subject) > 0 && (j.deferred() || j.resumed)
	keys := make([]keystore.KeyInfo, 0, len(refs))
	for _, ref := range refs {
		l, err := e.tree.LeaseOf(ctx, ref)
		if some && errors.Is(err, keystore.ErrNoKey) {
			continue
		}
		if err != nil {
			return nil, err
		}
		k := l.Info()
		l.Done()
		keys = append(keys, k)
		if held(k, j.what.Reason) {
			return nil, ErrHeld
		}
		// A job that was interrupted may have fenced its keys itself. A new one finds that of another job.
		if k.State == keystore.Erasing && !j.resumed {
			return nil, keystore.ErrErasing
		}
	}
	if len(keys) == 0 {
		return nil, keystore.ErrNoKey
	}
	return keys, e.ledger.Guard(ctx, keys)
}

// eachKey calls f with the keys of a job that are still there. Whether some may be missing, exist has decided.
func (e *Engine) eachKey(ctx context.Context, j *job, f func(*keystore.Lease)) error {
	refs, err := j.refs()
	if err != nil {
		return err
	}
	for _, ref := range refs {
		l, err := e.tree.LeaseOf(ctx, ref)
		if errors.Is(err, keystore.ErrNoKey) {
			continue
		}
		if err != nil {
			return err
		}
		f(l)
		l.Done()
	}
	return nil
}

// doomed lists the keys that die in a job's epoch: those of the person, and the one that seals whose they are.
func (e *Engine) doomed(ctx context.Context, j *job) ([]keystore.Ref, error) {
	var refs []keystore.Ref
	if err := e.eachKey(ctx, j, func(l *keystore.Lease) { refs = append(refs, l.Ref()) }); err != nil {
		return nil, err
	}
	own, err := e.refOf(ctx, j.id, compartmentIdentity)
	if err != nil {
		return nil, err
	}
	return append(refs, own), nil
}

// collect notes what will be needed when the keys are gone.
func (e *Engine) collect(ctx context.Context, j *job) error {
	j.what.RowsKeys = [][]byte{}
	var keys []keystore.KeyInfo
	err := e.eachKey(ctx, j, func(l *keystore.Lease) {
		j.what.RowsKeys = append(j.what.RowsKeys, l.RowsKey().Bytes())
		keys = append(keys, l.Info())
	})
	if err != nil {
		return fmt.Errorf("collecting what must be known of a key: %w", err)
	}
	if len(j.who.Subject) == 0 {
		return nil // retention: what recipients may keep, the contract with them says
	}
	rs, err := e.ledger.Recipients(ctx, keystore.Subject(j.who.Subject), keys)
	if err != nil {
		return fmt.Errorf("collecting recipients: %w", err)
	}
	j.what.Recipients = append([]Recipient{}, rs...)
	return nil
}

// take returns the jobs that nobody cancelled; those cannot be cancelled any more.
func (e *Engine) take(ctx context.Context, jobs []*job) (taken []*job) {
	for _, j := range jobs {
		e.mu.Lock()
		j.taken = !j.cancelled
		e.mu.Unlock()
		if j.taken {
			taken = append(taken, j)
		} else if err := e.cancel(ctx, j); err != nil {
			e.release([]*job{j}, err)
		}
	}
	return taken
}

// change destroys the keys of jobs. It is written in the order in which its steps become durable.
func (e *Engine) change(ctx context.Context, jobs []*job) error {
	var refs []keystore.Ref
	for _, j := range jobs {
		rs, err := e.doomed(ctx, j)
		if err != nil {
			return err
		}
		refs = append(refs, rs...)
	}

	// PREPARED: pages without the keys lie beside the old ones, and behind them in the queue what the jobs
	// have collected. All that the jobs have written since they were asked for becomes durable here, with one
	// sync. If we stop here, the tree opens at the old epoch, and the jobs are where their rows are.
	next, err := e.tree.Begin(ctx, refs)
	if err != nil {
		return fmt.Errorf("preparing an epoch: %w", err)
	}
	b := newEpoch(jobs, next.Record())
	if err := e.prepared(ctx, next, b, jobs); err != nil {
		e.mu.Lock()
		for _, j := range jobs {
			j.state = Collected
		}
		e.mu.Unlock()
		return errors.Join(err, next.Abort(ctx))
	}
	_, err = e.push(context.WithoutCancel(ctx), &underway{next, b, jobs})
	return err
}

// prepared writes down what an epoch that has begun is for, and returns when that and its pages are durable.
func (e *Engine) prepared(ctx context.Context, next *keystore.Epoch, b *epoch, jobs []*job) error {
	wait, err := e.queueEpoch(ctx, Prepared, b, jobs)
	if err != nil {
		return err
	}
	if err := next.Settle(ctx); err != nil {
		return err
	}
	return e.epochReached(ctx, Prepared, wait, b, jobs)
}

// underway is an epoch that this process has prepared and that can only go forward.
type underway struct {
	next *keystore.Epoch
	b    *epoch
	jobs []*job
}

// push brings a prepared epoch to its end. Where a holder or the log fails, it can be tried again.
func (e *Engine) push(ctx context.Context, u *underway) (certs []*Certificate, err error) {
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.under = nil; err != nil {
			e.under, e.ready = u, false
		}
	}()

	// ROOTED. If we stop between two holders, opening the tree goes back to the old root, and the jobs are
	// COLLECTED; if after the last, it goes forward.
	if u.b.state < Rooted {
		if err := u.next.Root(ctx); err != nil {
			return nil, fmt.Errorf("giving the new root to its holders: %w", err)
		}
		u.b.state = Rooted
		if err := e.reached(Rooted, u.jobs...); err != nil {
			return nil, err
		}
	}

	// DESTROYED. The holders remember it: if we stop before a row says so, opening the tree destroys what is
	// left of the old root and has the statements.
	statements, err := u.next.Destroy(ctx)
	if err != nil {
		return nil, fmt.Errorf("destroying the old root: %w", err)
	}
	return e.conclude(ctx, u.b, u.jobs, statements)
}

// conclude brings an epoch whose old root is destroyed to RECORDED, from whatever state it was left in,
// and returns the certificates.
func (e *Engine) conclude(ctx context.Context, b *epoch, jobs []*job, statements []keystore.Statement) ([]*Certificate, error) {
	if b.state < Destroyed {
		b.what.KeysDestroyedAt = certificate.Instant(e.o.Now())
		info := e.tree.Info()
		b.what.Level, b.what.MemoryErased = info.Level.String(), info.SecretMode
		b.what.Holders = holders(statements)
		b.state = Destroyed
		if err := e.reached(Destroyed, jobs...); err != nil {
			return nil, err
		}
	}

	// SCRUBBED: memory first, then the words of the record are fixed.
	e.tree.Scrub()
	for _, j := range jobs {
		e.ledger.Forget(j.subject())
	}
	if b.state < Scrubbed {
		if err := e.word(ctx, b, jobs); err != nil {
			return nil, err
		}
		// Not waited for: it is durable no later than the record, which is queued behind it.
		if _, err := e.queueEpoch(ctx, Scrubbed, b, jobs); err != nil {
			return nil, err
		}
		b.state = Scrubbed
		if err := e.reached(Scrubbed, jobs...); err != nil {
			return nil, err
		}
	}

	// RECORDED. If we stop between the log and the row, Resume finds the statement in the log. Certificates are
	// given away before the row: nobody writes their openings again behind it.
	if b.state < Recorded {
		if err := e.publish(ctx, b); err != nil {
			return nil, err
		}
		if err := e.giveAway(b, jobs); err != nil {
			return nil, err
		}
		wait, err := e.queueEpoch(ctx, Recorded, b, jobs)
		if err != nil {
			return nil, err
		}
		if err := e.epochReached(ctx, Recorded, wait, b, jobs); err != nil {
			return nil, err
		}
	}
	certs, err := certificates(e.ledger.Origin(), b, jobs)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, j := range jobs {
		delete(e.jobs, j.id)
		j.finish(certs[i], nil)
	}
	return certs, nil
}

// receiver is who keeps the certificate of a job before it is over, nil for nobody.
func (e *Engine) receiver(j *job) func(*Certificate) {
	if j.unawaited {
		return e.o.Unclaimed
	}
	return j.keep
}

// giveAway gives certificates to whoever keeps them. If we stop behind it, Resume gives them to Unclaimed.
func (e *Engine) giveAway(b *epoch, jobs []*job) error {
	if !slices.ContainsFunc(jobs, func(j *job) bool { return e.receiver(j) != nil }) {
		return nil
	}
	certs, err := certificates(e.ledger.Origin(), b, jobs)
	if err != nil {
		return err
	}
	for i, j := range jobs {
		if keep := e.receiver(j); keep != nil {
			keep(certs[i])
		}
	}
	return nil
}

func (j *job) subject() keystore.Subject {
	if j.who == nil {
		return ""
	}
	return keystore.Subject(j.who.Subject)
}

// publish appends the epoch record to the log, once.
func (e *Engine) publish(ctx context.Context, b *epoch) error {
	var err error
	b.what.Index, b.what.Leaf, err = e.publishOnce(ctx, b.what.Statement, &b.maybePublished)
	return err
}

// publishOnce appends a record to the log unless an earlier try did.
func (e *Engine) publishOnce(ctx context.Context, text string, maybePublished *bool) (uint64, Digest, error) {
	statement := []byte(text)
	if *maybePublished {
		index, found, err := e.ledger.Published(ctx, statement)
		if err != nil {
			return 0, Digest{}, fmt.Errorf("looking for a record: %w", err)
		}
		if found {
			return index, certificate.LeafHash(statement), nil
		}
	}
	*maybePublished = true
	index, leaf, err := e.ledger.Publish(ctx, statement)
	if err != nil {
		return 0, Digest{}, fmt.Errorf("publishing a record: %w", err)
	}
	if string(leaf) != string(certificate.PublicLeaf(statement)) {
		return 0, Digest{}, errors.New("publishing a record: the ledger published something else")
	}
	return index, certificate.LeafHash(statement), nil
}
