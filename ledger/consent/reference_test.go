package consent

import (
	"bytes"
	"fmt"
	"sort"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
	"pgregory.net/rapid"
)

// The reference knows nothing of tracks, sharing or insertion. It keeps the list
// of events as they came, and for every question sorts it and walks it, by the
// words of the package comment.
type reference struct {
	events []refEvent
}

type refEvent struct {
	typ, id, purpose, channel, contact string
	request                            string
	confirmed, doi                     bool
	at, learnt                         time.Time
	expires                            time.Time
	notice                             int
	index                              uint64
}

func (e refEvent) rank() int {
	return map[string]int{"consent.requested": 0, "consent.given": 1, "consent.refused": 2, "consent.withdrawn": 3}[e.typ]
}

// concerns says whether an event is about a purpose, channel and contact.
func (e refEvent) concerns(purpose, channel, contact string) bool {
	if e.typ != "consent.withdrawn" {
		return e.purpose == purpose && e.channel == channel && e.contact == contact
	}
	if e.purpose != "*" && e.purpose != purpose {
		return false
	}
	if e.channel != "" && e.channel != channel {
		return false
	}
	return e.contact == "" || contact == "" || e.contact == contact
}

// walk returns the state at a time, and whether the last event that is walked
// over (extra, if there is one) fits.
func (r *reference) walk(purpose, channel, contact string, until time.Time, extra *refEvent) (state string, granted refEvent, fits bool) {
	list := append([]refEvent(nil), r.events...)
	if extra != nil {
		list = append(list, *extra)
	}
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i], list[j]
		if !a.at.Equal(b.at) {
			return a.at.Before(b.at)
		}
		if a.rank() != b.rank() {
			return a.rank() < b.rank()
		}
		return a.index < b.index
	})
	state = "unknown"
	var open *refEvent
	clock := func(now time.Time) {
		if open != nil && open.doi && now.After(open.expires) {
			open = nil
			if state == "pending" {
				state = "unknown"
			}
		}
		if (state == "given" || state == "renewed") && !granted.expires.IsZero() && !now.Before(granted.expires) {
			state = "expired"
		}
	}
	for i := range list {
		e := list[i]
		if !e.concerns(purpose, channel, contact) || e.at.After(until) {
			continue
		}
		clock(e.at)
		inForce := state == "given" || state == "renewed"
		ok := true
		switch e.typ {
		case "consent.requested":
			switch {
			case inForce && e.notice > granted.notice:
				open = &list[i]
			case inForce:
				ok = false
			case e.doi:
				state, open = "pending", &list[i]
			default:
				state, open = "requested", &list[i]
			}
		case "consent.given":
			if e.confirmed {
				ok = open != nil && open.id == e.request
			} else {
				ok = state != "pending"
			}
			if ok {
				if inForce {
					state = "renewed"
				} else {
					state = "given"
				}
				granted, open = e, nil
			}
		case "consent.refused":
			if inForce && open == nil {
				ok = false
			} else {
				state, open, granted = "refused", nil, refEvent{}
			}
		case "consent.withdrawn":
			state, open, granted = "withdrawn", nil, refEvent{}
		}
		if extra != nil && e.id == extra.id {
			return state, granted, ok
		}
	}
	clock(until)
	return state, granted, true
}

var (
	refPurposes = []string{"newsletter", "yearly"}
	refChannels = []string{"email", "chat"}
	refContacts = []string{"x", "y"}
)

// drawEvent draws an event; few times and names, so that things meet.
func drawEvent(t *rapid.T, n int, soFar []refEvent) refEvent {
	e := refEvent{
		typ:     rapid.SampledFrom([]string{"consent.requested", "consent.requested", "consent.given", "consent.given", "consent.refused", "consent.withdrawn"}).Draw(t, "type"),
		id:      fmt.Sprintf("e%d", n),
		purpose: rapid.SampledFrom(refPurposes).Draw(t, "purpose"),
		channel: rapid.SampledFrom(refChannels).Draw(t, "channel"),
		contact: rapid.SampledFrom(refContacts).Draw(t, "contact"),
		at:      at(rapid.IntRange(0, 12).Draw(t, "hour")),
		notice:  rapid.IntRange(1, 3).Draw(t, "notice"),
		index:   uint64(n),
	}
	e.learnt = at(20 + n)
	switch e.typ {
	case "consent.requested":
		if e.doi = rapid.Bool().Draw(t, "doi"); e.doi {
			e.expires = e.at.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "life")) * time.Hour)
		}
	case "consent.given":
		if rapid.Bool().Draw(t, "ends") {
			e.expires = e.at.Add(time.Duration(rapid.IntRange(1, 8).Draw(t, "validity")) * time.Hour)
		}
		// Half of them confirm a request that there was, sometimes a wrong one.
		var requests []refEvent
		for _, q := range soFar {
			if q.typ == "consent.requested" {
				requests = append(requests, q)
			}
		}
		if len(requests) > 0 && rapid.Bool().Draw(t, "confirms") {
			q := rapid.SampledFrom(requests).Draw(t, "request")
			e.request, e.confirmed = q.id, true
			if rapid.IntRange(0, 4).Draw(t, "elsewhere") > 0 {
				e.purpose, e.channel, e.contact = q.purpose, q.channel, q.contact
			}
		}
	case "consent.withdrawn":
		if rapid.Bool().Draw(t, "everything") {
			e.purpose = "*"
		}
		if rapid.Bool().Draw(t, "every channel") {
			e.channel = ""
		}
		if rapid.Bool().Draw(t, "every contact") {
			e.contact = ""
		}
	}
	return e
}

