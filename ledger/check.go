package ledger

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
)

// Check returns the full form of a request as it would be sealed now, and records
// nothing.
func (l *Ledger) Check(ctx context.Context, short *event.Event) ([]*event.Event, []event.Warning, error) {
	c, err := l.Checker().check(ctx, short)
	return c.Full, c.Warnings, err
}

// A Checker says what the ledger would make of requests that come one after the other, and
// records nothing: what one of them declares or changes counts for those behind it. It
// remembers the state of everybody whom they are about. What it cannot know is which
// entry a form would become, so full forms that refer to one leave that out; and it does not
// look at how far the source of a request was read before.
type Checker struct {
	l      *Ledger
	reg    *event.Register           // with what was declared; nil as long as nothing was
	states map[string]*consent.State // by person
	ids    map[string][16]byte       // content MACs
}

// Checker returns a Checker that has seen nothing yet.
func (l *Ledger) Checker() *Checker {
	return &Checker{l: l, states: make(map[string]*consent.State), ids: make(map[string][16]byte)}
}

// Checked is what would become of a request.
type Checked struct {
	Full     []*event.Event // as it would be sealed; empty where nothing would be recorded
	Warnings []event.Warning
	Replayed bool // it was recorded before, or checked
}

// Check is as that of a [Ledger], for the next of several requests. A refused one leaves
// nothing behind.
func (c *Checker) Check(ctx context.Context, short *event.Event) (Checked, error) {
	id, mac := short.Str("id"), c.l.tree.ContentMAC(short.Canonical())
	if before, same, err := c.replay(ctx, id, mac); before || err != nil {
		if err == nil && !same {
			err = idConflict()
		}
		return Checked{Replayed: err == nil}, err
	}
	r, err := c.check(ctx, short)
	if err == nil && id != "" && len(r.Full) > 0 {
		c.ids[id] = mac
	}
	return r, err
}

// replay says whether a request's id was seen, and with the same content.
func (c *Checker) replay(ctx context.Context, id string, mac [16]byte) (before, same bool, err error) {
	if id == "" {
		return false, false, nil
	}
	if seen, ok := c.ids[id]; ok {
		return true, subtle.ConstantTimeCompare(seen[:], mac[:]) == 1, nil
	}
	if err := c.l.gate.enter(); err != nil {
		return false, false, err
	}
	defer c.l.gate.leave()
	_, before, same, err = c.l.tags.find(ctx, c.l.tags.of(id), mac)
	return before, same, err
}

func (c *Checker) check(ctx context.Context, short *event.Event) (r Checked, err error) {
	if err := c.l.gate.enter(); err != nil {
		return r, err
	}
	defer c.l.gate.leave()
	now, reg, person := c.l.now(), c.reg, short.Str("subject")
	if reg == nil {
		reg = c.l.register.Load()
	}
	if isRegister(short) || person == "" {
		return c.declare(reg, short, now)
	}
	state := c.states[person]
	if state == nil {
		if state, err = c.l.speculative(ctx, person); err != nil {
			return r, err
		}
	}
	r.Full, r.Warnings, state, err = c.l.fill(reg, state, short, now)
	if err == nil {
		c.states[person] = state
	}
	return r, err
}

// declare checks a request that is about no person.
func (c *Checker) declare(reg *event.Register, short *event.Event, now time.Time) (r Checked, err error) {
	fill := c.l.fillContext(now, nil)
	fill.Register = reg
	if r.Full, r.Warnings, err = event.Fill(fill, short); err != nil {
		return Checked{}, err
	}
	for _, ev := range r.Full {
		if !isRegister(ev) {
			continue
		}
		if reg, err = reg.Apply(ev, nil); err != nil {
			return Checked{}, err
		}
		c.reg = reg
	}
	return r, nil
}

// speculative is a person's state with everything in it that is on its way.
func (l *Ledger) speculative(ctx context.Context, person string) (*consent.State, error) {
	stripe := l.subjects.stripe(person)
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	sub, err := l.subject(ctx, stripe, person)
	if err != nil {
		return nil, err
	}
	return sub.speculative, nil
}
