package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle/log"
)

// EraseRequest asks for one person's data to be erased.
type EraseRequest struct {
	Subject string
	// Everything also erases what has a declared reason to stay: consent
	// evidence, invoices. It needs a reason of its own, outside this program.
	Everything bool
	// NotBefore: the request is written down, and begins with [Ledger.StartErasure]
	// from this time on. A policy can ask for a later one.
	NotBefore time.Time
	// Suppress also records that the person asks to be left alone for good, and
	// keeps nothing but that.
	Suppress bool
	// Keep, which may be nil, receives the certificate before the erasure is over: see
	// [erasure.Request].
	Keep func(*erasure.Certificate)
}

// PlanLine is one compartment (and cohort, where several differ in their fate) of
// a person, and what an erasure does to it.
type PlanLine struct {
	Compartment string
	Cohort      string // "" where all cohorts share the line's fate
	Events      int
	Kept        bool
	Until       time.Time // last day it is kept; zero where no day is set yet
	Why         string    // "proof of consent, Art. 17(3)(e)"
	Held        bool      // kept because of a hold, until that is released
	Review      time.Time // of the hold
}

// Plan is what an erasure would do. Making one changes nothing.
type Plan struct {
	Lines      []PlanLine
	Recipients []erasure.Recipient // who must be told, Art. 19
	// Unread is what of the person is damaged, as far as anybody had to read it: an event that is only counted is
	// erased unread. It is erased like everything else; who received something may stand in it alone, and then
	// nobody knows that they must be told.
	Unread []Unread

	erase []keystore.KeyInfo
	kept  []erasure.Kept
	held  []Held
	total int
}

// refusal says why the plan erases nothing: a hold stands against it, or all of it
// has a declared reason to stay. Who asks for everything is not content with less.
func (p *Plan) refusal(r EraseRequest) error {
	switch {
	case len(p.held) > 0 && (r.Everything || len(p.erase) == 0):
		return &HeldError{Holds: p.held}
	case len(p.erase) == 0:
		return &KeptError{Plan: p}
	}
	return nil
}

// Erases is how many events become unreadable.
func (p *Plan) Erases() int { return p.total }

// PlanErase says what Erase would do.
func (l *Ledger) PlanErase(ctx context.Context, r EraseRequest) (*Plan, error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	p, err := l.planErase(ctx, r)
	if overtaken(err) {
		return nil, errErasing
	}
	return p, err
}

// errErasing is what meets an erasure that has begun.
var errErasing = &BusyError{What: "this data is being erased right now"}

