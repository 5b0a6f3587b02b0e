package consent

import "github.com/lacunalog/lacuna/ledger/event"

// Placed reports whether a state remembers where in the log an event is. Where it
// does not, applying the event before its index is known and after gives the same
// state, so a caller that has done the one may spare the other.
//
// It may say yes for an event of which nothing is remembered, but never no for one
// of which something is.
func Placed(e *event.Event) bool {
	switch e.Type() {
	case "processing.performed", "communication.sent":
		return false // counted by purpose, nothing else
	}
	return true
}
