package ledger_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
)

// A reference is what a ledger has to know, kept in maps by rules of its own: it
// is told what was acknowledged and what is under way, and says what must be
// there, what must not, and what may.
type reference struct{ people map[string]*known }

// known is what was acknowledged about one person.
type known struct {
	live map[string]fact // by id
	gone map[uint64]string
	open []request // asked for and not answered, in their order
	// erasing is set while an erasure is under way: it is whole or not at all.
	erasing *erasing
}

// fact is one event.
type fact struct {
	id, kind, marker    string // marker is a text that only this event has
	compartment, cohort string
	index               uint64
	leaf                merkle.Hash
}

// request is one request with the events it becomes, all or none.
type request struct{ facts []fact }

// erasing is an erasure that was begun.
type erasing struct {
	everything bool
	day        time.Time // retention: everything that was due on this day
}

func newReference() *reference { return &reference{people: map[string]*known{}} }

func (r *reference) person(id string) *known {
	k := r.people[id]
	if k == nil {
		k = &known{live: map[string]fact{}, gone: map[uint64]string{}}
		r.people[id] = k
	}
	return k
}

func (r *reference) clone() *reference {
	c := newReference()
	for id, k := range r.people {
		n := &known{live: maps.Clone(k.live), gone: maps.Clone(k.gone), open: slices.Clone(k.open)}
		if k.erasing != nil {
			e := *k.erasing
			n.erasing = &e
		}
		c.people[id] = n
	}
	return c
}

// homes says where events of a purpose live, and how long by the month or year of
// the event: the test's own reading of the register in fixture_test.go.
var homes = map[string]struct{ compartment, cohort string }{
	"newsletter":   {"marketing", "month"},
	"own-products": {"marketing", "month"},
	"chat-service": {"chat", "month"},
	"invoices":     {"tax", "year"},
	"partner-mail": {"partner", ""},
	"membership":   {"member", ""},
}

// home returns the compartment and cohort of an event.
func home(kind, purpose string, at time.Time) (compartment, cohort string) {
	switch {
	case strings.HasPrefix(kind, "consent.") || strings.HasPrefix(kind, "notice."):
		return event.ConsentEvidence, ""
	case kind == "right.requested":
		return event.RightsRecords, at.UTC().Format("2006")
	}
	h := homes[purpose]
	switch h.cohort {
	case "month":
		return h.compartment, at.UTC().Format("2006-01")
	case "year":
		return h.compartment, at.UTC().Format("2006")
	}
	return h.compartment, ""
}

// kept says whether an ordinary erasure leaves a compartment.
func kept(compartment string) bool {
	return slices.Contains([]string{event.ConsentEvidence, event.RightsRecords, event.Suppression, "tax"}, compartment)
}

// due is the day from which the facts of a cohort may go, zero where that does
// not follow from the cohort.
func due(f fact) time.Time {
	year := func(years int) time.Time {
		t, _ := time.Parse("2006", f.cohort)
		return t.AddDate(years+1, 0, 0)
	}
	lastDay := func() time.Time {
		t, _ := time.Parse("2006-01", f.cohort)
		return t.AddDate(0, 1, -1)
	}
	switch f.compartment {
	case "tax":
		return year(8)
	case event.RightsRecords:
		return year(3)
	case "chat":
		return lastDay().AddDate(0, 0, 91)
	case "marketing":
		d := lastDay()
		two := time.Date(d.Year()+2, d.Month(), d.Day(), 0, 0, 0, 0, time.UTC)
		if two.Month() != d.Month() { // 29 February
			two = two.AddDate(0, 0, -1)
		}
		return two.AddDate(0, 0, 1)
	}
	return time.Time{}
}

// covers says whether an erasure takes a fact.
func (e *erasing) covers(f fact) bool {
	if !e.day.IsZero() {
		d := due(f)
		return !d.IsZero() && !d.After(e.day)
	}
	return e.everything || !kept(f.compartment)
}

// ask notes a request that is under way.
func (k *known) ask(r request) { k.open = append(k.open, r) }

// answer notes that the oldest request that is under way was answered; rec is nil
// where it was refused.
func (k *known) answer(rec []ledger.Recorded) error {
	r := k.open[0]
	k.open = slices.Delete(slices.Clone(k.open), 0, 1)
	if rec == nil {
		return nil
	}
	if len(rec) != len(r.facts) {
		return fmt.Errorf("a request of %d events became %d", len(r.facts), len(rec))
	}
	for i, f := range r.facts {
		f.id, f.index, f.leaf = rec[i].ID, rec[i].Index, rec[i].Leaf
		k.live[f.id] = f
	}
	return nil
}

