package consent

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/lacunalog/lacuna/ledger/event"
	"pgregory.net/rapid"
)

// TestTally: events that are only counted may be applied together, in any order among
// the others, and make the state that all of them make one after the other.
func TestTally(t *testing.T) {
	lines := []string{
		`"type":"communication.sent","purpose":"newsletter","channel":"email"`,
		`"type":"communication.sent","purpose":"own-similar-products","channel":"email"`,
		`"type":"processing.performed","purpose":"newsletter","operation":"segment"`,
		`"type":"data.collected","purpose":"newsletter","channel":"email","source":"subject","categories":["Name"]`,
		`"type":"data.collected","purpose":"newsletter","channel":"paper","source":"subject","categories":["Name"]`,
		`"type":"consent.withdrawn","purpose":"newsletter","channel":"email"`,
	}
	counted := 0
	rapid.Check(t, func(rt *rapid.T) {
		p := newPerson(t)
		var events []*event.Event
		for range rapid.IntRange(1, 12).Draw(rt, "events") {
			when := at(rapid.IntRange(0, 40).Draw(rt, "hour"))
			c := event.Context{Now: when, Register: p.r, Facts: p.s, NewID: func() string { return "id" }}
			full, _, err := event.Fill(c, parse(t, `{"subject":"c-2",`+rapid.SampledFrom(lines).Draw(rt, "line")+`}`))
			if err != nil {
				rt.Fatal(err)
			}
			events = append(events, full...)
		}
		var one, together *State
		var run Tally
		for i, e := range events {
			var err error
			if one, err = one.Apply(e, uint64(i)); err != nil {
				rt.Fatal(err)
			}
			if next, ok := TallyOf(e); ok {
				counted++
				both, ok := run.With(next)
				if !ok {
					together = together.ApplyTally(run)
					both = next
				}
				run = both
				continue
			}
			if together, err = together.Apply(e, uint64(i)); err != nil {
				rt.Fatal(err)
			}
		}
		together = together.ApplyTally(run)
		a, _ := one.MarshalBinary()
		b, _ := together.MarshalBinary()
		if !bytes.Equal(a, b) {
			rt.Fatalf("applied together they make another state:\n%x\n%x", a, b)
		}
		want := make(map[string]use)
		for _, e := range events {
			if e.Type() == "consent.withdrawn" {
				continue
			}
			u, seen := want[e.Str("purpose")]
			if at := e.Time().UnixMilli(); seen {
				u.first, u.last = min(u.first, at), max(u.last, at)
			} else {
				u.first, u.last = at, at
			}
			u.purpose = e.Str("purpose")
			u.count++
			want[u.purpose] = u
		}
		for _, u := range one.uses {
			if u != want[u.purpose] {
				rt.Fatalf("counted %+v, want %+v", u, want[u.purpose])
			}
		}
		if len(one.uses) != len(want) || one.Count() != uint64(len(events)) {
			rt.Fatalf("%d purposes and %d events, want %d and %d", len(one.uses), one.Count(), len(want), len(events))
		}
	})
	if !reflect.DeepEqual(undecided, decisive{}) {
		t.Error("one person's events came to everybody of whom nothing is recorded")
	}
	if counted == 0 {
		t.Fatal("no event was counted: this shows nothing")
	}
}

// TestTallySays: what decides something is never counted alone.
func TestTallySays(t *testing.T) {
	p := newPerson(t)
	for line, want := range map[string]bool{
		`"type":"communication.sent","purpose":"newsletter","channel":"email"`:                                      true,
		`"type":"consent.withdrawn","purpose":"newsletter","channel":"email"`:                                       false,
		`"type":"data.collected","purpose":"newsletter","channel":"paper","source":"subject","categories":["Name"]`: false,
	} {
		c := event.Context{Now: at(1), Register: p.r, Facts: p.s, NewID: func() string { return "id" }}
		full, _, err := event.Fill(c, parse(t, `{"subject":"c-2",`+line+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := TallyOf(full[0]); ok != want {
			t.Errorf("%s is only counted: %v", line, ok)
		}
	}
	if _, ok := (Tally{}).With(Tally{}); ok {
		t.Error("two tallies that say nothing say something together")
	}
}
