package consent

import (
	"slices"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

// Right is a right.requested.
type Right struct {
	ID    string // of the event
	Right string // A15, A17, …
	At    time.Time
	Due   time.Time
	Index uint64
}

// Rights returns the requests that the person made, in the order of recording.
func (s *State) Rights() []Right {
	if s == nil {
		return nil
	}
	out := make([]Right, len(s.rights))
	for i, r := range s.rights {
		out[i] = *r
	}
	return out
}

// right adds a request. Two of them take effect at once and need no decision: a
// withdrawal by the article (A7-3), and the objection to direct marketing
// (A21), after which the data may no longer be used for it (Art. 21(3)).
func (s *State) right(e *event.Event, x step) {
	r := &Right{ID: x.id, Right: e.Str("right"), At: fromMilli(x.at), Due: fromMilli(milli(e, "due")), Index: x.index}
	s.rights = append(slices.Clip(s.rights), r)
	purposes := e.ScopePurposes()
	switch r.Right {
	case "A7-3":
		x.kind = withdrawn
		if purposes == nil {
			purposes = []string{"*"}
		}
		for _, p := range purposes {
			s.stop(&stop{step: x, purpose: p})
		}
	case "A21":
		s.objects = append(slices.Clip(s.objects), &object{at: x.at, learnt: x.learnt, index: x.index, purposes: purposes})
	}
}
