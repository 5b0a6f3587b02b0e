package erasure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// A Job is a request that is written down.
type Job struct {
	e *Engine
	j *job
}

// ID names the job; it is random.
func (h *Job) ID() ID { return h.j.id }

// Wait returns the subject's copy of the certificate when the epoch record is in the log. The end of ctx
// ends the wait, not the erasure; see [Engine.Cancel]. The certificate and the opening in it are handed
// out once: a second Wait returns the officer's copy.
func (h *Job) Wait(ctx context.Context) (*Certificate, error) {
	h.e.mu.Lock()
	done := h.j.done
	h.e.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	h.e.mu.Lock()
	defer h.e.mu.Unlock()
	cert := h.j.cert
	if cert != nil {
		h.j.cert = cert.Officer()
	}
	return cert, h.j.err
}

// Erase runs a request through the whole state machine, up to RECORDED, together with whatever else is
// asked for meanwhile. The end of ctx ends the wait, not the erasure.
func (e *Engine) Erase(ctx context.Context, r Request) (*Certificate, error) {
	job, err := e.Submit(ctx, r)
	if err != nil {
		return nil, err
	}
	return job.Wait(ctx)
}

// Retire destroys keys whose last day has passed, all in one epoch. Nobody can say whose they are, so the
// certificate is an officer's copy.
func (e *Engine) Retire(ctx context.Context, keys []keystore.KeyInfo) (*Certificate, error) {
	return e.Erase(ctx, Request{Keys: keys, Reason: ReasonRetention})
}

// Submit writes a request down and puts it into the next epoch. When it returns, a crash does not lose the
// request any more.
func (e *Engine) Submit(ctx context.Context, r Request) (*Job, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	if err := e.check(ctx, &r); err != nil {
		return nil, err
	}
	j, err := e.newJob(&r)
	if err != nil {
		return nil, fmt.Errorf("writing an erasure request down: %w", err)
	}
	// It is known here before it is durable, so that a Resume that finds its rows leaves it alone.
	soon := !j.deferred()
	e.mu.Lock()
	e.jobs[j.id] = j
	if soon {
		e.writing++
	}
	e.mu.Unlock()
	err = e.request(ctx, j)
	e.mu.Lock()
	defer e.mu.Unlock()
	if soon {
		defer e.written() // when it is in the queue
	}
	if err == nil {
		err = e.usableLocked() // if not, the request is durable and will be resumed
	}
	if err != nil {
		delete(e.jobs, j.id)
		j.finish(nil, err)
		return nil, fmt.Errorf("writing an erasure request down: %w", err)
	}
	if !j.finished() && !j.deferred() { // not cancelled already
		e.enqueue(j)
	}
	return &Job{e, j}, nil
}

func (e *Engine) usable() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.usableLocked()
}

func (e *Engine) usableLocked() error {
	switch {
	case e.closed:
		return ErrClosed
	case !e.ready:
		return ErrNotResumed
	}
	return nil
}

// newJob commits to a request.
func (e *Engine) newJob(r *Request) (*job, error) {
	asked := certificate.Instant(e.o.Now())
	opening, err := certificate.NewOpening(r.members(asked))
	if err != nil {
		return nil, err
	}
	j := &job{id: newID(), who: new(identity), keep: r.Keep, done: make(chan struct{}), what: particulars{
		Reason: r.Reason, Scope: r.scope(), RequestedAt: asked, Erased: parts(r.Keys), Kept: stays(r.Kept),
		Subjects: subjects(r.Keys), Opening: opening.Withhold(certificate.MemberSubject),
		Recipients: []Recipient{}, RowsKeys: [][]byte{},
	}}
	j.what.Need = r.Approvals
	if !r.NotBefore.IsZero() {
		j.what.NotBefore = certificate.Instant(r.NotBefore)
	}
	j.who.Subject = []byte(r.Subject)
	for _, k := range r.Keys {
		j.who.Refs = append(j.who.Refs, k.Ref.Bytes())
	}
	for _, d := range opening.Disclosures {
		if !slices.Contains(j.what.Opening.Disclosures, d) {
			j.who.Disclosure = d
		}
	}
	return j, nil
}

// request makes a job durable: its two keys, whose it is, and what is asked. All of it is one write, so
// after a crash there is a whole request or none.
func (e *Engine) request(ctx context.Context, j *job) error {
	mine, err := keystore.Elsewhere(func() (*keystore.Lease, error) {
		return e.tree.Use(ctx, subjectOf(j.id), compartmentJob, 0)
	}, func() { e.rename(j) })
	if err != nil {
		return err
	}
	defer mine.Done()
	theirs, err := e.tree.Use(ctx, subjectOf(j.id), compartmentIdentity, 0)
	if err != nil {
		return err
	}
	defer theirs.Done()
	row, err := seal(mine, kindJob, j.id, Requested, &j.what)
	if err != nil {
		return err
	}
	who, err := seal(theirs, kindIdentity, j.id, Requested, j.who)
	if err != nil {
		return err
	}
	wait, err := e.queueRows([]keystore.KV{row, who}, mine, theirs)
	if err != nil {
		return err
	}
	// The epoch begins when the disk is done. Meanwhile the pages are read that it needs.
	var ahead sync.WaitGroup
	if refs, err := j.refs(); err == nil && !j.deferred() {
		if read := e.tree.Ahead(append(refs, theirs.Ref())); read != nil {
			ahead.Go(func() { read(ctx) })
		}
	}
	err = wait(context.WithoutCancel(ctx))
	ahead.Wait()
	if err != nil {
		return err
	}
	return e.reached(Requested, j)
}

