package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle/log"
)

// Get opens entry index. It returns *ErasedError where the entry was erased,
// *EntryLostError where it was stated as lost, *UnreadableError where it does not open
// and neither is known, and *NotFoundError beyond the end of the log.
//
// There is no stored map from entries to keys: such a map would link a person's
// records for whoever finds it. So Get tries the living keys, which takes about
// 3 µs a key; use Timeline where the person is known.
func (l *Ledger) Get(ctx context.Context, index uint64) (Entry, error) {
	if err := l.gate.enter(); err != nil {
		return Entry{}, err
	}
	defer l.gate.leave()
	snap := l.view()
	defer snap.Close()
	e, lease, err := l.find(ctx, snap, index)
	if lease != nil {
		lease.Done()
	}
	if err != nil {
		err = l.whyClosed(ctx, index, err)
	}
	return e, err
}

// find opens an entry and returns the lease of the key that opened it, nil for
// a public statement.
func (l *Ledger) find(ctx context.Context, v *view, index uint64) (Entry, *keystore.Lease, error) {
	leaf, err := l.leaf(ctx, v, index)
	if err != nil {
		return Entry{}, nil, err
	}
	if envelope.IsPublic(leaf) {
		ev, err := publicEvent(leaf)
		return Entry{Index: index, Event: ev, Public: true, leaf: leaf}, nil, err
	}
	env, err := l.envelope(ctx, v, index, leaf)
	if err != nil {
		return Entry{}, nil, err
	}
	var found *keystore.Lease
	stop := errors.New("found")
again:
	err = l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		lease, err := l.leaseLiving(ctx, k.Ref)
		if lease == nil {
			return err
		}
		if !envelope.Opens(lease, env) {
			lease.Done()
			return nil
		}
		found = lease
		return stop
	})
	if errors.Is(err, keystore.ErrSwept) {
		goto again // all keys lie elsewhere now; what this view shows is the same
	}
	if err != nil && err != stop {
		return Entry{}, nil, fmt.Errorf("looking for the key of entry %d: %w", index, err)
	}
	if found == nil {
		return Entry{}, nil, &ErasedError{Index: index}
	}
	e, err := l.open(ctx, v, found, index)
	if err != nil {
		found.Done()
		return Entry{}, nil, fmt.Errorf("entry %d: %w", index, err)
	}
	info := found.Info()
	e.Compartment, e.Cohort, e.Expiry = info.Compartment, info.Cohort, info.Expiry
	return e, found, nil
}

// leaf reads a leaf, or says that there is none.
func (l *Ledger) leaf(ctx context.Context, v *view, index uint64) ([]byte, error) {
	leaf, err := v.Leaf(ctx, index)
	if errors.Is(err, log.ErrNotFound) {
		return nil, &NotFoundError{What: fmt.Sprintf("entry %d: the log has %d entries", index, v.Head().Size)}
	}
	return leaf, err
}

// entryUnder opens an entry that belongs to one tree subject.
func (l *Ledger) entryUnder(ctx context.Context, s keystore.Subject, index uint64) (Entry, error) {
	snap := l.view()
	defer snap.Close()
	e, lease, err := l.findUnder(ctx, snap, s, index)
	if lease != nil {
		lease.Done()
	}
	return e, err
}

// findUnder is find where it is known whose the entry is.
func (l *Ledger) findUnder(ctx context.Context, snap *view, s keystore.Subject, index uint64) (Entry, *keystore.Lease, error) {
	leaf, err := l.leaf(ctx, snap, index)
	if err != nil {
		return Entry{}, nil, err
	}
	if envelope.IsPublic(leaf) {
		ev, err := publicEvent(leaf)
		return Entry{Index: index, Event: ev, Public: true, leaf: leaf}, nil, err
	}
	env, err := l.envelope(ctx, snap, index, leaf)
	if err != nil {
		return Entry{}, nil, err
	}
	keys, err := l.tree.Keys(ctx, s)
	if err != nil {
		return Entry{}, nil, err
	}
	for _, k := range keys {
		lease, err := l.tree.LeaseOf(ctx, k.Ref)
		if err != nil {
			continue
		}
		if !envelope.Opens(lease, env) {
			lease.Done()
			continue
		}
		e, err := l.open(ctx, snap, lease, index)
		if err != nil {
			lease.Done()
			return Entry{}, nil, err
		}
		return e, lease, nil
	}
	return Entry{}, nil, &ErasedError{Index: index}
}

// Timeline returns every event about a person that a living key opens, in the
// order of the log. A person whom nothing is known about is *NotFoundError; that
// is the same answer whether there never was anything or all of it was erased.
func (l *Ledger) Timeline(ctx context.Context, person string) ([]Entry, error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	entries, err := l.eventsOf(ctx, personKey(person))
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, &NotFoundError{What: "nothing is known about this subject"}
	}
	return entries, nil
}

// May answers whether something may be done, from what is durable. An error is
// not an allow, and neither is the zero Answer.
func (l *Ledger) May(ctx context.Context, person string, q consent.Question) (consent.Answer, error) {
	if err := l.gate.enter(); err != nil {
		return consent.Answer{}, err
	}
	defer l.gate.leave()
	if l.outdated() != nil {
		// An older copy does not know what was withdrawn since.
		return consent.Answer{}, l.readOnly
	}
	stripe := l.subjects.stripe(person)
	stripe.mu.Lock()
	sub, err := l.subject(ctx, stripe, person)
	if err != nil {
		stripe.mu.Unlock()
		return consent.Answer{}, err
	}
	if sub.partial {
		// Part of what is known cannot be read just now: it may be the very thing
		// that forbids.
		stripe.forget(person)
		stripe.mu.Unlock()
		return consent.Answer{}, errStale
	}
	state := sub.committed
	stripe.mu.Unlock()
	return state.May(q, l.register.Load(), l.now()), nil
}
