package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// seal seals each event of a request under its key and queues them together, unless
// the queue is full: that is log.ErrBusy, and for those to wait out who hold no lock.
// Nothing of the subject changes before everything is queued. after is the
// person's state with the request in it.
func (l *Ledger) seal(ctx context.Context, s *Submission, sub *subject, full []*event.Event, after *consent.State, now time.Time) error {
	l.sealing.RLock()
	defer l.sealing.RUnlock()
	w := l.writing.Load()
	var (
		room    [1]log.Entry // most requests are one event
		entries = room[:0]
		endRoom [2]chainEnd
		ends    = chainEnds(endRoom[:0])
		reg     = l.register.Load()
		first   = false // of a chain
	)
	for _, ev := range full {
		route, _, err := event.Route(reg, sub.speculative, ev)
		if err != nil {
			return err
		}
		cohort, err := keystore.ParseCohort(route.Cohort)
		if err != nil {
			return event.Refuse(event.OutOfRange, "/event_time", "the period that its data is kept for has to count from a time after 1969")
		}
		chain := chainKey{route.Compartment, cohort}
		var at int
		ends, at = ends.with(sub, chain)
		end, known := &ends[at].chain, ends[at].at >= 0
		if known && end.head == (merkle.Hash{}) {
			return fmt.Errorf("recording %s: %w", ev.Type(), errEndUnread)
		}
		var (
			lease *keystore.Lease
			day   uint16 // of a key that is made
		)
		if known {
			lease, err = end.key.Lease(ctx)
		} else {
			day = l.dayFor(reg, chain, after)
			lease, err = l.tree.UseDue(ctx, sub.key, chain.compartment, chain.cohort, day)
		}
		switch {
		case errors.Is(err, keystore.ErrErasing):
			return errErasing
		case errors.Is(err, keystore.ErrNoKey):
			return errStale // it was erased since
		case err != nil:
			return fmt.Errorf("getting a key: %w", err)
		}
		s.leases = append(s.leases, lease)
		fresh := lease.Pending()
		if !sub.fits(known, fresh) {
			return errStale
		}
		if !known {
			if err := l.feeds.begins(s.feed); err != nil {
				return err
			}
			first = true
		}
		id := ev.Str("id")
		tag := s.tagOf(l.tags, id)
		if len(entries) > 0 {
			// The ids of further events are made of the first one's, and may be taken.
			if _, found, _, err := l.tags.find(ctx, tag, s.mac); err != nil {
				return err
			} else if found {
				return idConflict()
			}
		}
		run, says := l.tallyAfter(reg, end.run, ev)
		entry := &s.one.sealed
		if len(entries) > 0 {
			entry = new(sealed)
		}
		leaf, err := l.sealOne(entry, lease, ev, end.seq+1, end.head, &says, now)
		if err != nil {
			return err
		}
		entry.tag(w, entry.leaf[:], tag, s.mac, now)
		entries = append(entries, entry.entry(sub.order))
		end.seq, end.head, end.run, end.key = end.seq+1, leaf, run, lease.Key()
		if fresh {
			// It has the day, unless an earlier try made it on another. Where an epoch of
			// the key tree has just made the key durable, it is not pending any more, and
			// keepDays writes the day.
			if lease.Expire(day) {
				end.day = day
			}
			if holds := after.Holds(); len(holds) > 0 {
				m := marksFor(holds, chain.compartment, chain.cohort)
				if m != (marks{}) && !lease.Mark(m.held, m.restricted, m.review) {
					l.keeper.mark(lease.Ref(), m)
				}
			}
		}
		s.tags = append(s.tags, tag)
		s.events = append(s.events, ev)
		s.answer = append(s.answer, Recorded{ID: id, Type: ev.Type(), Purpose: ev.Str("purpose"), Leaf: leaf, Recorded: now})
	}
	if err := l.feeds.see(l.log, s.feed); err != nil {
		return err
	}
	t, err := l.tryEnqueue(entries, s, first)
	if err != nil {
		return err
	}
	s.ticket = t
	l.tags.pend(s)
	ends.keep(sub)
	l.keepDays(sub, after)
	return nil
}

// chainEnds are the ends of a person's chains as a request will leave them.
type chainEnds []chainEnd

type chainEnd struct {
	chainOf
	at int // where it is among the person's chains, -1 for one that begins
}

// with returns the ends with that of a chain among them, to be moved on, and
// where it is.
func (e chainEnds) with(sub *subject, k chainKey) (chainEnds, int) {
	for i := range e {
		if e[i].chainKey == k {
			return e, i
		}
	}
	end := chainEnd{chainOf{chainKey: k}, sub.chains.find(k)}
	if end.at >= 0 {
		end.chain = sub.chains[end.at].chain
	}
	return append(e, end), len(e)
}

// keep gives the ends to the person.
func (e chainEnds) keep(sub *subject) {
	for i := range e {
		if at := e[i].at; at >= 0 {
			sub.chains[at].chain = e[i].chain
		} else {
			sub.chains = append(sub.chains, e[i].chainOf)
		}
	}
}

