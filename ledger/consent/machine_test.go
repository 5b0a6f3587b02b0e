package consent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger/event"
)

// full makes a full event of the purpose newsletter, channel email, contact a@b.de.
func full(t testing.TB, typ string, hour int, more string) *event.Event {
	t.Helper()
	if more != "" {
		more = "," + more
	}
	return parse(t, fmt.Sprintf(`{"type":%q,"id":"e%d","purpose":"newsletter","channel":"email","contact":"mailto:a@b.de","event_time":%q%s}`,
		typ, hour, event.FormatTime(at(hour)), more))
}

// Histories that lead to each state at hour 10, and one event at that hour.
var histories = map[string][]func(testing.TB) *event.Event{
	"unknown":   nil,
	"requested": {step1("consent.requested", 1, `"notice":{"id":"n","version":1}`)},
	"pending":   {step1("consent.requested", 1, `"notice":{"id":"n","version":1},"doi_token_sha256":"t1","doi_expires_at":"2026-05-06T12:00:00Z"`)},
	"pending, too late": {
		step1("consent.requested", 1, `"notice":{"id":"n","version":1},"doi_token_sha256":"t1","doi_expires_at":"2026-05-04T21:59:59Z"`)},
	"given":   {step1("consent.given", 1, `"notice":{"id":"n","version":1}`)},
	"renewed": {step1("consent.given", 1, `"notice":{"id":"n","version":1}`), step1("consent.given", 2, `"notice":{"id":"n","version":1}`)},
	"given, asked again": {
		step1("consent.given", 1, `"notice":{"id":"n","version":1}`),
		step1("consent.requested", 2, `"notice":{"id":"n","version":2},"doi_token_sha256":"t2","doi_expires_at":"2026-05-06T12:00:00Z"`)},
	"refused": {step1("consent.refused", 1, ``)},
	"refused, when asked": {
		step1("consent.requested", 1, `"notice":{"id":"n","version":1},"doi_token_sha256":"t1","doi_expires_at":"2026-05-06T12:00:00Z"`),
		step1("consent.refused", 2, `"request":"e1"`)},
	"withdrawn": {step1("consent.given", 1, ``), step1("consent.withdrawn", 2, ``)},
	"expired":   {step1("consent.given", 1, `"valid_until":"2026-05-04T21:00:00Z"`)},
}

func step1(typ string, hour int, more string) func(testing.TB) *event.Event {
	return func(t testing.TB) *event.Event { return full(t, typ, hour, more) }
}