// erased notes that the erasure under way was acknowledged.
func (k *known) erased() {
	for id, f := range k.live {
		if k.erasing.covers(f) {
			delete(k.live, id)
			k.gone[f.index] = f.compartment
		}
	}
	k.erasing = nil
}

// check compares a ledger with the reference, and settles what was under way: what
// is there of it now is there for good.
func (r *reference) check(ctx context.Context, l *ledger.Ledger) error {
	retired := map[bool]int{}
	for _, id := range slices.Sorted(maps.Keys(r.people)) {
		if err := r.people[id].check(ctx, l, id, retired); err != nil {
			return fmt.Errorf("a person: %w", err)
		}
	}
	if retired[true] > 0 && retired[false] > 0 {
		return fmt.Errorf("retention under way destroyed the keys of %d events and left those of %d", retired[true], retired[false])
	}
	return nil
}

func (k *known) check(ctx context.Context, l *ledger.Ledger, id string, retired map[bool]int) error {
	entries, err := l.Timeline(ctx, id)
	if err != nil && !isNotFound(err) {
		return err
	}
	there := map[string]ledger.Entry{}
	for _, e := range entries {
		there[e.Event.Str("id")] = e
	}
	gone := map[bool]int{}
	for id, f := range k.live {
		e, ok := there[id]
		if k.erasing != nil && k.erasing.covers(f) {
			gone[!ok]++
			if !ok {
				delete(k.live, id)
				k.gone[f.index] = f.compartment
			}
			if !k.erasing.day.IsZero() {
				retired[!ok]++
			}
		} else if !ok {
			return fmt.Errorf("an acknowledged %s (entry %d, compartment %s) is not there", f.kind, f.index, f.compartment)
		}
		if !ok {
			continue
		}
		if err := f.compare(e); err != nil {
			return err
		}
	}
	if gone[true] > 0 && gone[false] > 0 {
		return fmt.Errorf("an erasure that nobody acknowledged took %d events and left %d", gone[true], gone[false])
	}
	k.erasing = nil
	if err := k.settle(there); err != nil {
		return err
	}
	for index, compartment := range k.gone {
		if e, err := l.Get(ctx, index); !isErased(err) {
			return fmt.Errorf("entry %d of compartment %s was erased: %v, %v", index, compartment, e.Event, err)
		}
	}
	return nil
}

// settle decides about the requests that were not answered: a beginning of them
// was recorded, each whole. It also takes in what the ledger itself records.
func (k *known) settle(there map[string]ledger.Entry) error {
	byMarker := map[string]ledger.Entry{}
	for id, e := range there {
		if _, ok := k.live[id]; ok {
			continue
		}
		m := e.Event.Str("message_id")
		if m == "" {
			m = e.Event.Type()
			if m != "chain.asserted" && m != "consent.withdrawn" && m != "processing.denied" {
				return fmt.Errorf("entry %d, a %s, was never asked for", e.Index, m)
			}
			k.live[id] = factOf(e)
			continue
		}
		byMarker[m+"/"+e.Event.Str("purpose")] = e
	}
	open, missing := k.open, -1
	k.open = nil
	for i, r := range open {
		n := 0
		for _, f := range r.facts {
			if e, ok := byMarker[f.marker]; ok {
				delete(byMarker, f.marker)
				k.live[e.Event.Str("id")] = factOf(e)
				n++
			}
		}
		switch {
		case n == 0 && missing < 0:
			missing = i
		case n > 0 && missing >= 0:
			return fmt.Errorf("request %d of those under way was recorded, request %d before it was not", i, missing)
		case n > 0 && n < len(r.facts):
			return fmt.Errorf("a request of %d events is there with %d", len(r.facts), n)
		}
	}
	for _, e := range byMarker {
		return fmt.Errorf("entry %d, a %s in %s %s, was never asked for, or was erased (%q, expiry %d)", e.Index, e.Event.Type(), e.Compartment, e.Cohort, k.gone[e.Index], e.Expiry)
	}
	return nil
}

func factOf(e ledger.Entry) fact {
	return fact{
		id: e.Event.Str("id"), kind: e.Event.Type(), marker: e.Event.Str("message_id") + "/" + e.Event.Str("purpose"),
		compartment: e.Compartment, cohort: e.Cohort.String(), index: e.Index, leaf: ledger.LeafHashOf(e),
	}
}

// compare holds an entry to what was acknowledged. Its leaf is what the answer
// named, and the leaf binds the content.
func (f fact) compare(e ledger.Entry) error {
	got := factOf(e)
	if f.marker == "" {
		got.marker = ""
	}
	if got != f {
		return fmt.Errorf("entry %d: acknowledged as %s in %s %s at %d, is %s in %s %s", e.Index, f.kind, f.compartment, f.cohort, f.index, got.kind, got.compartment, got.cohort)
	}
	return nil
}
