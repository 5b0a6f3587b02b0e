package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// loadRegister folds the register: what was declared publicly and what is
// sealed under the organisation's key, in the order of the log.
func (l *Ledger) loadRegister(ctx context.Context) error {
	entries, err := l.eventsOf(ctx, organisation)
	if errors.Is(err, errListRow) {
		entries, err = l.registerWithout(ctx, err)
	}
	if err != nil {
		return fmt.Errorf("reading the register: %w", err)
	}
	reg := new(event.Register)
	for _, e := range entries {
		switch {
		case e.Public:
			l.publics.seq++
		default:
			l.registers.seq++
			l.registers.head = merkle.LeafHash(e.leaf)
		}
		if !isRegister(e.Event) {
			continue
		}
		if reg, err = reg.Apply(e.Event, leafHash(e.leaf)); err != nil {
			return fmt.Errorf("reading the register: entry %d: %w", e.Index, err)
		}
	}
	l.register.Store(reg)
	return nil
}

// registerWithout finds the organisation's events by trying every entry of the log, where a list row of theirs is
// damaged. It has to find as many as are listed.
func (l *Ledger) registerWithout(ctx context.Context, damage error) (entries []Entry, err error) {
	keys, err := l.tree.Keys(ctx, organisation)
	if err != nil {
		return nil, err
	}
	v := l.view()
	defer v.Close()
	var leases []*keystore.Lease
	defer func() {
		for _, lease := range leases {
			lease.Done()
		}
	}()
	want := uint64(0)
	for _, k := range keys {
		lease, err := l.tree.LeaseOf(ctx, k.Ref)
		if err != nil {
			return nil, err
		}
		leases = append(leases, lease)
		n, err := listLen(ctx, v, lease)
		if err != nil {
			return nil, err
		}
		want += n
	}
	leaves := leafReader{v: v}
	for i := range v.Head().Size {
		leaf, err := leaves.at(ctx, i)
		if err != nil {
			return nil, err
		}
		for at, lease := range leases {
			if public := keys[at].Compartment == publicCompartment; public != envelope.IsPublic(leaf) {
				continue
			} else if !public {
				env, err := l.envelope(ctx, v, i, leaf)
				if errors.Is(err, log.ErrNotFound) || err == nil && !envelope.Opens(lease, env) {
					continue
				}
				if err != nil {
					return nil, err
				}
			}
			e, err := l.open(ctx, v, lease, i)
			if err != nil {
				return nil, fmt.Errorf("entry %d: %w", i, err)
			}
			entries = append(entries, e)
		}
	}
	if uint64(len(entries)) != want {
		return nil, damage
	}
	return entries, nil
}

// submitRegister records a register event and waits until it is durable, so
// that what is declared is declared before anything refers to it. Identical
// content again records nothing.
func (l *Ledger) submitRegister(ctx context.Context, short *event.Event) (s *Submission, err error) {
	if short.Type() != "preservation.ordered" {
		return l.declare(ctx, short, false)
	}
	// An epoch that has begun is over before the order is recorded, and one that
	// begins after it finds it in the register.
	err = l.erasure.Exclusive(func() error {
		s, err = l.declare(ctx, short, false)
		return err
	})
	return s, err
}

