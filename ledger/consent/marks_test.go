package consent

import (
	"fmt"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

// mark1 is an event about holds, restrictions or suppression in full form.
func mark1(t *testing.T, day int, typ, more string) *event.Event {
	t.Helper()
	e, err := event.Parse([]byte(fmt.Sprintf(`{"type":%q,"id":"e-%d","subject":"p","event_time":"2026-03-%02dT00:00:00.000Z","_recorded":"2026-03-%02dT00:00:00.000Z"%s}`, typ, day, day, day+1, more)))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestMarks follows holds and restrictions through their life, and asks about days in
// between: what was on then, and what was known of it then.
func TestMarks(t *testing.T) {
	s := New()
	apply := func(e *event.Event) {
		t.Helper()
		next, err := s.Apply(e, 1)
		if err != nil {
			t.Fatal(err)
		}
		s = next
	}
	apply(mark1(t, 2, "hold.placed", `,"compartment":"chat","reason_iri":"eu-gdpr:JustificationA17LegallyRequired","review_at":"2026-09-01T00:00:00.000Z"`))
	apply(mark1(t, 4, "restriction.applied", `,"compartment":"*","ground":"unlawful"`))
	apply(mark1(t, 6, "suppression.requested", ``))
	apply(mark1(t, 8, "hold.released", `,"hold":"e-2"`))
	apply(mark1(t, 10, "suppression.lifted", ``))

	at := func(day int) time.Time { return time.Date(2026, 3, day, 12, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		state      *State
		holds      int
		suppressed bool
	}{
		{s.At(at(1)), 0, false}, {s.At(at(2)), 1, false}, {s.At(at(4)), 2, false}, {s.At(at(6)), 2, true},
		{s.At(at(8)), 1, true}, {s.At(at(10)), 1, false}, {s, 1, false},
		{s.KnownBy(at(8)), 2, true}, {s.KnownBy(at(9)), 1, true}, {nil, 0, false},
	} {
		if got := len(c.state.Holds()); got != c.holds || c.state.Suppressed() != c.suppressed {
			t.Errorf("%d holds, suppressed %v; want %d, %v", got, c.state.Suppressed(), c.holds, c.suppressed)
		}
	}
	h := s.At(at(4)).Holds()
	if h[0].Law() != "Art. 17(3)(b)" || h[1].Law() != "Art. 18(1)(b)" || fmt.Sprintf("%+v", h[0]) != "[hold compartment=chat Art. 17(3)(b)]" {
		t.Errorf("%v", h)
	}
	for _, c := range []struct {
		h                   Hold
		compartment, cohort string
		want                bool
	}{
		{h[0], "chat", "2026-03", true}, {h[0], "tax", "2026", false}, {h[1], "tax", "2026", true},
		{h[0], event.RightsRecords, "2026", true}, {h[0], event.RightsRecords, "2025", false},
	} {
		if c.h.Covers(c.compartment, c.cohort) != c.want {
			t.Errorf("%v covers %s %s: %v", c.h, c.compartment, c.cohort, !c.want)
		}
	}
	if s.Count() != 5 || !s.Known() {
		t.Errorf("%d events, known %v", s.Count(), s.Known())
	}

	for _, e := range []*event.Event{
		mark1(t, 12, "hold.released", `,"hold":"e-2"`), // over
		mark1(t, 12, "hold.released", `,"hold":"e-4"`), // a restriction
		mark1(t, 12, "suppression.lifted", ``),
	} {
		if _, err := s.Apply(e, 2); err == nil {
			t.Errorf("%s ends what is not on", e.Type())
		}
	}
	// Who only asked to be left alone is a stranger otherwise.
	alone, err := New().Apply(mark1(t, 6, "suppression.requested", ``), 1)
	if err != nil || alone.Known() {
		t.Errorf("known %v, %v", alone.Known(), err)
	}
}