func (l *Ledger) planErase(ctx context.Context, r EraseRequest) (*Plan, error) {
	holds, count, unread, err := l.extent(ctx, r.Subject)
	if err != nil {
		return nil, err
	}
	if len(count) == 0 {
		return nil, &NotFoundError{What: "nothing is known about this subject"}
	}
	keys, err := l.tree.Keys(ctx, personKey(r.Subject))
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		// Another erasure took them, and the cache is about to forget the person.
		return nil, keystore.ErrNoKey
	}
	reg, now := l.register.Load(), l.now()
	p := &Plan{Unread: unread}
	lines := make(map[string]*PlanLine)
	for _, k := range keys {
		n := count[chainKey{k.Compartment, k.Cohort}]
		reason, law := reg.Keeps(k.Compartment)
		kept := reason != "" && (!r.Everything || r.Suppress && k.Compartment == event.Suppression)
		line := PlanLine{Compartment: k.Compartment, Events: n}
		if held := l.heldKey(k, holdsOn(k, holds, unread)); len(held) > 0 {
			line.Kept, line.Held, line.Cohort = true, true, k.Cohort.String()
			line.Why, line.Review = held[0].Why, held[0].Review
			p.held = append(p.held, held...)
			p.kept = append(p.kept, erasure.Kept{Compartment: k.Compartment, Cohort: line.Cohort, Reason: line.reason()})
		} else if kept {
			line.Kept, line.Why, line.Cohort = true, strings.TrimSuffix(reason+", "+law, ", "), k.Cohort.String()
			day := k.Expiry
			if day == 0 {
				// A consent is in force. The erasure withdraws it, and the period
				// counts from then.
				if rule, ok := reg.RetentionOf(k.Compartment); ok {
					day, _ = rule.Expiry(line.Cohort, now, &now)
				}
			}
			if day != 0 {
				line.Until = dayTime(day - 1)
			}
			p.kept = append(p.kept, erasure.Kept{Compartment: k.Compartment, Cohort: k.Cohort.String(), Reason: line.Why, Until: day})
		} else {
			p.erase = append(p.erase, k)
			p.total += n
		}
		id := fmt.Sprint(line.Compartment, "\x00", line.Cohort, "\x00", line.Kept)
		if have := lines[id]; have != nil {
			have.Events += n
			continue
		}
		lines[id] = &line
	}
	p.held = compactHeld(p.held)
	for _, line := range lines {
		p.Lines = append(p.Lines, *line)
	}
	sort.Slice(p.Lines, func(i, j int) bool {
		a, b := p.Lines[i], p.Lines[j]
		if a.Kept != b.Kept {
			return !a.Kept
		}
		if a.Compartment != b.Compartment {
			return a.Compartment < b.Compartment
		}
		return a.Cohort < b.Cohort
	})
	p.Recipients, err = erasureLedger{l}.Recipients(ctx, personKey(r.Subject), p.erase)
	return p, err
}

// extent returns the holds of a person, and how many durable events are under each of
// their keys. Only where some are on their way do the durable ones have to be counted.
func (l *Ledger) extent(ctx context.Context, person string) (holds []consent.Hold, count map[chainKey]int, unread []Unread, err error) {
	count = make(map[chainKey]int)
	settled := false
	err = l.readable(ctx, person, func(sub *subject) {
		holds, unread = sub.speculative.Holds(), sub.unread
		if settled = len(sub.inflight) == 0; settled {
			for k, c := range sub.chains.all() {
				count[k] = int(c.seq)
			}
		}
	})
	if err != nil || settled {
		return holds, count, unread, err
	}
	keys, err := l.tree.Keys(ctx, personKey(person))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("looking up the keys of a subject: %w", err)
	}
	v := l.view()
	defer v.Close()
	_, err = l.eachLiving(ctx, keys, func(k keystore.KeyInfo, lease *keystore.Lease) error {
		n, err := listLen(ctx, v, lease)
		if n > 0 {
			count[chainKey{k.Compartment, k.Cohort}] = int(n)
		}
		return err
	})
	return holds, count, unread, err
}

// Erase destroys the keys of everything about a person that has no declared
// reason to stay. When it returns, nobody who holds every byte this ledger ever
// wrote, and the root it has now, reads what was erased. That traces of which
// entries belonged together are swept is a later step, and the certificate says
// that it is open.
func (l *Ledger) Erase(ctx context.Context, r EraseRequest) (*Plan, *erasure.Certificate, error) {
	if err := l.gate.enter(); err != nil {
		return nil, nil, err
	}
	defer l.gate.leave()
	if l.readOnly != nil {
		return nil, nil, l.readOnly
	}
	if r.Suppress {
		if err := l.suppress(ctx, r.Subject); err != nil {
			return nil, nil, err
		}
	}
	for try := 0; ; try++ {
		p, cert, err := l.eraseOnce(ctx, r)
		if !overtaken(err) {
			return p, cert, err
		}
		// Another erasure has taken some of these keys, or is about to, or they are held
		// since a moment ago.
		if try == 2 {
			return p, nil, errErasing
		}
		if err := pause(ctx); err != nil {
			return p, nil, err
		}
	}
}

