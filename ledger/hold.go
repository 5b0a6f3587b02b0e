package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
)

// Held is one reason why data may not be erased now.
type Held struct {
	Compartment string // "" for every one
	Why         string // "held, Art. 17(3)(e)"
	Review      time.Time
}

// HeldError says that an erasure is refused because of holds. It names no case: a
// case number is in the event, for those who may read it.
type HeldError struct{ Holds []Held }

func (e *HeldError) Error() string {
	var parts []string
	for _, h := range e.Holds {
		part := "everything"
		if h.Compartment != "" {
			part = "compartment " + h.Compartment
		}
		part += " is " + h.Why
		if !h.Review.IsZero() {
			part += ", review on " + h.Review.Format("2006-01-02")
		}
		parts = append(parts, part)
	}
	return "nothing was erased: " + strings.Join(parts, "; ")
}

// Is makes a HeldError an [erasure.ErrHeld].
func (e *HeldError) Is(target error) bool { return target == erasure.ErrHeld }

// marks are what holds and restrictions ask of one key.
type marks struct {
	held, restricted bool
	review           uint16 // the first day on which somebody has to look, 0 for none
}

func marksOf(k keystore.KeyInfo) marks { return marks{k.Held, k.Restricted, k.Review} }

// marksFor is what the holds of a person ask of a key.
func marksFor(holds []consent.Hold, compartment string, cohort keystore.Cohort) (m marks) {
	for _, h := range holds {
		if !h.Covers(compartment, cohort.String()) {
			continue
		}
		m.held = m.held || !h.Restriction
		m.restricted = m.restricted || h.Restriction
		if day := reviewDay(h.Review); day != 0 && (m.review == 0 || day < m.review) {
			m.review = day
		}
	}
	return m
}

func reviewDay(t time.Time) uint16 {
	if t.IsZero() {
		return 0
	}
	day, ok := dayOf(t)
	if !ok {
		return 1<<16 - 1
	}
	return day
}

// covers says whether marks are at least as strict as others.
func (m marks) covers(o marks) bool {
	return (m.held || !o.held) && (m.restricted || !o.restricted)
}

// governs says whether an event changes what may be erased or used, so that no
// epoch may run while it is recorded.
func governs(typ string) bool {
	switch typ {
	case "hold.placed", "hold.released", "restriction.applied", "restriction.lifted":
		return true
	}
	return false
}

// ends returns the id of the hold or restriction that an event ends, "" where it ends none.
func ends(ev *event.Event) string {
	switch ev.Type() {
	case "hold.released":
		return ev.Str("hold")
	case "restriction.lifted":
		return ev.Str("restriction")
	}
	return ""
}

// mayEnd says whether an event can end a hold that cannot be read: it names one that is not
// among those that can be, on or over, and something about the person's rights is damaged.
func (s *subject) mayEnd(ev *event.Event) bool {
	id := ends(ev)
	return id != "" && !s.speculative.Marked(id) && unreadUnder(s.unread, event.RightsRecords)
}

// noteBlind remembers an end of a hold that is not in a state.
func (s *subject) noteBlind(state *consent.State, ev *event.Event) {
	if id := ends(ev); id != "" && !state.Marked(id) && !slices.Contains(s.blind, id) {
		s.blind = append(s.blind, id)
	}
}

// mayHold says whether something that cannot be read may be a hold that is on. Each
// of them is one hold at most, and so are the ends that name none of the others.
func (s *subject) mayHold() bool {
	n := 0
	for _, u := range s.unread {
		if u.Compartment == event.RightsRecords {
			n++
		}
	}
	return n > len(s.blind)
}

