package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/ledger/event"
)

// waits says what an erasure has to wait for: approvals, and a time, zero for none.
func (l *Ledger) waits(r EraseRequest) (need int, notBefore time.Time) {
	policy, now := l.config.Erasing, l.now()
	if _, coolingOff, _ := policy.check(); !coolingOff.IsZero() {
		notBefore = coolingOff.After(now)
	}
	if r.NotBefore.After(now) && r.NotBefore.After(notBefore) {
		notBefore = r.NotBefore
	}
	return policy.Need(r.Everything), notBefore
}

// WaitingErasures lists the requests that are written down and have not begun.
func (l *Ledger) WaitingErasures() []erasure.Waiting { return l.erasure.Waiting() }

// ApproveErasure adds an approval to a request. It destroys nothing.
func (l *Ledger) ApproveErasure(ctx context.Context, id erasure.ID, a erasure.Approval) (erasure.Waiting, error) {
	if err := l.writable(); err != nil {
		return erasure.Waiting{}, err
	}
	defer l.gate.leave()
	return l.erasure.Approve(ctx, id, a)
}

// CancelErasure takes back a request that has not gone where there is no way back.
func (l *Ledger) CancelErasure(ctx context.Context, id erasure.ID) error {
	if err := l.writable(); err != nil {
		return err
	}
	defer l.gate.leave()
	return l.erasure.Cancel(ctx, id)
}

// StartErasure begins a request that has waited, and returns as Erase does. It
// erases what was asked for then: what was recorded under other keys since is not
// part of the request. One that meets a hold goes on waiting. keep, which may be nil,
// receives the certificate before the request is over: see [erasure.Engine.Start].
func (l *Ledger) StartErasure(ctx context.Context, id erasure.ID, keep func(*erasure.Certificate)) (*erasure.Certificate, error) {
	if err := l.writable(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	var waiting *erasure.Waiting
	for _, w := range l.erasure.Waiting() {
		if w.ID == id {
			waiting = &w
		}
	}
	if waiting == nil {
		return nil, erasure.ErrNotWaiting
	}
	if err := waiting.Ready(l.now()); err != nil {
		return nil, err
	}
	person, ok := personOf(waiting.Subject)
	if !ok {
		return nil, erasure.ErrNotWaiting
	}
	if err := l.mend(ctx, person); err != nil {
		return nil, err
	}
	if _, err := l.withdrawForErasure(ctx, EraseRequest{Subject: person, Everything: waiting.Scope == erasure.ScopeEverything}); err != nil {
		return nil, err
	}
	job, err := l.erasure.Start(id, keep)
	if err != nil {
		return nil, err
	}
	return job.Wait(ctx)
}

// KeepErasing hands over each request that may begin, at once or when its day comes,
// until the context ends or the ledger is closed; begin is to call [Ledger.StartErasure].
// One that did not begin, because it met a hold, comes again within an hour.
func (l *Ledger) KeepErasing(ctx context.Context, begin func(erasure.Waiting)) {
	if l.readOnly != nil {
		return
	}
	for {
		ready, next := l.readyErasures()
		for _, w := range ready {
			if ctx.Err() != nil {
				return
			}
			begin(w)
		}
		if !l.pause(ctx, next) {
			return
		}
	}
}

// readyErasures returns the requests that may begin, and when to look again.
func (l *Ledger) readyErasures() (ready []erasure.Waiting, next time.Duration) {
	now := l.now()
	next = lookEvery
	for _, w := range l.erasure.Waiting() {
		switch err := w.Ready(now); {
		case err == nil:
			ready = append(ready, w)
		case errors.Is(err, erasure.ErrCoolingOff):
			next = min(next, w.NotBefore.Sub(now))
		}
	}
	return ready, next
}

// lookEvery is how often is looked whether something is due that nobody waits for.
const lookEvery = time.Hour

// pause waits, and says that neither the context nor the ledger ended meanwhile.
func (l *Ledger) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-l.life.Done():
	}
	return false
}

// writable enters the gate of a ledger that may be written.
func (l *Ledger) writable() error {
	if err := l.gate.enter(); err != nil {
		return err
	}
	if l.readOnly != nil {
		l.gate.leave()
		return l.readOnly
	}
	return nil
}

// suppress records that a person asks to be left alone, where they have not asked yet.
func (l *Ledger) suppress(ctx context.Context, person string) error {
	s, err := l.submitAbout(ctx, person, func(sub *subject, now time.Time) (*event.Event, error) {
		if sub.speculative.Suppressed() {
			return nil, nil
		}
		return l.made(sub, now, map[string]any{"type": "suppression.requested", "subject": person})
	})
	if s == nil || err != nil {
		return err
	}
	if _, err = s.Wait(ctx); err != nil {
		return fmt.Errorf("recording the suppression: %w", err)
	}
	return nil
}
