package ledger

import (
	"encoding/json"
	"time"

	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
)

// mayDisclose refuses a data.disclosed that May would not allow, with May's own
// reasons: data is not passed on first and excused afterwards.
func (l *Ledger) mayDisclose(state *consent.State, ev *event.Event, now time.Time) error {
	if ev.Type() != "data.disclosed" {
		return nil
	}
	q := consent.Question{Purpose: ev.Str("purpose"), Recipient: ev.Str("recipient"), At: ev.Time()}
	if v, ok := ev.Get("attributes"); ok {
		_ = json.Unmarshal(v, &q.Categories) // the schema has checked that it is a list of strings
	}
	a := state.May(q, l.register.Load(), now)
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
	return r
}