// submitHold records an event about a hold or a restriction and brings the flags of
// the person's keys in line with it, while no epoch runs: an erasure that has begun
// is over before the hold is recorded, and one that begins after it finds the flags.
//
// Crash order: the flags of a hold are set before its event, and those of a release
// cleared after it. If we stop between the two, keys are held too long and not too
// short; [Ledger.Fsck] names them, and the next hold, release or erasure of the person
// brings them in line.
//
// The end of a hold is recorded although something of the person is damaged, and be it
// the hold itself: nobody else could free their keys.
func (l *Ledger) submitHold(ctx context.Context, short *event.Event) (s *Submission, err error) {
	var more []consent.Hold
	if ends(short) == "" {
		full, _, err := l.Check(ctx, short)
		if err != nil {
			return nil, err
		}
		ev := full[0]
		more = append(more, consent.Hold{Restriction: ev.Type() == "restriction.applied", Compartment: ev.Str("compartment"), Since: ev.Time(), Review: instant(ev, "review_at")})
	}
	person := short.Str("subject")
	err = l.erasure.Exclusive(func() error {
		if len(more) > 0 {
			if err := l.align(ctx, person, more); err != nil {
				return err
			}
		}
		var failed error
		if s, failed = l.submitPerson(ctx, short); failed == nil {
			// The end of the context does not end this wait: keys and events have to agree.
			_, failed = s.Wait(context.WithoutCancel(ctx))
		}
		return errors.Join(failed, l.align(context.WithoutCancel(ctx), person, nil))
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func instant(ev *event.Event, name string) time.Time {
	t, err := event.ParseTime(ev.Str(name))
	if err != nil {
		return time.Time{}
	}
	return t
}

// align brings the flags of a person's keys in line with the holds that are recorded,
// and with more that are about to be. The caller is in [erasure.Engine.Exclusive].
func (l *Ledger) align(ctx context.Context, person string, more []consent.Hold) error {
	l.keeper.flush() // what was found earlier does not come after what is found now
	changes, erasing, err := l.misaligned(ctx, person, more)
	if err != nil {
		return err
	}
	if erasing {
		return errErasing
	}
	if len(changes) == 0 {
		return nil
	}
	if err := l.tree.Update(ctx, changes...); err != nil {
		if overtaken(err) {
			return errErasing
		}
		return fmt.Errorf("marking keys as held: %w", err)
	}
	return nil
}

// mend is align where nothing is about to be recorded and no lock is held: a crash may
// have come between flags and events. A key that is being erased is past mending.
func (l *Ledger) mend(ctx context.Context, person string) error {
	var unread []Unread
	if err := l.readable(ctx, person, func(sub *subject) { unread = sub.unread }); err != nil || len(unread) > 0 {
		return err // where something is damaged, the flags say more than the events
	}
	if changes, _, err := l.misaligned(ctx, person, nil); err != nil || len(changes) == 0 {
		return err
	}
	return l.erasure.Exclusive(func() error { return l.align(ctx, person, nil) })
}

// misaligned lists what has to change so that the flags of a person's keys are what
// the recorded holds and more ask for. A key that is being erased cannot change;
// erasing says that there is one whose flags are others. Where a hold may be among what
// cannot be read, flags are set and not cleared.
func (l *Ledger) misaligned(ctx context.Context, person string, more []consent.Hold) (changes []keystore.Change, erasing bool, _ error) {
	var holds []consent.Hold
	mayHold := false
	if err := l.readable(ctx, person, func(sub *subject) { holds, mayHold = sub.speculative.Holds(), sub.mayHold() }); err != nil {
		return nil, false, err
	}
	holds = append(holds, more...)
	keys, err := l.tree.Keys(ctx, personKey(person))
	if err != nil {
		return nil, false, fmt.Errorf("looking up the keys of a subject: %w", err)
	}
	for _, k := range keys {
		want := marksFor(holds, k.Compartment, k.Cohort)
		if have := marksOf(k); mayHold && !want.covers(have) {
			want = marks{want.held || have.held, want.restricted || have.restricted, cmp.Or(want.review, have.review)}
		}
		switch {
		case want == marksOf(k):
		case k.State == keystore.Erasing:
			erasing = true
		default:
			changes = append(changes, keystore.Change{Ref: k.Ref, Held: &want.held, Restricted: &want.restricted, Review: &want.review})
		}
	}
	return changes, erasing, nil
}

// PersonHold is a hold of somebody.
type PersonHold struct {
	Subject string
	consent.Hold
}

// HoldList is which holds and restrictions are on, and what may be missing from it.
type HoldList struct {
	Holds []PersonHold
	// Unread is what cannot be read of where holds and restrictions are recorded: each may be
	// one of them, or the end of one.
	Unread []Unread
	// Missing names key pages that are lost, with what the people on them have.
	Missing []string
}

// Holds returns the holds and restrictions of a person that are on.
func (l *Ledger) Holds(ctx context.Context, person string) (*HoldList, error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	list := new(HoldList)
	return list, l.holdsOf(ctx, person, list)
}

func (l *Ledger) holdsOf(ctx context.Context, person string, list *HoldList) error {
	return l.readable(ctx, person, func(sub *subject) {
		for _, h := range sub.speculative.Holds() {
			list.Holds = append(list.Holds, PersonHold{person, h})
		}
		for _, u := range sub.unread {
			if u.Compartment == event.RightsRecords {
				list.Unread = append(list.Unread, u)
			}
		}
	})
}

// AllHolds returns every hold and restriction that is on, of everybody: it walks the
// keys and reads the events of those that are marked.
func (l *Ledger) AllHolds(ctx context.Context) (*HoldList, error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	marked := make(map[string][]keystore.KeyInfo)
	err := l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		// Every hold marks the key under which it is sealed, so this finds them all.
		if (k.Held || k.Restricted) && k.Compartment == event.RightsRecords {
			marked[personTag(k)] = append(marked[personTag(k)], k)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := new(HoldList)
	if list.Missing, err = l.tree.MissingPages(ctx); err != nil {
		return nil, err
	}
	for _, keys := range marked {
		person, unread, err := l.whose(ctx, keys)
		if err == nil && person != "" {
			// The release of a hold may lie under a key that is not marked.
			err = l.holdsOf(ctx, person, list)
		} else {
			list.Unread = append(list.Unread, unread...)
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// whose returns whose some keys are, which their events say, and what of them cannot be read. Where
// that is all of them, or the keys are gone by now, it is not known whose they are.
func (l *Ledger) whose(ctx context.Context, keys []keystore.KeyInfo) (person string, unread []Unread, _ error) {
	v := l.view()
	defer v.Close()
	_, err := l.eachLiving(ctx, keys, func(k keystore.KeyInfo, lease *keystore.Lease) error {
		_, parts, err := l.foldUnder(ctx, v, lease)
		for _, p := range parts {
			switch {
			case p.damage != nil:
				unread = append(unread, Unread{p.index, k.Compartment, k.Cohort.String(), p.damage})
			case p.event != nil && person == "":
				person = p.event.Str("subject")
			}
		}
		return err
	})
	return person, unread, err
}

// heldWhy says in words what a hold is.
func heldWhy(h consent.Hold) string {
	if h.Restriction {
		return "restricted, " + h.Law()
	}
	return "held, " + h.Law()
}

// heldKey lists what stands against destroying a key.
func (l *Ledger) heldKey(k keystore.KeyInfo, holds []consent.Hold) (held []Held) {
	for _, h := range holds {
		if h.Restriction || !h.Covers(k.Compartment, k.Cohort.String()) {
			continue
		}
		x := Held{Compartment: k.Compartment, Why: heldWhy(h), Review: h.Review}
		if h.Compartment == event.Everywhere {
			x.Compartment = ""
		}
		held = append(held, x)
	}
	if h, ok := l.preserved(k.Compartment); ok {
		held = append(held, h)
	}
	if k.Held && len(held) == 0 {
		held = append(held, Held{Compartment: k.Compartment, Why: "held, and no event says why: run lacuna fsck"})
	}
	return held
}

// compactHeld leaves out what is said twice, because a compartment has several keys.
func compactHeld(held []Held) (out []Held) {
	for _, h := range held {
		if !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

// reason is why a part stays, as the certificate says it.
func (p *PlanLine) reason() string {
	if p.Held && !p.Review.IsZero() {
		return p.Why + ", review on " + p.Review.Format(time.DateOnly)
	}
	return p.Why
}

// preserved returns the order that keeps a compartment, whoever it is about.
func (l *Ledger) preserved(compartment string) (Held, bool) {
	p, ok := l.register.Load().Preserved(compartment)
	if !ok {
		return Held{}, false
	}
	h := Held{Why: "preserved by order, " + consent.Hold{Ground: p.Ground}.Law(), Review: p.Review}
	if p.Compartments != nil {
		h.Compartment = compartment
	}
	return h, true
}

// Guard refuses to destroy keys that an order to preserve covers, whatever the flags of
// the keys say: somebody may have taken them away. The holds of a person are not looked
// at here; they stand in the flags, which the engine checks itself.
func (e erasureLedger) Guard(_ context.Context, keys []keystore.KeyInfo) error {
	var held []Held
	seen := make(map[string]bool)
	for _, k := range keys {
		if seen[k.Compartment] {
			continue
		}
		seen[k.Compartment] = true
		if h, ok := e.l.preserved(k.Compartment); ok {
			held = append(held, h)
		}
	}
	if len(held) > 0 {
		return &HeldError{Holds: held}
	}
	return nil
}

// keepMarks sets flags that a crash lost, and those of keys that were made while the
// hold was placed. It never clears any.
func (l *Ledger) keepMarks(keys []keystore.KeyInfo, state *consent.State) {
	holds := state.Holds()
	if l.readOnly != nil || len(holds) == 0 {
		return
	}
	for _, k := range keys {
		want := marksFor(holds, k.Compartment, k.Cohort)
		if have := marksOf(k); k.State != keystore.Erasing && !have.covers(want) {
			l.keeper.mark(k.Ref, marks{have.held || want.held, have.restricted || want.restricted, want.review})
		}
	}
}
