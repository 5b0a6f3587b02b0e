package consent

import (
	"slices"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

var _ event.Facts = (*State)(nil)

// Known says whether anything is recorded besides withdrawals.
func (s *State) Known() bool { return s != nil && s.other > 0 }

// ByToken returns the requests with the token whose SHA-256 this is, in hex.
func (s *State) ByToken(sha256 string) []event.Request {
	if s == nil || sha256 == "" {
		return nil
	}
	var out []event.Request
	for _, t := range s.tracks {
		for _, x := range t.steps {
			if x.kind == requested && x.token == sha256 {
				out = insert(out, s.request(t, x), func(a, b event.Request) int {
					switch {
					case a.Index < b.Index:
						return -1
					case a.Index > b.Index:
						return 1
					}
					return 0
				})
			}
		}
	}
	return out
}

// request describes a step of a track and what became of it.
func (s *State) request(t *track, x *step) event.Request {
	q := event.Request{ID: x.id, Purpose: t.purpose, Channel: t.channel, Contact: t.contact,
		Form: x.form, Notice: x.notice, Expires: fromMilli(x.expires), Index: x.index, Status: event.RequestSuperseded}
	var m machine
	s.history(t, func(y *step) {
		was := m.open
		m.apply(y)
		switch {
		case m.open == x:
			q.Status = event.RequestOpen
		case was != x:
		case x.expires != 0 && y.at > x.expires:
			// The clock closed it before this step: expired, not answered.
		case y.kind == given || y.kind == refused:
			q.Status = event.RequestSpent
		default:
			q.Status = event.RequestSuperseded
		}
	})
	return q
}

// OpenRequest returns the request that waits for an answer.
func (s *State) OpenRequest(purpose, channel, contact string) (q event.Request, ok bool) {
	if s == nil {
		return q, false
	}
	several := false
	s.tracksOf(purpose, channel, contact, func(t *track) bool {
		if m := s.run(t, noClock); m.open != nil {
			several, ok = ok, true
			q = s.request(t, m.open)
		}
		return !several
	})
	if several {
		return event.Request{}, false
	}
	return q, ok
}

// ContactOf returns the contact of the consent last given.
func (s *State) ContactOf(purpose, channel string) (contact string, ok bool) {
	if s == nil {
		return "", false
	}
	var newest *step
	s.tracksOf(purpose, channel, "", func(t *track) bool {
		for _, x := range t.steps {
			if x.kind == given && t.contact != "" && (newest == nil || order(newest, x) < 0) {
				newest, contact = x, t.contact
			}
		}
		return true
	})
	return contact, newest != nil
}

// Consented says whether consent is in force as far as events tell; the clock
// and the register may know better.
func (s *State) Consented(purpose, channel, contact string) bool {
	if s == nil {
		return false
	}
	found := false
	s.tracksOf(purpose, channel, contact, func(t *track) bool {
		found = s.run(t, noClock).status.Valid()
		return !found
	})
	return found
}

// Active says whether a consent of the person is in force at a time, as far as
// events and their validity tell: any consent, or one for the purposes named.
func (s *State) Active(now time.Time, purposes ...string) bool {
	if s == nil {
		return false
	}
	for _, t := range s.tracks {
		if among(t.purpose, purposes) && s.run(t, now.UnixMilli()).status.Valid() {
			return true
		}
	}
	return false
}

// Ended returns when the last consent of the person ended, of all or of those
// for the purposes named: what a retention counts from whose anchor is the
// withdrawal. It is not ok while one is in force or if there never was any event
// about consent. An unanswered request ends with its token, or, without one,
// when it was made.
func (s *State) Ended(now time.Time, purposes ...string) (time.Time, bool) {
	if s == nil || s.Active(now, purposes...) {
		return time.Time{}, false
	}
	var end int64
	found := false
	for _, x := range s.stops {
		if x.purpose == "*" || among(x.purpose, purposes) {
			end, found = max(end, x.at), true
		}
	}
	for _, t := range s.tracks {
		if !among(t.purpose, purposes) {
			continue
		}
		for _, x := range t.steps {
			end, found = max(end, x.at), true
			if x.expires != 0 && x.expires <= now.UnixMilli() {
				end = max(end, x.expires)
			}
		}
	}
	return fromMilli(end), found
}

// among says whether a purpose is one of those named; none named stands for all.
func among(purpose string, purposes []string) bool {
	return len(purposes) == 0 || slices.Contains(purposes, purpose)
}