// pause waits about as long as one group takes.
func pause(ctx context.Context) error {
	t := time.NewTimer(200 * time.Microsecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// overtaken reports whether an erasure met another one, or a hold that was placed
// since it was planned.
func overtaken(err error) bool {
	var planned *HeldError
	return errors.Is(err, keystore.ErrErasing) || errors.Is(err, keystore.ErrNoKey) || errors.Is(err, erasure.ErrHeld) && !errors.As(err, &planned)
}

func (l *Ledger) eraseOnce(ctx context.Context, r EraseRequest) (*Plan, *erasure.Certificate, error) {
	if err := l.mend(ctx, r.Subject); err != nil {
		return nil, nil, err
	}
	p, err := l.planErase(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	if err := p.refusal(r); err != nil {
		return p, nil, err
	}
	need, notBefore := l.waits(r)
	if need > 0 || !notBefore.IsZero() {
		job, err := l.erasure.Submit(ctx, l.request(r, p, need, notBefore))
		if err != nil {
			return p, nil, err
		}
		return p, nil, &WaitingError{ID: job.ID(), Need: need, NotBefore: notBefore}
	}
	// Asking for erasure withdraws what still runs on consent; otherwise a kept
	// proof of consent would go on answering "allow" for data that is gone.
	if withdrawn, err := l.withdrawForErasure(ctx, r); err != nil {
		return nil, nil, err
	} else if withdrawn {
		if p, err = l.planErase(ctx, r); err != nil {
			return nil, nil, err
		}
		if err := p.refusal(r); err != nil { // somebody else was faster
			return p, nil, err
		}
	}
	cert, err := l.erasure.Erase(ctx, l.request(r, p, 0, time.Time{}))
	return p, cert, err
}

// request is what the engine is asked for.
func (l *Ledger) request(r EraseRequest, p *Plan, need int, notBefore time.Time) erasure.Request {
	return erasure.Request{
		Subject: personKey(r.Subject), Name: r.Subject, Keys: slices.Clone(p.erase), Kept: p.kept, Reason: erasure.ReasonRequest, Everything: r.Everything,
		Approvals: need, NotBefore: notBefore, Keep: r.Keep,
	}
}

// withdrawForErasure records a withdrawal where consents are still in force, or may be.
func (l *Ledger) withdrawForErasure(ctx context.Context, r EraseRequest) (bool, error) {
	if r.Everything {
		return false, nil
	}
	s, err := l.submitAbout(ctx, r.Subject, func(sub *subject, now time.Time) (*event.Event, error) {
		// A consent that cannot be read allows nothing while it cannot, and may be read again
		// one day: a disk may have failed for a moment, or a row may come back from a backup.
		if !sub.speculative.Active(now) && !unreadUnder(sub.unread, event.ConsentEvidence) {
			return nil, nil
		}
		return l.made(sub, now, map[string]any{"type": "consent.withdrawn", "subject": r.Subject, "purpose": "*", "reason": "erasure was asked for"})
	})
	if errors.Is(err, errEndUnread) {
		return false, nil // what is kept cannot be read, and allows nothing
	}
	if s == nil || err != nil {
		return false, err
	}
	_, err = s.Wait(ctx)
	return err == nil, err
}

// submitAbout queues an event that the ledger itself makes about a person, nil
// where it makes none.
func (l *Ledger) submitAbout(ctx context.Context, person string, ev func(*subject, time.Time) (*event.Event, error)) (*Submission, error) {
	stripe := l.subjects.stripe(person)
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	for try := 0; ; {
		sub, err := l.readableSubject(ctx, stripe, person)
		if err != nil {
			return nil, err
		}
		now := l.now()
		made, err := ev(sub, now)
		if made == nil || err != nil {
			return nil, err
		}
		s, err := l.submitMade(ctx, stripe, sub, made, now)
		if err == nil {
			return s, nil
		}
		if try, err = stripe.again(ctx, l.log, person, err, try); err != nil {
			return nil, err
		}
	}
}

// submitMade queues an event that the ledger itself makes about a person. The
// caller holds the stripe's lock.
func (l *Ledger) submitMade(ctx context.Context, st *stripe, sub *subject, ev *event.Event, now time.Time) (*Submission, error) {
	state, err := sub.speculative.ApplyRecorded(ev, unknownIndex, now)
	if err != nil {
		return nil, err
	}
	s := newSubmission("", l.tree.ContentMAC(ev.Canonical()), now)
	s.urgent = ev.Type() == "consent.withdrawn"
	if err := l.seal(ctx, s, sub, []*event.Event{ev}, state, now); err != nil {
		s.release()
		return nil, err
	}
	l.follow(st, sub, s, state)
	return s, nil
}

// known calls f with what is known of a person, queued events included. It fails where
// some of it cannot be read.
func (l *Ledger) known(ctx context.Context, person string, f func(*subject)) error {
	var damage error
	err := l.readable(ctx, person, func(sub *subject) {
		if len(sub.unread) > 0 {
			damage = sub.unread[0].Why
		} else {
			f(sub)
		}
	})
	return cmp.Or(err, damage)
}

// readable is known, but for what of the person is damaged. It fails where some of it
// cannot be read just now.
func (l *Ledger) readable(ctx context.Context, person string, f func(*subject)) error {
	stripe := l.subjects.stripe(person)
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	sub, err := l.readableSubject(ctx, stripe, person)
	if err != nil {
		return err
	}
	if sub.partial {
		stripe.forget(person)
		return errStale
	}
	f(sub)
	return nil
}

// erasureLedger is what the erasure engine may ask of the ledger.
type erasureLedger struct{ l *Ledger }

func (e erasureLedger) Origin() string { return e.l.origin }

// Recipients lists who received data under keys that are about to die. It must
// be asked before they die: the list is sealed under them.
func (e erasureLedger) Recipients(ctx context.Context, s keystore.Subject, keys []keystore.KeyInfo) ([]erasure.Recipient, error) {
	if person, ok := personOf(s); ok {
		// Of most people nothing was disclosed, and what is known of a person says so.
		// Otherwise it has to be read under which key each disclosure stands.
		none := false
		err := e.l.known(ctx, person, func(sub *subject) { none = len(sub.speculative.Recipients()) == 0 })
		if err == nil && none {
			return nil, nil
		}
	}
	snap := e.l.view()
	defer snap.Close()
	seen := make(map[erasure.Recipient]bool)
	var out []erasure.Recipient
	for _, k := range keys {
		lease, err := e.l.tree.LeaseOf(ctx, k.Ref)
		if errors.Is(err, keystore.ErrNoKey) {
			continue
		}
		if err != nil {
			return nil, err
		}
		_, parts, err := e.l.foldUnder(ctx, snap, lease)
		lease.Done()
		if err != nil {
			return nil, err
		}
		for _, part := range slices.Backward(parts) { // in the order of the log
			if part.event == nil || part.event.Type() != "data.disclosed" {
				continue
			}
			r := erasure.Recipient{ID: part.event.Str("recipient"), Ref: part.event.Str("recipient_ref")}
			if !seen[r] {
				seen[r] = true
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// Publish appends the epoch record and returns when it is durable.
func (e erasureLedger) Publish(ctx context.Context, statement []byte) (uint64, []byte, error) {
	l := e.l
	l.registerMu.Lock()
	defer l.registerMu.Unlock()
	now := l.now()
	s := newSubmission("", l.tree.ContentMAC(statement), now)
	s.urgent = true
	leaf, err := l.queuePublic(ctx, s, statement, "", now)
	if err != nil {
		s.release()
		return 0, nil, err
	}
	l.settler.put(s)
	if err := s.ticket.Wait(ctx); err != nil {
		return 0, nil, storeError(err)
	}
	return s.ticket.Index(0), leaf, nil
}

// CountEntries counts the entries under a key that is gone.
func (e erasureLedger) CountEntries(ctx context.Context, rows keystore.RowsKey) (uint64, error) {
	snap := e.l.view()
	defer snap.Close()
	return listLen(ctx, snap, rows)
}

// Published looks for a statement among the newest public ones. It is asked after
// a crash, about a statement that would be the newest of its type.
func (e erasureLedger) Published(ctx context.Context, statement []byte) (at uint64, found bool, err error) {
	err = e.l.publicStatements(ctx, func(index uint64, text []byte) bool {
		if found = bytes.Equal(text, statement); found {
			at = index
		}
		return !found
	})
	return at, found, err
}

// Statement returns the public statement that an entry is.
func (e erasureLedger) Statement(ctx context.Context, index uint64) ([]byte, error) {
	leaf, err := e.l.log.Leaf(ctx, index)
	if errors.Is(err, log.ErrNotFound) {
		return nil, erasure.ErrNoStatement
	}
	if err != nil {
		return nil, err
	}
	text, ok := envelope.PublicStatement(leaf)
	if !ok {
		return nil, erasure.ErrNoStatement
	}
	return text, nil
}

// Statements is publicStatements.
func (e erasureLedger) Statements(ctx context.Context, f func(index uint64, statement []byte) bool) error {
	return e.l.publicStatements(ctx, f)
}

// publicStatements calls f with the public statements, the newest first, until it
// returns false. Where their list is damaged, all leaves are looked at.
func (l *Ledger) publicStatements(ctx context.Context, f func(index uint64, text []byte) bool) error {
	lease, err := l.tree.Find(ctx, organisation, publicCompartment, 0)
	if errors.Is(err, keystore.ErrNoKey) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lease.Done()
	v := l.view()
	defer v.Close()
	n, err := listLen(ctx, v, lease)
	if err != nil {
		return err
	}
	seen := make(map[uint64]bool)
	for seq := n; seq > 0; seq-- {
		row, _, err := readListed(ctx, v, lease, seq)
		if err != nil {
			return err
		}
		if row.index >= v.Head().Size {
			return l.publicLeaves(ctx, v, seen, f)
		}
		leaf, err := v.Leaf(ctx, row.index)
		if err != nil {
			return err
		}
		text, ok := envelope.PublicStatement(leaf)
		if !ok {
			return l.publicLeaves(ctx, v, seen, f)
		}
		if seen[row.index] = true; !f(row.index, text) {
			return nil
		}
	}
	return nil
}

// publicLeaves is publicStatements without the list, but for those that were seen.
func (l *Ledger) publicLeaves(ctx context.Context, v *view, seen map[uint64]bool, f func(index uint64, text []byte) bool) error {
	leaves := leafReader{v: v}
	for i := v.Head().Size; i > 0; i-- {
		leaf, err := leaves.at(ctx, i-1)
		if err != nil {
			return err
		}
		if text, ok := envelope.PublicStatement(leaf); ok && !seen[i-1] && !f(i-1, text) {
			return nil
		}
	}
	return nil
}

// Forget drops what the cache holds of a subject, or of everybody.
func (e erasureLedger) Forget(s keystore.Subject) {
	if s == "" {
		// Keys of retention are known by tags alone: nobody can say whose.
		e.l.subjects.clear()
		return
	}
	id, ok := personOf(s)
	if !ok {
		return
	}
	stripe := e.l.subjects.stripe(id)
	stripe.mu.Lock()
	stripe.forget(id)
	stripe.mu.Unlock()
}

func personOf(s keystore.Subject) (string, bool) {
	id := string(s)
	if len(id) < 2 || id[:2] != "s:" {
		return "", false
	}
	return id[2:], true
}

// dayTime is the start of a day that is counted from 1970-01-01, in UTC.
func dayTime(day uint16) time.Time { return time.Unix(int64(day)*86400, 0).UTC() }