// sealed is one sealed event on its way into the queue: its rows and the bytes
// they are made of, in one piece of memory. The log owns it once it is queued.
type sealed struct {
	rows   [3]log.Row
	n      int
	leaf   [envelope.LeafSize]byte
	prefix envelopePrefix
	key    listKey
	body   listBody
	tags   tagsKey
	value  tagValue
	also   []log.Row // under the generation that a sweep fills
}

func (e *sealed) add(r log.Row) {
	e.rows[e.n] = r
	e.n++
}

// list adds the row that says where event seq of a key is, and of which run it is the end.
func (e *sealed) list(lease *keystore.Lease, w *writing, seq uint64, says *tallyText) {
	e.body.put(&e.key, lease, w.mask.Generation(), seq, says)
	e.add(log.Row{Key: e.key[:], Value: e.body[:], Place: log.ValueMask})
	if w.next != nil {
		e.alsoList(lease, *w.next, seq, says)
	}
}

// tag adds what the entry contributes to its group's request tags.
func (e *sealed) tag(w *writing, leaf []byte, tag, mac [16]byte, now time.Time) {
	e.tags.put(w.mask.Generation())
	e.value.put(w.mask, leaf, tag, mac, now)
	e.add(log.Row{Key: e.tags[:], Value: e.value[:], Place: log.Gather})
	if w.both {
		e.alsoTag(*w.next, leaf, tag, mac, now)
	}
}

// entry returns the entry for the queue.
func (e *sealed) entry(order uint64) log.Entry {
	return log.Entry{Leaf: e.leaf[:], Rows: append(e.rows[:e.n:e.n], e.also...), Order: order}
}

// sealOne seals one event at its place in its chain; says is what its list row says. It
// returns the leaf hash.
func (l *Ledger) sealOne(e *sealed, lease *keystore.Lease, ev *event.Event, seq uint64, prev merkle.Hash, says *tallyText, now time.Time) (merkle.Hash, error) {
	c := withChain(ev, seq, prev, now)
	done, err := envelope.SealMembers(lease, l.suite, l.originHash, c.members)
	c.release()
	if err != nil {
		return merkle.Hash{}, fmt.Errorf("sealing an event: %w", err)
	}
	e.leaf = done.Leaf
	w := l.writing.Load()
	if w.both {
		e.alsoEnvelope(*w.next, done.Envelope)
	}
	w.mask.Envelope(e.leaf[:], done.Envelope)
	e.prefix.put(w.mask.Generation())
	e.add(log.Row{Key: e.prefix[:], Value: done.Envelope, Place: log.KeyIndex})
	e.list(lease, w, seq, says)
	return merkle.LeafHash(e.leaf[:]), nil
}

// enqueue is tryEnqueue, but it waits while the queue is full.
func (l *Ledger) enqueue(ctx context.Context, entries []log.Entry, s *Submission, first bool) (*log.Ticket, error) {
	for {
		t, err := l.tryEnqueue(entries, s, first)
		if !errors.Is(err, log.ErrBusy) {
			return t, storeError(err)
		}
		if err := l.log.Room(ctx); err != nil {
			return nil, err
		}
	}
}

// tryEnqueue queues entries together with the changes of the pages of new keys.
// first says that one of them may be the first under its key.
// Changes of one page are chained, so they have to reach the queue in the order
// in which they were taken: the order lock is held between the two. What is first
// under its key always goes through the lock: whoever shares the page may have
// taken the new key along and not queued it yet. What could not be queued is given
// back, so that the next one takes it: without its page, what is sealed under a
// key could never be read.
func (l *Ledger) tryEnqueue(entries []log.Entry, s *Submission, first bool) (*log.Ticket, error) {
	if !first {
		return l.put(entries, s)
	}
	l.order.Lock()
	defer l.order.Unlock()
	rows := entries[0].Rows
	var took *keystore.Lease
	for _, lease := range s.leases {
		if lease.Pending() { // at most once: the keys of one person share a page
			took = lease
			for _, kv := range lease.TakePending() {
				entries[0].Rows = append(entries[0].Rows, log.Row{Key: kv.Key, Value: kv.Value})
			}
		}
	}
	t, err := l.put(entries, s)
	if err != nil && took != nil {
		took.UntakePending()
		entries[0].Rows = rows
	}
	return t, err
}

func (l *Ledger) put(entries []log.Entry, s *Submission) (*log.Ticket, error) {
	if s.urgent {
		return l.log.EnqueueUrgent(entries)
	}
	return l.log.Enqueue(entries)
}

func enqueueChange(lg *log.Log, c log.Change) (*log.Ticket, error) {
	for {
		t, err := lg.EnqueueChange(c)
		if !errors.Is(err, log.ErrBusy) {
			return t, storeError(err)
		}
		if err := lg.Room(context.Background()); err != nil {
			return nil, err
		}
	}
}