// TestTransitions is the table of the package comment: from every state, every event.
func TestTransitions(t *testing.T) {
	const refusedNow = "bad_transition"
	events := map[string]func(testing.TB) *event.Event{
		"request":         step1("consent.requested", 10, `"notice":{"id":"n","version":1}`),
		"request, doi":    step1("consent.requested", 10, `"notice":{"id":"n","version":1},"doi_token_sha256":"t9","doi_expires_at":"2026-05-09T12:00:00Z"`),
		"request, newer":  step1("consent.requested", 10, `"notice":{"id":"n","version":3}`),
		"given":           step1("consent.given", 10, `"notice":{"id":"n","version":1}`),
		"confirmed":       step1("consent.given", 10, `"notice":{"id":"n","version":1},"request":"e1","confirmed_by":"token"`),
		"confirmed, e2":   step1("consent.given", 10, `"notice":{"id":"n","version":2},"request":"e2","confirmed_by":"token"`),
		"refused":         step1("consent.refused", 10, ``),
		"withdrawn":       step1("consent.withdrawn", 10, ``),
		"withdrawn, all":  withdrawal(`"purpose":"*"`),
		"stop by channel": withdrawal(`"purpose":"*","channel":"email"`),
		"stop elsewhere":  withdrawal(`"purpose":"*","channel":"phone"`),
	}
	want := map[string]map[string]string{
		"unknown": {"request": "requested", "request, doi": "pending", "request, newer": "requested", "given": "given", "confirmed": refusedNow,
			"confirmed, e2": refusedNow, "refused": "refused", "withdrawn": "withdrawn", "withdrawn, all": "withdrawn", "stop by channel": "withdrawn", "stop elsewhere": "unknown"},
		"requested": {"request": "requested", "request, doi": "pending", "request, newer": "requested", "given": "given", "confirmed": "given",
			"confirmed, e2": refusedNow, "refused": "refused", "withdrawn": "withdrawn", "withdrawn, all": "withdrawn", "stop by channel": "withdrawn", "stop elsewhere": "requested"},
		"pending": {"request": "requested", "request, doi": "pending", "request, newer": "requested", "given": refusedNow, "confirmed": "given",
			"confirmed, e2": refusedNow, "refused": "refused", "withdrawn": "withdrawn", "withdrawn, all": "withdrawn", "stop by channel": "withdrawn", "stop elsewhere": "pending"},
		"pending, too late": {"request": "requested", "request, doi": "pending", "request, newer": "requested", "given": "given", "confirmed": "token_expired",
			"confirmed, e2": refusedNow, "refused": "refused", "withdrawn": "withdrawn", "withdrawn, all": "withdrawn", "stop by channel": "withdrawn", "stop elsewhere": "unknown"},
		"given": {"request": refusedNow, "request, doi": refusedNow, "request, newer": "given", "given": "renewed", "confirmed": refusedNow,
			"confirmed, e2": refusedNow, "refused": refusedNow, "withdrawn": "withdrawn", "withdrawn, all": "withdrawn", "stop by channel": "withdrawn", "stop elsewhere": "given"},
		"renewed": {"request": refusedNow, "request, doi": refusedNow, "request, newer": "renewed", "given": "renewed", "confirmed": refusedNow,
			"confirmed, e2": refusedNow, "refused": refusedNow, "withdrawn": "withdrawn", "withdrawn, all": "withdrawn", "stop by channel": "withdrawn", "stop elsewhere": "renewed"},
		"given, asked again": {"request": refusedNow, "request, doi": refusedNow, "request, newer": "given", "given": "renewed", "confirmed": refusedNow,
			"confirmed, e2": "renewed", "refused": "refused", "withdrawn": "withdrawn", "withdrawn, all": "withdrawn", "stop by channel": "withdrawn", "stop elsewhere": "given"},
		"refused": {"request": "requested", "request, doi": "pending", "request, newer": "requested", "given": "given", "confirmed": refusedNow,
			"confirmed, e2": refusedNow, "refused": "refused", "withdrawn": "withdrawn", "withdrawn, all": "withdrawn", "stop by channel": "withdrawn", "stop elsewhere": "refused"},
		"refused, when asked": {"request": "requested", "request, doi": "pending", "request, newer": "requested", "given": "given", "confirmed": refusedNow,
			"confirmed, e2": refusedNow, "refused": "refused", "withdrawn": "withdrawn", "withdrawn, all": "withdrawn", "stop by channel": "withdrawn", "stop elsewhere": "refused"},
		"withdrawn": {"request": "requested", "request, doi": "pending", "request, newer": "requested", "given": "given", "confirmed": refusedNow,
			"confirmed, e2": refusedNow, "refused": "refused", "withdrawn": "withdrawn", "withdrawn, all": "withdrawn", "stop by channel": "withdrawn", "stop elsewhere": "withdrawn"},
		"expired": {"request": "requested", "request, doi": "pending", "request, newer": "requested", "given": "given", "confirmed": refusedNow,
			"confirmed, e2": refusedNow, "refused": "refused", "withdrawn": "withdrawn", "withdrawn, all": "withdrawn", "stop by channel": "withdrawn", "stop elsewhere": "expired"},
	}
	for from, history := range histories {
		if len(want[from]) != len(events) {
			t.Fatalf("from %s: %d of %d events are tested", from, len(want[from]), len(events))
		}
		for name, make := range events {
			s := New()
			var err error
			for i, h := range history {
				if s, err = s.Apply(h(t), uint64(i)); err != nil {
					t.Fatalf("making %s: %v", from, err)
				}
			}
			got := ""
			next, err := s.Apply(make(t), 10)
			if err != nil {
				got = code(err)
				next = s
			} else {
				got = statusAt(next, 10)
			}
			if got != want[from][name] {
				t.Errorf("%s, then %s: %s, want %s", from, name, got, want[from][name])
			}
			if err != nil && strings.Contains(err.Error(), "a@b.de") {
				t.Errorf("%s, then %s: the refusal tells the contact", from, name)
			}
		}
		if before, _, _ := strings.Cut(from, ","); from != "pending, too late" {
			s := New()
			for i, h := range history {
				s, _ = s.Apply(h(t), uint64(i))
			}
			if got := statusAt(s, 10); got != before {
				t.Errorf("history %s leads to %s", from, got)
			}
		}
	}
}

func withdrawal(members string) func(testing.TB) *event.Event {
	return func(t testing.TB) *event.Event {
		return parse(t, `{"type":"consent.withdrawn","id":"w","event_time":"`+event.FormatTime(at(10))+`",`+members+`}`)
	}
}

func statusAt(s *State, hour int) string {
	m := s.run(&track{purpose: "newsletter", channel: "email", contact: "mailto:a@b.de", steps: steps(s)}, at(hour).UnixMilli())
	return m.status.String()
}

func steps(s *State) []*step {
	if t := s.track("newsletter", "email", "mailto:a@b.de"); t != nil {
		return t.steps
	}
	return nil
}

// TestSameEvent: the same event again changes no track.
func TestSameEvent(t *testing.T) {
	s, err := New().Apply(full(t, "consent.given", 1, ``), 7)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Apply(full(t, "consent.given", 1, ``), 8)
	if err != nil || statusAt(again, 2) != "given" || len(steps(again)) != 1 {
		t.Errorf("the same event again: %s, %v", statusAt(again, 2), err)
	}
}

func TestApplyRefusesOthers(t *testing.T) {
	for _, line := range []string{
		`{"type":"purpose.declared","event_time":"2026-05-04T12:00:00Z"}`,
		`{"type":"erasure.epoch","event_time":"2026-05-04T12:00:00Z"}`,
		`{"type":"nothing","event_time":"2026-05-04T12:00:00Z"}`,
		`{"type":"consent.withdrawn"}`,
	} {
		if _, err := New().Apply(parse(t, line), 1); err == nil {
			t.Errorf("%s: applied", line)
		}
	}
}

func TestStatus(t *testing.T) {
	for s := Unknown; s <= Expired; s++ {
		if s.String() == "" || !strings.HasPrefix(s.IRI(), "https://w3id.org/dpv#") {
			t.Errorf("status %d: %s, %s", s, s, s.IRI())
		}
	}
	if Status(99).String() != "unknown" || Status(99).IRI() != Unknown.IRI() || Status(99).Valid() {
		t.Error("a status that does not exist")
	}
}