func (e refEvent) event(t testing.TB) *event.Event {
	var ms []event.Member
	set := func(name, value string) {
		if value != "" {
			ms = append(ms, event.Member{Name: name, Value: []byte(fmt.Sprintf("%q", value))})
		}
	}
	set("type", e.typ)
	set("id", e.id)
	set("purpose", e.purpose)
	set("channel", e.channel)
	set("contact", e.contact)
	set("request", e.request)
	set("event_time", event.FormatTime(e.at))
	set("_recorded", event.FormatTime(e.learnt))
	if e.confirmed {
		set("confirmed_by", "token")
	}
	if e.doi {
		set("doi_token_sha256", fmt.Sprintf("%064x", e.index))
		set("doi_expires_at", event.FormatTime(e.expires))
	} else if !e.expires.IsZero() {
		set("valid_until", event.FormatTime(e.expires))
	}
	ms = append(ms, event.Member{Name: "notice", Value: []byte(fmt.Sprintf(`{"id":"privacy-de","version":%d}`, e.notice))})
	out, err := event.New(ms...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestReference: over random histories with late, equal and conflicting events
// the fold accepts, refuses and answers like the reference; a withdrawal is
// never refused; earlier states do not change.
func TestReference(t *testing.T) {
	r := testRegister(t)
	rapid.Check(t, func(rt *rapid.T) {
		s, ref := New(), &reference{}
		type kept struct {
			s     *State
			bytes []byte
		}
		var before []kept
		for n := range rapid.IntRange(1, 25).Draw(rt, "events") {
			e := drawEvent(rt, n, ref.events)
			b, _ := s.MarshalBinary()
			before = append(before, kept{s, b})
			next, err := s.Apply(e.event(t), e.index)
			fits := true
			if e.typ != "consent.withdrawn" {
				_, _, fits = ref.walk(e.purpose, e.channel, e.contact, e.at, &e)
			}
			if (err == nil) != fits {
				rt.Fatalf("event %d, %s: %v, the reference says it fits: %v", n, e.typ, err, fits)
			}
			if err != nil {
				if c := code(err); c != "bad_transition" && c != "token_expired" {
					rt.Fatalf("event %d refused with %s", n, c)
				}
				continue
			}
			s = next
			ref.events = append(ref.events, e)
		}
		compare(rt, s, ref, r)
		for i, k := range before {
			if b, _ := k.s.MarshalBinary(); !bytes.Equal(b, k.bytes) {
				rt.Fatalf("the state before event %d changed", i)
			}
		}
	})
}

func compare(t *rapid.T, s *State, ref *reference, r *event.Register) {
	for _, purpose := range refPurposes {
		for _, channel := range refChannels {
			anyContact := make(map[int]bool)
			for _, contact := range refContacts {
				for hour := 0; hour <= 24; hour += 3 {
					now := at(hour)
					past := s.At(now)
					state, granted, _ := ref.walk(purpose, channel, contact, now, nil)
					tr := past.track(purpose, channel, contact)
					if tr == nil {
						tr = &track{purpose: purpose, channel: channel, contact: contact}
					}
					if m := past.run(tr, now.UnixMilli()); m.status.String() != state {
						t.Fatalf("%s/%s/%s at hour %d is %s, the reference says %s", purpose, channel, contact, hour, m.status, state)
					}
					a := s.May(Question{Purpose: purpose, Channel: channel, Contact: contact, At: now}, r, at(100))
					inForce := state == "given" || state == "renewed"
					anyContact[hour] = anyContact[hour] || inForce
					if (a.Decision == Allow) != inForce || a.Decision == Gap {
						t.Fatalf("%s/%s/%s at hour %d: %v, the reference says %s", purpose, channel, contact, hour, a, state)
					}
					if inForce && a.RestsOn[len(a.RestsOn)-1].Index != granted.index && a.RestsOn[0].Index != granted.index {
						t.Fatalf("rests on %v, the reference says %d", a.RestsOn, granted.index)
					}
					then := &reference{}
					for _, e := range ref.events {
						if !e.learnt.After(now) {
							then.events = append(then.events, e)
						}
					}
					was, _, _ := then.walk(purpose, channel, contact, now, nil)
					if wasInForce := was == "given" || was == "renewed"; (a.Then != nil) != (wasInForce != inForce) {
						t.Fatalf("%s/%s/%s at hour %d: then %v, the reference says %s and now %s", purpose, channel, contact, hour, a.Then, was, state)
					}
				}
			}
			for hour, want := range anyContact {
				a := s.May(Question{Purpose: purpose, Channel: channel, At: at(hour)}, r, at(100))
				if (a.Decision == Allow) != want {
					t.Fatalf("%s/%s at hour %d: %v, the reference says %v", purpose, channel, hour, a, want)
				}
			}
		}
	}
}

// TestWithdrawalIsNeverRefused: from whatever state, whatever it names, through
// Fill and Apply; and what it covers is withdrawn then.
func TestWithdrawalIsNeverRefused(t *testing.T) {
	r := testRegister(t)
	text := rapid.OneOf(rapid.SampledFrom([]string{"newsletter", "newsleter", "*", "email", "chat", "x", "mailto:a@b.de", "tel:+49711", "", "2026-05-04T12:00:00Z",
		"2036-05-04T12:00:00Z", "1999-12-31T23:59:59Z", "simple", "simple@7"}), rapid.StringN(0, 40, 100))
	rapid.Check(t, func(rt *rapid.T) {
		s := New()
		var soFar []refEvent
		for n := range rapid.IntRange(0, 12).Draw(rt, "events") {
			e := drawEvent(rt, n, soFar)
			if next, err := s.Apply(e.event(t), e.index); err == nil {
				s, soFar = next, append(soFar, e)
			}
		}
		ms := []event.Member{{Name: "type", Value: []byte(`"consent.withdrawn"`)}, {Name: "subject", Value: []byte(`"c-2"`)}}
		for _, name := range []string{"purpose", "channel", "contact", "event_time", "form"} {
			if rapid.Bool().Draw(rt, name) {
				e, err := event.New()
				if err != nil {
					rt.Fatal(err)
				}
				v, _ := e.WithString(name, text.Draw(rt, "value")).Get(name)
				ms = append(ms, event.Member{Name: name, Value: v})
			}
		}
		// And anything else that somebody may send along.
		for _, name := range []string{"id", "reason", "evidence", "actor", "late", "schema", "token", "decisions", "_seq", "test", "message_id", "notice"} {
			if rapid.IntRange(0, 3).Draw(rt, name) == 0 {
				v := rapid.SampledFrom([]string{`""`, `"x"`, `7`, `null`, `true`, `false`, `{}`, `[]`, `["x"]`, `{"id":"e-1","role":"admin"}`, `{"id":7}`}).Draw(rt, "value")
				ms = append(ms, event.Member{Name: name, Value: []byte(v)})
			}
		}
		short, err := event.New(ms...)
		if err != nil {
			rt.Fatal(err)
		}
		now := at(rapid.IntRange(0, 30).Draw(rt, "now"))
		full, _, err := event.Fill(event.Context{Now: now, Register: r, Facts: s}, short)
		if err != nil {
			rt.Fatalf("%s: %v", short.Canonical(), err)
		}
		if err := event.CheckFull(full[0]); err != nil {
			rt.Fatalf("%s: %v", full[0].Canonical(), err)
		}
		next, err := s.Apply(full[0], 99)
		if err != nil {
			rt.Fatalf("%s: %v", full[0].Canonical(), err)
		}
		w := next.stops[len(next.stops)-1]
		for _, x := range next.stops {
			if x.index == 99 {
				w = x
			}
		}
		past := next.At(fromMilli(w.at))
		for _, tr := range past.tracks {
			if m := past.run(tr, w.at); w.covers(tr.purpose, tr.channel, tr.contact) && m.status.Valid() {
				rt.Fatalf("%s leaves %s/%s in force", full[0].Canonical(), tr.purpose, tr.channel)
			}
		}
	})
}
