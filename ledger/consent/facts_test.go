package consent

import (
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/ledger/event"
)

func apply(t testing.TB, s *State, index uint64, text string) *State {
	t.Helper()
	s, err := s.Apply(parse(t, text), index)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// asked is a consent.requested of an hour.
func asked(id, purpose, contact, token string, hour int) string {
	return fmt.Sprintf(`{"type":"consent.requested","id":%q,"purpose":%q,"channel":"email","contact":%q,"doi_token_sha256":%q,"event_time":%q,"doi_expires_at":%q,"form":{"id":"f","version":2},"notice":{"id":"n","version":3}}`,
		id, purpose, contact, token, event.FormatTime(at(hour)), event.FormatTime(at(hour+48)))
}

func TestFacts(t *testing.T) {
	s := apply(t, nil, 1, asked("q1", "a", "x", "t1", 0))
	s = apply(t, s, 2, asked("q2", "b", "x", "t1", 0))
	if got := s.ByToken("t1"); len(got) != 2 || got[0].Purpose != "a" || got[1].Purpose != "b" || got[0].Status != event.RequestOpen ||
		got[0].Form != (event.Ref{ID: "f", Version: 2}) || got[0].Notice != (event.Ref{ID: "n", Version: 3}) || !got[0].Expires.Equal(at(48)) || got[1].Index != 2 {
		t.Errorf("one token for two purposes: %d, %+v", len(got), got)
	}
	if s.ByToken("") != nil || s.ByToken("t9") != nil {
		t.Error("a token that nobody has")
	}
	if q, ok := s.OpenRequest("a", "email", ""); !ok || q.ID != "q1" {
		t.Errorf("the open request: %v", ok)
	}
	if _, ok := s.OpenRequest("a", "phone", ""); ok {
		t.Error("an open request in another channel")
	}
	s = apply(t, s, 3, asked("q3", "a", "y", "t3", 1))
	if _, ok := s.OpenRequest("a", "email", ""); ok {
		t.Error("one of two open requests")
	}
	if q, ok := s.OpenRequest("a", "email", "y"); !ok || q.ID != "q3" || q.Contact != "y" {
		t.Errorf("the open request of a contact: %v", ok)
	}
	if _, ok := s.ContactOf("a", "email"); ok || s.Consented("a", "email", "y") {
		t.Error("asked is not given")
	}
	const given = `{"type":"consent.given","purpose":"a","channel":"email","confirmed_by":"token"`
	s = apply(t, s, 4, given+`,"id":"g1","request":"q3","contact":"y","event_time":"2026-05-04T14:00:00Z"}`)
	if c, ok := s.ContactOf("a", "email"); !ok || c != "y" || !s.Consented("a", "email", "y") || !s.Consented("a", "email", "") || s.Consented("a", "email", "x") {
		t.Error("given at y is not seen there, or elsewhere")
	}
	if got := s.ByToken("t3"); got[0].Status != event.RequestSpent {
		t.Errorf("answered: %v", got[0].Status)
	}
	s = apply(t, s, 5, asked("q4", "a", "x", "t4", 3))
	for token, want := range map[string]event.RequestStatus{"t1": event.RequestSuperseded, "t4": event.RequestOpen, "t3": event.RequestSpent} {
		if got := s.ByToken(token); got[0].Status != want {
			t.Errorf("%s: %v, want %v", token, got[0].Status, want)
		}
	}
	s = apply(t, s, 6, given+`,"id":"g2","request":"q4","contact":"x","event_time":"2026-05-04T16:00:00Z"}`)
	if c, _ := s.ContactOf("a", "email"); c != "x" {
		t.Errorf("the newest contact is %s", c)
	}
	s = apply(t, s, 7, `{"type":"consent.withdrawn","purpose":"a","contact":"x","event_time":"2026-05-04T17:00:00Z"}`)
	if s.Consented("a", "email", "x") || !s.Consented("a", "email", "y") {
		t.Error("withdrawn at x is not seen there, or elsewhere")
	}
	s = apply(t, s, 8, `{"type":"consent.refused","purpose":"b","channel":"email","contact":"x","request":"q2","id":"r","event_time":"2026-05-04T17:00:00Z"}`)
	if got := s.ByToken("t1"); got[1].Status != event.RequestSpent {
		t.Errorf("refused: %v", got[1].Status)
	}
}

// TestExpiredRequest: what came after it expired did not answer it.
func TestExpiredRequest(t *testing.T) {
	s := apply(t, nil, 1, asked("q1", "a", "x", "t1", 0))
	s = apply(t, s, 2, fmt.Sprintf(`{"type":"consent.given","id":"g","purpose":"a","channel":"email","contact":"x","event_time":%q}`, event.FormatTime(at(49))))
	if got := s.ByToken("t1"); got[0].Status != event.RequestOpen || !got[0].Expires.Equal(at(48)) {
		t.Errorf("expired, then given without it: %v", got[0].Status)
	}
}

// TestNewestConsentCounts: of two contacts with consent the answer names the newer.
func TestNewestConsentCounts(t *testing.T) {
	p := newPerson(t)
	p.record(at(0), `"type":"consent.given","form":"simple","purpose":"newsletter","contact":"mailto:b@b.de"`)
	p.record(at(1), `"type":"consent.given","form":"simple","purpose":"newsletter","contact":"mailto:a@b.de"`)
	if a := p.s.May(Question{Purpose: "newsletter"}, p.r, at(2)); a.Contact != "mailto:a@b.de" || a.RestsOn[0].Index != 101 {
		t.Errorf("%v", a)
	}
	p.record(at(2), `"type":"consent.given","form":"simple","purpose":"newsletter","contact":"mailto:b@b.de"`)
	if a := p.s.May(Question{Purpose: "newsletter"}, p.r, at(3)); a.Contact != "mailto:b@b.de" || a.RestsOn[0].Index != 102 {
		t.Errorf("%v", a)
	}
}

// TestConsentWithoutContact: a withdrawal that names a contact ends it too.
func TestConsentWithoutContact(t *testing.T) {
	s := apply(t, nil, 1, `{"type":"consent.given","id":"g","purpose":"a","channel":"web","event_time":"2026-05-04T12:00:00Z"}`)
	if !s.Consented("a", "web", "") {
		t.Fatal("not given")
	}
	s = apply(t, s, 2, `{"type":"consent.withdrawn","purpose":"*","contact":"mailto:a@b.de","event_time":"2026-05-04T13:00:00Z"}`)
	if s.Consented("a", "web", "") {
		t.Error("still in force")
	}
}

func TestEnded(t *testing.T) {
	if _, ok := New().Ended(at(0)); ok {
		t.Error("nothing has ended")
	}
	s := apply(t, nil, 1, asked("q1", "a", "x", "t1", 0))
	if end, ok := s.Ended(at(1)); !ok || !end.Equal(at(0)) {
		t.Errorf("asked only: %v, %v", end, ok)
	}
	if end, ok := s.Ended(at(100)); !ok || !end.Equal(at(48)) {
		t.Errorf("never answered: %v, %v", end, ok)
	}
	s = apply(t, s, 2, `{"type":"consent.withdrawn","purpose":"*","event_time":"2026-05-04T17:00:00Z"}`)
	if end, ok := s.Ended(at(6)); !ok || !end.Equal(at(5)) {
		t.Errorf("withdrawn: %v, %v", end, ok)
	}
}

// TestEndedByPurpose: one consent in force does not keep the data of another.
func TestEndedByPurpose(t *testing.T) {
	s := apply(t, nil, 1, `{"type":"consent.given","id":"g1","purpose":"a","channel":"web","event_time":"2026-05-04T12:00:00Z"}`)
	s = apply(t, s, 2, `{"type":"consent.given","id":"g2","purpose":"b","channel":"web","event_time":"2026-05-04T12:00:00Z"}`)
	s = apply(t, s, 3, `{"type":"consent.withdrawn","purpose":"a","event_time":"2026-05-04T15:00:00Z"}`)
	if end, ok := s.Ended(at(9), "a"); !ok || !end.Equal(at(3)) || s.Active(at(9), "a") {
		t.Errorf("a: %v, %v", end, ok)
	}
	for _, purposes := range [][]string{nil, {"b"}, {"a", "b"}} {
		if _, ok := s.Ended(at(9), purposes...); ok || !s.Active(at(9), purposes...) {
			t.Errorf("%v has ended", purposes)
		}
	}
	if _, ok := s.Ended(at(9), "c"); ok {
		t.Error("a purpose nobody was asked about has ended")
	}
}
