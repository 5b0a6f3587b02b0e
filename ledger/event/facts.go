package event

import "time"

// Ref names one version of something in the register.
type Ref struct {
	ID      string
	Version int
}

// RequestStatus is what became of a consent.requested.
type RequestStatus uint8

const (
	RequestOpen       RequestStatus = iota // waiting for an answer; whether it has expired is a matter of time
	RequestSpent                           // answered
	RequestSuperseded                      // a newer request took its place, or the person withdrew
)

// Request is a consent.requested as later events need it.
type Request struct {
	ID      string // of the event
	Purpose string
	Channel string
	Contact string // normalised; "" if there was none
	Form    Ref
	Notice  Ref
	Expires time.Time // of the token; zero without double opt-in
	Status  RequestStatus
	Index   uint64 // in the log
}

// String tells nothing of the person.
func (r Request) String() string { return "[request]" }

// GoString tells nothing of the person.
func (r Request) GoString() string { return "[request]" }

// Facts is what Fill has to know about what was recorded of one person before.
// consent.State implements it; nil stands for a person of whom nothing is known.
// Implementations are read by one goroutine at a time.
type Facts interface {
	// Known says whether anything is recorded about the person besides
	// withdrawals that came while nothing else was.
	Known() bool
	// ByToken returns the requests whose token has this SHA-256, in hex: one
	// for each purpose that was asked about, in the order of recording.
	ByToken(sha256 string) []Request
	// OpenRequest returns the request that waits for an answer for a purpose, a
	// channel and a contact ("" for any, if there is only one).
	OpenRequest(purpose, channel, contact string) (Request, bool)
	// ContactOf returns the contact of the consent, in force or not, that was
	// last given for a purpose through a channel.
	ContactOf(purpose, channel string) (contact string, ok bool)
	// Consented says whether consent is in force, as far as events tell, for a
	// purpose, a channel and a contact.
	Consented(purpose, channel, contact string) bool
}

// nobody is a person of whom nothing is known.
type nobody struct{}

func (nobody) Known() bool                                        { return false }
func (nobody) ByToken(string) []Request                           { return nil }
func (nobody) OpenRequest(_, _, _ string) (r Request, found bool) { return r, false }
func (nobody) ContactOf(_, _ string) (contact string, found bool) { return "", false }
func (nobody) Consented(_, _, _ string) bool                      { return false }
