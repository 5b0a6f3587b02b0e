package erasure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// Approval is what somebody signed who agreed to a request.
type Approval = certificate.Approval

// ErrNotApproved says that a request waits for somebody's approval.
var ErrNotApproved = errors.New("the erasure is not approved")

// ErrCoolingOff says that a request waits for its day.
var ErrCoolingOff = errors.New("the erasure waits for its day")

// ErrNotWaiting says that there is no such request, or that it is past waiting.
var ErrNotWaiting = errors.New("no erasure with this id is waiting")

// ErrNotApprover says that an approval is not by a key that may approve.
var ErrNotApprover = errors.New("the approval is not signed by a key of an approver")

// Waiting is a request that was written down and has not begun.
type Waiting struct {
	ID         ID
	State      State
	Subject    keystore.Subject // "" where nobody can say
	Commitment Digest           // what an approver signs, see [certificate.ApprovalText]
	Reason     Reason
	Scope      string
	Asked      string
	Erased     []Part
	Kept       []Stay
	NotBefore  time.Time // zero: at once
	Need       int       // approvals
	Approvals  []Approval
}

// Ready says why a request cannot begin at a time; nil if it can.
func (w *Waiting) Ready(now time.Time) error {
	switch {
	case len(w.Approvals) < w.Need:
		return fmt.Errorf("%w: %d of %d approvals", ErrNotApproved, len(w.Approvals), w.Need)
	case now.Before(w.NotBefore):
		return fmt.Errorf("%w: %s", ErrCoolingOff, certificate.Instant(w.NotBefore))
	}
	return nil
}

// deferred says that a request does not begin by itself.
func (j *job) deferred() bool { return j.what.NotBefore != "" || j.what.Need > 0 }

// waits says that it has not begun: from CHECKED on it is on its way, and a restart goes on with it.
func (j *job) waits() bool { return j.deferred() && j.state < Checked }

// Waiting lists the requests that wait for approval or for their day, in the order in which they were made.
func (e *Engine) Waiting() []Waiting {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Waiting
	for _, j := range e.jobs {
		if j.deferred() && !j.taken && j.who != nil && !slices.Contains(e.queue, j) {
			out = append(out, e.waiting(j))
		}
	}
	slices.SortFunc(out, func(a, b Waiting) int {
		if c := strings.Compare(a.Asked, b.Asked); c != 0 {
			return c
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	return out
}

// waiting describes a job. Approvals by keys that may no longer approve do not count, and a policy that asks
// for more approvals, or for more time, than it did when the request was written down counts. The caller
// holds mu.
func (e *Engine) waiting(j *job) Waiting {
	w := Waiting{ID: j.id, State: j.state, Subject: j.subject(), Commitment: j.what.Opening.Commitment(e.ledger.Origin()), Reason: j.what.Reason,
		Scope: j.what.Scope, Asked: j.what.RequestedAt, Erased: j.what.Erased, Kept: j.what.Kept, Need: j.what.Need}
	if e.o.Approvals != nil && w.Subject != "" {
		w.Need = max(w.Need, e.o.Approvals(w.Scope == ScopeEverything))
	}
	if t, err := time.Parse(time.RFC3339, j.what.NotBefore); err == nil {
		w.NotBefore = t
	}
	if asked, err := time.Parse(time.RFC3339, w.Asked); err == nil && e.o.NotBefore != nil && w.Subject != "" {
		if t := e.o.NotBefore(asked); t.After(w.NotBefore) {
			w.NotBefore = t
		}
	}
	for _, a := range j.what.Approvals {
		if e.approves(a, w.Commitment) {
			w.Approvals = append(w.Approvals, a)
		}
	}
	return w
}

func (e *Engine) approves(a Approval, commitment Digest) bool {
	for _, v := range e.o.Approvers {
		if a.Verify(v, e.ledger.Origin(), commitment) {
			return true
		}
	}
	return false
}

// Approve writes an approval of a request down. The same approver counts once.
func (e *Engine) Approve(ctx context.Context, id ID, a Approval) (Waiting, error) {
	e.epochs.Lock() // the job does not begin meanwhile
	defer e.epochs.Unlock()
	e.mu.Lock()
	j := e.jobs[id]
	if j == nil || !j.deferred() || j.taken || j.who == nil {
		e.mu.Unlock()
		return Waiting{}, ErrNotWaiting
	}
	w := e.waiting(j)
	e.mu.Unlock()
	if !e.approves(a, w.Commitment) {
		return w, ErrNotApprover
	}
	if slices.ContainsFunc(w.Approvals, func(have Approval) bool { return have.Key == a.Key }) {
		return w, nil
	}
	l, err := e.find(ctx, id, compartmentJob)
	if err != nil {
		return w, fmt.Errorf("the key of an erasure job: %w", err)
	}
	defer l.Done()
	row, err := seal(l, kindApproval, id, Requested, a)
	if err == nil {
		err = e.write(ctx, []keystore.KV{row})
	}
	if err != nil {
		return w, fmt.Errorf("writing an approval down: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	j.approve(a)
	return e.waiting(j), nil
}

// approve adds an approval, in the order of the keys.
func (j *job) approve(a Approval) {
	as := slices.DeleteFunc(slices.Clone(j.what.Approvals), func(have Approval) bool { return have.Key == a.Key })
	as = append(as, a)
	slices.SortFunc(as, func(a, b Approval) int { return strings.Compare(a.Key, b.Key) })
	j.what.Approvals = as
}

// Start puts a request that has waited into the next epoch. keep, which may be nil, receives the certificate
// before the request is over, and makes it durable: where we stop behind that, nobody writes its opening again. It
// must return soon. Where we stop before, or fail, [Options].Unclaimed receives the certificate.
func (e *Engine) Start(id ID, keep func(*Certificate)) (*Job, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usableLocked(); err != nil {
		return nil, err
	}
	j := e.jobs[id]
	if j == nil || !j.deferred() || j.taken || j.who == nil || slices.Contains(e.queue, j) {
		return nil, ErrNotWaiting
	}
	w := e.waiting(j)
	if err := w.Ready(e.o.Now()); err != nil {
		return nil, err
	}
	j.what.Approvals = w.Approvals // those that count today stand in the certificate
	if j.finished() {
		j.done, j.err = make(chan struct{}), nil
	}
	j.resumed, j.unawaited, j.keep = j.state >= Checked, false, keep
	e.enqueue(j)
	return &Job{e, j}, nil
}
