package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
)

// Recorded is what the ledger answers for one event that it recorded: the event
// is durable, integrated in the tree and covered by a signed checkpoint.
type Recorded struct {
	ID       string
	Type     string
	Purpose  string // empty where the event names none
	Index    uint64
	Leaf     merkle.Hash // leaf hash
	Recorded time.Time
	Replayed bool // the same request was recorded before; this is its first answer
	// Unchanged: the register says this already; nothing was recorded, and there
	// is no index.
	Unchanged bool
	Warnings  []event.Warning
}

// Record records a request in short or full form and waits until it is durable.
// One request may become several events, all or none. A refused request returns
// a *event.Refused and leaves nothing behind.
func (l *Ledger) Record(ctx context.Context, short *event.Event) ([]Recorded, error) {
	s, err := l.Submit(ctx, short)
	if err != nil {
		return nil, err
	}
	return s.Wait(ctx)
}

// Submit validates, seals and queues a request without waiting for the disk.
// Requests about one person are recorded in the order in which Submit returned.
// It waits only where the queue is full.
func (l *Ledger) Submit(ctx context.Context, short *event.Event) (*Submission, error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	if l.readOnly != nil {
		return nil, l.readOnly
	}
	if isRegister(short) {
		return l.submitRegister(ctx, short)
	}
	if governs(short.Type()) && short.Str("subject") != "" {
		return l.submitHold(ctx, short)
	}
	return l.submitPerson(ctx, short)
}

// submitPerson submits a request about a person.
func (l *Ledger) submitPerson(ctx context.Context, short *event.Event) (*Submission, error) {
	// Where the queue is full, what is sealed would be sealed in vain.
	if err := l.log.Room(ctx); err != nil {
		return nil, err
	}
	now := l.now()
	id := short.Str("id")
	mac := l.tree.ContentMAC(short.Canonical())
	person := short.Str("subject")
	if person == "" {
		// Fill lists this with everything else that is wrong with the event.
		_, _, err := event.Fill(l.fillContext(now, nil), short)
		if err == nil {
			err = errors.New("event names no subject")
		}
		return nil, err
	}

	stripe := l.subjects.stripe(person)
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	for try := 0; ; {
		s := newSubmission(id, mac, now)
		s.feed = feedOf(short)
		first, err := l.replay(ctx, s, person)
		if first != nil || err != nil {
			return first, err
		}
		err = l.submit(ctx, stripe, s, person, short)
		if err == nil {
			return s, nil
		}
		s.release()
		l.tags.unclaim(s)
		if try, err = stripe.again(ctx, l.log, person, err, try); err != nil {
			return nil, err
		}
	}
}

// submit fills, checks, seals and queues a request about a person. The caller holds
// the stripe's lock.
func (l *Ledger) submit(ctx context.Context, stripe *stripe, s *Submission, person string, short *event.Event) error {
	load := l.subject
	if ends(short) != "" {
		load = l.readableSubject
	}
	sub, err := load(ctx, stripe, person)
	if err != nil {
		return err
	}
	full, warnings, state, err := l.fill(l.register.Load(), sub.speculative, short, s.at)
	blind := err != nil && sub.mayEnd(short)
	if blind {
		state = sub.speculative
		full, warnings, err = event.Fill(l.fillContext(s.at, state), short)
	}
	if err != nil {
		return l.noteDenied(ctx, stripe, sub, person, err, s.at)
	}
	if err := l.seal(ctx, s, sub, full, state, s.at); err != nil {
		return err
	}
	for i := range s.answer {
		s.answer[i].Warnings = warnings
	}
	if blind {
		sub.noteBlind(state, short)
	}
	l.follow(stripe, sub, s, state)
	return nil
}

// fill fills the short form and applies the result to the person's state, which says
// whether the transition is allowed.
func (l *Ledger) fill(reg *event.Register, state *consent.State, short *event.Event, now time.Time) ([]*event.Event, []event.Warning, *consent.State, error) {
	full, warnings, err := event.Fill(event.Context{Now: now, Register: reg, Actor: l.actor, Facts: state}, short)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, ev := range full {
		if err := mayDisclose(reg, state, ev, now); err != nil {
			return nil, nil, nil, err
		}
		// The index is not known yet. It only breaks ties between equal times, and
		// what is recorded now comes after everything that is recorded.
		if state, err = state.ApplyRecorded(ev, unknownIndex, now); err != nil {
			return nil, nil, nil, err
		}
	}
	return full, warnings, state, nil
}

// replay answers a request whose id was seen: nil where it is new, and then the id
// is this request's. A request about no person is the organisation's.
func (l *Ledger) replay(ctx context.Context, s *Submission, person string) (*Submission, error) {
	id, mac := s.id, s.mac
	if id == "" {
		return nil, nil
	}
	s.tag = l.tags.of(id)
	e, found, same, err := l.tags.claim(ctx, s)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, nil
	}
	if !same {
		return nil, idConflict()
	}
	if e.pending != nil {
		return e.pending.again(), nil // attach to the request that is on its way
	}
	owner := organisation
	if person != "" {
		owner = personKey(person)
	}
	var out []Recorded
	for n := 1; ; n++ {
		part := id
		if n > 1 {
			part = fmt.Sprintf("%s/%d", id, n)
			if e, found, same, err = l.tags.find(ctx, l.tags.of(part), mac); err != nil {
				return nil, err
			}
			if !found || !same || e.pending != nil {
				break
			}
		}
		r := Recorded{ID: part, Index: e.index, Replayed: true}
		entry, err := l.entryUnder(ctx, owner, e.index)
		switch {
		case err == nil:
			r.Type, r.Purpose = entry.Event.Type(), entry.Event.Str("purpose")
			r.Recorded, r.Leaf = entry.Event.Recorded(), merkle.LeafHash(entry.leaf)
		case isErased(err): // erased since: the index is all there is to say
		default:
			return nil, err
		}
		out = append(out, r)
	}
	return &Submission{answer: out}, nil
}

func idConflict() error {
	return &event.Refused{Reasons: []event.Reason{{Reason: "id_conflict", Path: "/id", Hint: "another event was recorded under this id; send a new one under a new id"}}}
}

// unknownIndex stands for the index of an event that is not recorded yet.
const unknownIndex = math.MaxUint64

func isRegister(ev *event.Event) bool {
	t, ok := ev.Definition()
	return ok && t.Register()
}
