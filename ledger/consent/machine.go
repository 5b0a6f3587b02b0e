package consent

import (
	"math"

	"github.com/lacunalog/lacuna/ledger/event"
)

// Status is the state of a consent.
type Status uint8

const (
	Unknown Status = iota
	Requested
	Pending // requested with double opt-in, the link not opened yet
	Given
	Renewed // given again
	Refused
	Withdrawn
	Expired // by the clock, or because a material version of the notice replaced the one shown
)

var statusNames = [...]string{"unknown", "requested", "pending", "given", "renewed", "refused", "withdrawn", "expired"}

func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "unknown"
}

// IRI returns the term of the W3C Data Privacy Vocabulary. DPV has no term of
// its own for the time between the two steps of double opt-in.
func (s Status) IRI() string {
	terms := [...]string{"ConsentUnknown", "ConsentRequested", "ConsentRequested", "ConsentGiven", "RenewedConsentGiven",
		"ConsentRefused", "ConsentWithdrawn", "ConsentExpired"}
	if int(s) >= len(terms) {
		s = Unknown
	}
	return "https://w3id.org/dpv#" + terms[s]
}

// Valid says whether processing may rest on it.
func (s Status) Valid() bool { return s == Given || s == Renewed }

// machine is the state of one track on its way through its history.
type machine struct {
	status Status
	open   *step // the request that waits for an answer
	grant  *step // of Given and Renewed, and of Expired
	last   *step // the step that led here
}

// noClock is the clock of a fold whose end is the last event, not a time.
const noClock = math.MinInt64

// tick lets the clock reach a time.
func (m *machine) tick(now int64) {
	if now == noClock {
		return
	}
	if m.open != nil && m.open.expires != 0 && now > m.open.expires {
		m.open = nil
		if m.status == Pending {
			m.status = Unknown
		}
	}
	if m.status.Valid() && m.grant.expires != 0 && now >= m.grant.expires {
		m.status = Expired
	}
}

// refusal says why a step does not fit; "" if it does.
func (m *machine) refusal(x *step) string {
	switch x.kind {
	case requested:
		if m.status.Valid() && !newer(x.notice, m.grant.notice) {
			return "consent is given already; ask again when it ends, or with a new version of the notice"
		}
	case given:
		switch {
		case x.confirmed && (m.open == nil || m.open.id != x.request):
			return "the request that it confirms is not open"
		case !x.confirmed && m.status == Pending:
			return "a double opt-in is open: the token of the link confirms it"
		}
	case refused:
		if m.status.Valid() && m.open == nil {
			return "consent is given: send consent.withdrawn"
		}
	}
	return ""
}

// newer says whether a request shows something that the grant did not: another
// notice, or a later version.
func newer(asked, granted event.Ref) bool {
	return asked.ID != granted.ID || asked.Version > granted.Version
}

// apply moves to the state after a step. A step that does not fit is passed over.
func (m *machine) apply(x *step) {
	m.tick(x.at)
	if m.refusal(x) != "" {
		return
	}
	m.last = x
	switch x.kind {
	case requested:
		m.open = x
		switch {
		case m.status.Valid():
		case x.token != "":
			m.status = Pending
		default:
			m.status = Requested
		}
	case given:
		if m.status.Valid() {
			m.status = Renewed
		} else {
			m.status = Given
		}
		m.grant, m.open = x, nil
	case refused:
		m.status, m.grant, m.open = Refused, nil, nil
	case withdrawn:
		m.status, m.grant, m.open = Withdrawn, nil, nil
	}
}

// run folds the whole history of a track and lets the clock reach a time.
func (s *State) run(t *track, now int64) machine {
	var m machine
	s.history(t, m.apply)
	m.tick(now)
	return m
}
