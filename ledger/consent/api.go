package consent

import (
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

// State is what is known of one person. A nil State knows nothing.
// States are immutable: Apply returns a new one.
type State struct{}

func (s *State) Apply(e *event.Event, index uint64) (*State, error) { return s, nil }

type Decision uint8

const (
	Gap Decision = iota // not declared: never an allow; the zero value is not allow
	Deny
	Allow
)

type Question struct {
	Purpose    string
	Channel    string
	Contact    string
	Recipient  string
	Operation  string
	Categories []string
	At         time.Time // zero: now
}

type Reason struct{ Code, Text string }

type Rest struct {
	Index uint64
	What  string
}

type Answer struct {
	Decision   Decision
	Basis      string // A6-1-a
	Reasons    []Reason
	RestsOn    []Rest
	ValidUntil time.Time // zero: no end in sight
	Then       *Answer   // as known at Question.At, where it differs from what is known now
}

func (s *State) May(q Question, r *event.Register, now time.Time) Answer { return Answer{} }
func (s *State) MarshalBinary() ([]byte, error)                          { return nil, nil }
func UnmarshalState(b []byte) (*State, error)                            { return &State{}, nil }

// event.Facts
func (s *State) Known() bool                                           { return false }
func (s *State) ByToken(sha256 string) []event.Request                 { return nil }
func (s *State) OpenRequest(_, _, _ string) (r event.Request, ok bool) { return }
func (s *State) ContactOf(_, _ string) (contact string, ok bool)       { return }
func (s *State) Consented(_, _, _ string) bool                         { return false }
