package consent

import (
	"github.com/lacunalog/lacuna/ledger/event"
)

// A Tally is what some events of one purpose do to a state that they are only counted
// in. Most events are of this kind: data was used, and nobody asks whether it might be.
// The zero Tally says nothing.
type Tally struct {
	Purpose     string
	Count       uint64
	First, Last int64 // event_time of the first and the last of them, milliseconds since 1970
}

// TallyOf returns the tally of one event in full form, and false where it does more to
// a state than to be counted.
func TallyOf(e *event.Event) (Tally, bool) {
	switch e.Type() {
	case "processing.performed", "communication.sent":
	case "data.collected":
		if event.Offline(e.Str("channel")) {
			return Tally{}, false
		}
	default:
		return Tally{}, false
	}
	at := e.Time()
	if at.IsZero() {
		return Tally{}, false
	}
	return Tally{Purpose: e.Str("purpose"), Count: 1, First: at.UnixMilli(), Last: at.UnixMilli()}, true
}

// With returns the tally of the events of both, and false where they are not of one
// purpose.
func (t Tally) With(x Tally) (Tally, bool) {
	if t.Purpose != x.Purpose || t.Count == 0 || x.Count == 0 {
		return Tally{}, false
	}
	return Tally{Purpose: t.Purpose, Count: t.Count + x.Count, First: min(t.First, x.First), Last: max(t.Last, x.Last)}, true
}

// ApplyTally returns the state after the events of a tally, as Apply of each of them
// would. They have no place in time among other events: what fits, or what is known at
// a time, does not depend on them.
func (s *State) ApplyTally(t Tally) *State {
	if t.Count == 0 {
		return s
	}
	next := s.copy()
	next.use(t.Purpose, t.First, t.Last, t.Count)
	if next.count == 0 || t.Last > next.last {
		next.last = t.Last
	}
	next.count += t.Count
	next.other += t.Count
	return next
}

// copy returns a state to be changed, which shares what is changed by copying it.
func (s *State) copy() *State {
	if s == nil {
		return New()
	}
	next := new(State)
	*next = *s
	if len(s.uses) == 1 {
		next.only[0] = s.uses[0]
		next.uses = next.only[:]
	}
	return next
}