// declare records a register event; own is true where the ledger itself has made it.
func (l *Ledger) declare(ctx context.Context, short *event.Event, own bool) (*Submission, error) {
	now, id, mac := l.now(), short.Str("id"), l.tree.ContentMAC(short.Canonical())
	l.registerMu.Lock()
	defer l.registerMu.Unlock()
	s := newSubmission(id, mac, now)
	if first, err := l.replay(ctx, s, ""); first != nil || err != nil {
		return first, err
	}
	defer l.tags.unclaim(s) // does nothing once it is queued
	reg := l.register.Load()
	fill := l.fillContext(now, nil)
	fill.Internal = own
	full, warnings, err := event.Fill(fill, short)
	if err != nil {
		return nil, err
	}
	if len(full) == 0 { // the same content is declared already
		return &Submission{answer: []Recorded{{ID: id, Type: short.Type(), Recorded: now, Unchanged: true, Warnings: warnings}}}, nil
	}
	ev := full[0]
	route, _, err := event.Route(reg, nil, ev)
	if err != nil {
		return nil, err
	}
	var leaf []byte
	if route.Public {
		ev = ev.WithString("_recorded", event.FormatTime(now))
		leaf, err = l.queuePublic(ctx, s, event.Statement(ev), ev.Str("id"), now)
	} else {
		leaf, err = l.queueInternal(ctx, s, ev, now)
	}
	if err != nil {
		s.release()
		return nil, err
	}
	s.answer = []Recorded{{ID: ev.Str("id"), Type: ev.Type(), Leaf: merkle.LeafHash(leaf), Recorded: now, Warnings: warnings}}
	l.settler.put(s)
	// The end of the context does not end this wait: what is declared on disk has to
	// be declared here, too.
	if err := s.ticket.Wait(context.WithoutCancel(ctx)); err != nil {
		return nil, storeError(err)
	}
	next, err := reg.Apply(ev, leafHash(leaf))
	if err != nil {
		return nil, err
	}
	l.register.Store(next)
	return s, nil
}

// queueInternal seals a register event under the organisation's key.
func (l *Ledger) queueInternal(ctx context.Context, s *Submission, ev *event.Event, now time.Time) ([]byte, error) {
	l.sealing.RLock()
	defer l.sealing.RUnlock()
	lease, err := l.tree.Use(ctx, organisation, event.OrganisationKeys, 0)
	if err != nil {
		return nil, fmt.Errorf("getting the organisation's key: %w", err)
	}
	s.leases = append(s.leases, lease)
	entry := &s.one.sealed
	head, err := l.sealOne(entry, lease, ev, l.registers.seq+1, l.registers.head, new(tallyText), now)
	if err != nil {
		return nil, err
	}
	if err := l.queueOne(ctx, s, entry, entry.leaf[:], ev.Str("id"), now, l.registers.seq == 0); err != nil {
		return nil, err
	}
	l.registers.seq, l.registers.head = l.registers.seq+1, head
	return entry.leaf[:], nil
}

// queuePublic queues a public statement. It is listed under the organisation's
// key, so that the register is found again without reading the whole log.
func (l *Ledger) queuePublic(ctx context.Context, s *Submission, statement []byte, id string, now time.Time) ([]byte, error) {
	leaf, err := envelope.PublicLeaf(statement)
	if err != nil {
		return nil, err
	}
	l.sealing.RLock()
	defer l.sealing.RUnlock()
	lease, err := l.tree.Use(ctx, organisation, publicCompartment, 0)
	if err != nil {
		return nil, fmt.Errorf("getting the organisation's key: %w", err)
	}
	s.leases = append(s.leases, lease)
	entry := &s.one.sealed // not sealed, but listed and tagged like what is
	entry.list(lease, l.writing.Load(), l.publics.seq+1, new(tallyText))
	if err := l.queueOne(ctx, s, entry, leaf, id, now, l.publics.seq == 0); err != nil {
		return nil, err
	}
	l.publics.seq++
	return leaf, nil
}

// queueOne queues a leaf with its rows and its request tag.
func (l *Ledger) queueOne(ctx context.Context, s *Submission, rows *sealed, leaf []byte, id string, now time.Time, first bool) error {
	tag := s.tagOf(l.tags, id)
	rows.tag(l.writing.Load(), leaf, tag, s.mac, now)
	entry := rows.entry(organisationOrder)
	entry.Leaf = leaf
	t, err := l.enqueue(ctx, []log.Entry{entry}, s, first)
	if err != nil {
		return err
	}
	s.ticket, s.tags = t, append(s.tags, tag)
	l.tags.pend(s)
	return nil
}

// organisationOrder keeps the organisation's entries in order: see subjects.order.
const organisationOrder = 1

func leafHash(leaf []byte) []byte {
	h := merkle.LeafHash(leaf)
	return h[:]
}

// Register returns what is declared now.
func (l *Ledger) Register() *event.Register { return l.register.Load() }

// publicEvent reads a public statement back as an event.
func publicEvent(leaf []byte) (*event.Event, error) {
	text, ok := envelope.PublicStatement(leaf)
	if !ok {
		return nil, errors.New("a public leaf that is malformed")
	}
	return event.ParseStatement(text)
}
