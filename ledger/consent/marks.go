package consent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

// A mark is a hold, a restriction or a suppression: something that begins with one
// event and ends with another. Marks are never changed.
type mark struct {
	kind        markKind
	id          string // of the event that began it
	compartment string // of holds and restrictions; "*" for every one
	ground      string // reason_iri of a hold, ground of a restriction
	review      int64
	at, learnt  int64
	index       uint64
	end         int64 // event_time of its end, 0 while it is on
	endLearnt   int64
}

type markKind uint8

const (
	hold markKind = iota
	restriction
	suppression
)

// Hold is a hold or a restriction that is on.
type Hold struct {
	ID          string // of the event, by which it is released
	Restriction bool   // Art. 18; else a hold, Art. 17(3)
	Compartment string // "*" for every one
	Ground      string
	Since       time.Time
	Review      time.Time // zero for a restriction without one
	Index       uint64
}

// Covers says whether keys of a compartment and cohort are meant: those that the
// hold names, and the one that the hold itself is sealed under, without which
// nobody could say why the others stay.
func (h Hold) Covers(compartment, cohort string) bool {
	return h.Compartment == event.Everywhere || h.Compartment == compartment ||
		compartment == event.RightsRecords && cohort == h.Since.UTC().Format("2006")
}

// Law is the article that the hold or the restriction rests on.
func (h Hold) Law() string {
	if h.Restriction {
		return "Art. 18(1)(" + map[string]string{"accuracy": "a", "unlawful": "b", "claims": "c", "objection": "d"}[h.Ground] + ")"
	}
	letters := map[string]string{"LegallyRequired": "b", "OfficialAuthority": "b", "PublicHealth": "c", "Archiving": "d", "LegalClaims": "e", "FreedomOfExpression": "a"}
	return "Art. 17(3)(" + letters[strings.TrimPrefix(h.Ground, "eu-gdpr:JustificationA17")] + ")"
}

// Format prints nothing of the person.
func (h Hold) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "[hold compartment=%s %s]", h.Compartment, h.Law())
}

// Holds returns the holds and restrictions that are on, in the order in which they
// were recorded.
func (s *State) Holds() []Hold {
	if s == nil {
		return nil
	}
	var out []Hold
	for _, m := range s.marks {
		if m.kind != suppression && m.end == 0 {
			out = append(out, Hold{m.id, m.kind == restriction, m.compartment, m.ground, fromMilli(m.at), fromMilli(m.review), m.index})
		}
	}
	return out
}

// Marked says whether a hold, a restriction or a suppression has this id, and be it over.
func (s *State) Marked(id string) bool {
	return s != nil && slices.ContainsFunc(s.marks, func(m *mark) bool { return m.id == id })
}

// Suppressed says whether the person asked to be left alone and has not taken it back.
func (s *State) Suppressed() bool {
	return s != nil && slices.ContainsFunc(s.marks, func(m *mark) bool { return m.kind == suppression && m.end == 0 })
}

// mark begins or ends a hold, a restriction or a suppression.
func (s *State) mark(e *event.Event, x step) error {
	switch e.Type() {
	case "hold.placed":
		s.begin(&mark{kind: hold, compartment: e.Str("compartment"), ground: e.Str("reason_iri"), review: milli(e, "review_at")}, x)
	case "restriction.applied":
		s.begin(&mark{kind: restriction, compartment: e.Str("compartment"), ground: e.Str("ground"), review: milli(e, "review_at")}, x)
	case "suppression.requested":
		if !s.Suppressed() { // asked twice is asked once
			s.begin(&mark{kind: suppression}, x)
		}
	case "hold.released":
		return s.endMark(hold, e.Str("hold"), x, "/hold", "no hold of this person that is on has this id")
	case "restriction.lifted":
		return s.endMark(restriction, e.Str("restriction"), x, "/restriction", "no restriction of this person that is on has this id")
	case "suppression.lifted":
		return s.endMark(suppression, "", x, "/type", "the person is not suppressed")
	}
	return nil
}

func (s *State) begin(m *mark, x step) {
	m.id, m.at, m.learnt, m.index = x.id, x.at, x.learnt, x.index
	s.marks = append(slices.Clip(s.marks), m)
}

func (s *State) endMark(k markKind, id string, x step, path, hint string) error {
	i := slices.IndexFunc(s.marks, func(m *mark) bool { return m.kind == k && m.end == 0 && (m.id == id || k == suppression) })
	if i < 0 {
		return event.Refuse(event.BadTransition, path, hint)
	}
	ended := *s.marks[i]
	ended.end, ended.endLearnt = max(x.at, ended.at), x.learnt
	s.marks = slices.Clone(s.marks)
	s.marks[i] = &ended
	return nil
}

// keptMarks are the marks of a state as it was: see filter.
func keptMarks(marks []*mark, keep func(at, learnt int64) bool) (out []*mark) {
	for _, m := range marks {
		switch {
		case !keep(m.at, m.learnt):
		case m.end != 0 && !keep(m.end, m.endLearnt):
			on := *m
			on.end, on.endLearnt = 0, 0
			out = append(out, &on)
		default:
			out = append(out, m)
		}
	}
	return out
}

// restricted: data whose processing is restricted is stored and nothing else, but
// for what the person has consented to since (Art. 18(2)). The other exceptions of
// that article are judged by people, not here.
func (k *asker) restricted() {
	for _, m := range k.s.marks {
		if m.kind == restriction && m.end == 0 && (m.compartment == event.Everywhere || m.compartment == k.p.Compartment) && !k.consentedSince(m.at) {
			k.against(Deny, Restricted, "since "+fromMilli(m.at).Format("2006-01-02"))
			return
		}
	}
}

// suppressed: whoever asked to be left alone gets no advertising, and nothing that
// rests on consent or on a legitimate interest, until they lift it or consent anew.
func (k *asker) suppressed() {
	switch k.p.LegalBasis {
	case "A6-1-a", "A6-1-f":
	default:
		if !k.p.Advertising {
			return
		}
	}
	for _, m := range k.s.marks {
		if m.kind == suppression && m.end == 0 && !k.consentedSince(m.at) {
			k.against(Deny, Suppressed, "since "+fromMilli(m.at).Format("2006-01-02"))
			return
		}
	}
}

// consentedSince says whether the person has consented to the purpose after a time,
// and the consent is in force.
func (k *asker) consentedSince(at int64) (again bool) {
	k.s.tracksOf(k.q.Purpose, k.q.Channel, k.q.Contact, func(t *track) bool {
		m := k.s.run(t, k.now.UnixMilli())
		again = m.status.Valid() && m.grant.at > at
		return !again
	})
	return again
}
