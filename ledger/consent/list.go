package consent

import (
	"fmt"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

// Consent is the state of one track: what a person decided about a purpose for
// one channel and contact.
type Consent struct {
	Purpose, Channel, Contact string
	Status                    Status
	NoticeChanged             bool      // Expired because of a material version of the notice
	Since                     time.Time // of the event that led here
	ValidUntil                time.Time
	Form, Notice              event.Ref // of the last grant
	Request, Grant, Last      uint64    // log indexes; 0 where there is no such event
	Granted                   bool      // Grant says something, 0 being an index too
}

// Format prints nothing of the person.
func (c Consent) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "[consent purpose=%s channel=%s %s]", c.Purpose, c.Channel, c.Status)
}

// Consents returns the state of every track at a time, by purpose, channel and contact.
func (s *State) Consents(r *event.Register, now time.Time) []Consent {
	if s == nil {
		return nil
	}
	out := make([]Consent, 0, len(s.tracks))
	for _, t := range s.tracks {
		m := s.run(t, now.UnixMilli())
		c := Consent{Purpose: t.purpose, Channel: t.channel, Contact: t.contact, Status: m.status}
		if m.last != nil {
			c.Since, c.Last = fromMilli(m.last.at), m.last.index
		}
		if g := m.grant; g != nil {
			c.Granted, c.Grant, c.Form, c.Notice, c.ValidUntil = true, g.index, g.form, g.notice, fromMilli(g.expires)
			if n, replaced := r.Superseded(g.notice, now); replaced && m.status.Valid() {
				c.Status, c.NoticeChanged, c.Since = Expired, true, n.Since
			}
			for _, x := range t.steps {
				if x.kind == requested && x.id == g.request && x.id != "" {
					c.Request = x.index
				}
			}
		}
		out = append(out, c)
	}
	return out
}
