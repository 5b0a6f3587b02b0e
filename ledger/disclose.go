package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle/log"
)

// mayDisclose refuses a data.disclosed that May would not allow, with May's own
// reasons: data is not passed on first and excused afterwards.
func mayDisclose(reg *event.Register, state *consent.State, ev *event.Event, now time.Time) error {
	if ev.Type() != "data.disclosed" {
		return nil
	}
	q := consent.Question{Purpose: ev.Str("purpose"), Recipient: ev.Str("recipient"), At: ev.Time()}
	if v, ok := ev.Get("attributes"); ok {
		_ = json.Unmarshal(v, &q.Categories) // the schema has checked that it is a list of strings
	}
	a := state.May(q, reg, now)
	if a.Decision == consent.Allow {
		return nil
	}
	r := new(event.Refused)
	for _, reason := range a.Reasons {
		path := "/purpose"
		switch reason.Code {
		case consent.RecipientUnknown, consent.RecipientNotListed, consent.RecipientRemoved, consent.ContractMissing:
			path = "/recipient"
		case consent.CategoryNotDeclared:
			path = "/attributes"
		}
		r.Reasons = append(r.Reasons, event.Reason{Reason: reason.Code, Path: path, Hint: reason.Text})
	}
	return &deniedError{Refused: r, purpose: q.Purpose, recipient: q.Recipient}
}

// deniedError is a refusal that is an event too: somebody tried to pass on data.
type deniedError struct {
	*event.Refused
	purpose, recipient string
}

func (e *deniedError) Unwrap() error { return e.Refused }

// noteDenied records a refused attempt with the person it was about, an auditor
// asks for those as well, and returns the refusal. About strangers nothing is
// recorded, and what cannot be recorded does not turn the refusal into another
// error, except where the queue is full: then the request is to come again. The
// caller holds the stripe's lock.
func (l *Ledger) noteDenied(ctx context.Context, st *stripe, sub *subject, person string, refusal error, now time.Time) error {
	var denied *deniedError
	if !errors.As(refusal, &denied) || !sub.speculative.Known() {
		return refusal
	}
	var codes []string
	for _, r := range denied.Reasons {
		codes = append(codes, r.Reason)
	}
	ev, err := l.made(sub, now, map[string]any{
		"type": "processing.denied", "subject": person, "purpose": denied.purpose, "recipient": denied.recipient,
		"operation": "data.disclosed", "reasons": codes,
	})
	if err == nil {
		_, err = l.submitMade(ctx, st, sub, ev, now)
	}
	if errors.Is(err, log.ErrBusy) {
		return err
	}
	return refusal
}