// rename gives a job that nothing was written of another name.
func (e *Engine) rename(j *job) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.jobs, j.id)
	j.id = newID()
	e.jobs[j.id] = j
}

// subjects counts the people that keys belong to.
func subjects(keys []keystore.KeyInfo) int {
	seen := make(map[string]bool)
	for _, k := range keys {
		seen[string(k.Ref.Bytes()[:16])] = true
	}
	return len(seen)
}

// enqueue puts jobs into the next epoch. The caller holds mu.
func (e *Engine) enqueue(jobs ...*job) {
	e.queue = append(e.queue, jobs...)
	if e.running || len(e.queue) == 0 {
		return
	}
	e.running = true
	e.idle.Add(1)
	go e.loop()
}

// loop runs epochs until nobody waits. While one runs, the requests for the next gather.
func (e *Engine) loop() {
	defer e.idle.Done()
	for {
		e.mu.Lock()
		if len(e.queue) == 0 || !e.ready {
			for _, j := range e.queue {
				j.finish(nil, ErrNotResumed)
			}
			e.queue, e.running = nil, false
			e.mu.Unlock()
			return
		}
		e.mu.Unlock()
		e.gather()
		e.mu.Lock()
		n := e.share(e.queue) // 0 where all were cancelled meanwhile
		jobs := slices.Clone(e.queue[:n])
		e.queue = slices.Delete(e.queue, 0, n)
		e.mu.Unlock()
		if n == 0 {
			continue
		}
		e.epochs.Lock()
		e.run(e.life, jobs) // whoever waits for a job is told
		e.epochs.Unlock()
	}
}

// share returns how many jobs of a queue may share an epoch; at least one, where there is one.
func (e *Engine) share(queue []*job) int {
	keys, people := 0, 0
	for i, j := range queue {
		keys, people = keys+len(j.who.Refs), people+j.what.Subjects
		if i == e.o.MaxRequests || i > 0 && (keys > e.o.MaxKeys || e.o.MaxSubjects > 0 && people > e.o.MaxSubjects) {
			return i
		}
	}
	return len(queue)
}

// finish answers whoever waits for a job, once. The caller holds mu.
func (j *job) finish(c *Certificate, err error) {
	if !j.finished() {
		j.cert, j.err = c, err
		close(j.done)
	}
}

// finished reports whether nobody works on the job any more.
func (j *job) finished() bool {
	select {
	case <-j.done:
		return true
	default:
		return false
	}
}

// ErrTooLate says that a job can no longer be cancelled: its epoch is prepared, dependents have
// been told, or it is no longer open.
var ErrTooLate = errors.New("too late to cancel")

// Cancel takes a request back and returns when that is durable. It can be done until PREPARED.
func (e *Engine) Cancel(ctx context.Context, id ID) error {
	e.mu.Lock()
	j := e.jobs[id]
	if j == nil {
		e.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrNotWaiting, ErrTooLate) // it is over, or there never was one
	}
	if j.taken || j.told {
		e.mu.Unlock()
		return ErrTooLate
	}
	j.cancelled = true
	e.mu.Unlock()

	// The loop may be between two states of this job, so wait for it to let go of the key pages; it
	// looks at cancelled before it goes where there is no way back.
	e.epochs.Lock()
	defer e.epochs.Unlock()
	e.mu.Lock()
	open := e.jobs[id] != nil
	e.queue = slices.DeleteFunc(e.queue, func(q *job) bool { return q == j })
	e.mu.Unlock()
	if !open {
		return nil // the loop has done it
	}
	return e.cancel(ctx, j)
}

// ErrCancelled is what a job's Wait returns after [Engine.Cancel].
var ErrCancelled = errors.New("the erasure was cancelled")

// cancel undoes the fence and closes the job. The caller holds epochs. If we stop between the two, the
// job is open and its keys are free: it can be cancelled again, or fenced again.
func (e *Engine) cancel(ctx context.Context, j *job) error {
	if err := e.unfence(ctx, j); err != nil {
		return fmt.Errorf("cancelling an erasure: %w", err)
	}
	return e.close(ctx, j, ErrCancelled)
}

// unfence frees the keys of a job that may have fenced them.
func (e *Engine) unfence(ctx context.Context, j *job) error {
	if j.state < Checked || j.who == nil {
		return nil
	}
	refs, err := e.doomed(ctx, j)
	if err != nil {
		return err
	}
	return e.tree.Unfence(ctx, refs)
}

// close ends a job without an epoch.
func (e *Engine) close(ctx context.Context, j *job, why error) error {
	// What was collected of a person who stays is not written again.
	j.what.Recipients, j.what.RowsKeys = []Recipient{}, [][]byte{}
	if err := e.advance(ctx, Cancelled, j); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.jobs, j.id)
	j.finish(nil, why)
	return nil
}

// Pending lists the jobs that are neither recorded nor cancelled, and how far they are.
func (e *Engine) Pending() map[ID]State {
	e.mu.Lock()
	defer e.mu.Unlock()
	open := make(map[ID]State, len(e.jobs))
	for id, j := range e.jobs {
		open[id] = j.state
	}
	return open
}
