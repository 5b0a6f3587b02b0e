package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
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

// Submission is a request that is queued: sealed, in its place in the person's
// chain, not yet durable.
type Submission struct {
	ticket *log.Ticket // nil where nothing had to be queued
	answer []Recorded  // index and leaf hash are filled in by Wait

	events []*event.Event // as the fold of the person's state takes them
	tags   [][16]byte
	mac    [16]byte
	at     time.Time
	leases []*keystore.Lease
	ledger *Ledger
	done   chan struct{} // closed when the settler has released the leases
}

// Wait returns when the request is durable, integrated and covered by a signed
// checkpoint. A context that ends ends the wait, not the request: sending the
// same id again tells what became of it.
func (s *Submission) Wait(ctx context.Context) ([]Recorded, error) {
	if s.ticket == nil {
		return s.answer, nil
	}
	if err := s.ticket.Wait(ctx); err != nil {
		return nil, storeError(err)
	}
	out := append([]Recorded(nil), s.answer...)
	for i := range out {
		out[i].Index = s.ticket.Index(i)
	}
	return out, nil
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
	if l.readOnly != nil {
		return nil, l.readOnly
	}
	now := l.now()
	id := short.Str("id")
	mac := l.tree.ContentMAC(short.Canonical())
	if isRegister(short) {
		return l.submitRegister(ctx, short, id, mac, now)
	}
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
	if id != "" {
		if s, err := l.replay(ctx, personKey(person), id, mac); s != nil || err != nil {
			return s, err
		}
	}
	sub, err := l.subject(ctx, stripe, person)
	if err != nil {
		return nil, err
	}
	full, warnings, state, err := l.fill(sub, short, now)
	if err != nil {
		return nil, err
	}
	s := &Submission{ledger: l, mac: mac, at: now, done: make(chan struct{})}
	if err := l.seal(ctx, s, sub, person, full, state, now); err != nil {
		s.release()
		return nil, err
	}
	for i := range s.answer {
		s.answer[i].Warnings = warnings
	}
	sub.speculative = state
	sub.inflight = append(sub.inflight, s)
	l.settler <- s
	return s, nil
}

// Check returns the full form of a request as it would be sealed now, and
// records nothing.
func (l *Ledger) Check(ctx context.Context, short *event.Event) ([]*event.Event, []event.Warning, error) {
	now := l.now()
	person := short.Str("subject")
	if isRegister(short) || person == "" {
		return event.Fill(l.fillContext(now, nil), short)
	}
	stripe := l.subjects.stripe(person)
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	sub, err := l.subject(ctx, stripe, person)
	if err != nil {
		return nil, nil, err
	}
	full, warnings, _, err := l.fill(sub, short, now)
	return full, warnings, err
}

// fill fills the short form and applies the result to the person's speculative
// state, which says whether the transition is allowed.
func (l *Ledger) fill(sub *subject, short *event.Event, now time.Time) ([]*event.Event, []event.Warning, *consent.State, error) {
	full, warnings, err := event.Fill(l.fillContext(now, sub.speculative), short)
	if err != nil {
		return nil, nil, nil, err
	}
	state := sub.speculative
	for _, ev := range full {
		// The index is not known yet. It only breaks ties between equal times, and
		// what is recorded now comes after everything that is recorded.
		if state, err = state.Apply(ev, unknownIndex); err != nil {
			return nil, nil, nil, err
		}
	}
	return full, warnings, state, nil
}

// seal seals each event of a request under its key and queues them together.
// Nothing of the subject changes before everything is queued. after is the
// person's state with the request in it.
func (l *Ledger) seal(ctx context.Context, s *Submission, sub *subject, person string, full []*event.Event, after *consent.State, now time.Time) error {
	entries := make([]log.Entry, 0, len(full))
	ends := make(map[chainKey]chain, 1)
	order := l.subjects.order(person)
	reg := l.register.Load()
	for _, ev := range full {
		route, keep, err := event.Route(reg, sub.speculative, ev)
		if err != nil {
			return err
		}
		cohort, err := keystore.ParseCohort(route.Cohort)
		if err != nil {
			return err
		}
		k := chainKey{route.Compartment, cohort}
		end, ok := ends[k]
		if c := sub.chains[k]; !ok && c != nil {
			end = *c
		}
		lease, err := l.tree.Use(ctx, personKey(person), route.Compartment, cohort)
		if errors.Is(err, keystore.ErrErasing) {
			return &BusyError{What: "this data is being erased right now"}
		}
		if err != nil {
			return fmt.Errorf("getting a key: %w", err)
		}
		s.leases = append(s.leases, lease)
		entry, leaf, err := l.sealOne(lease, ev, end.seq+1, end.head, now)
		if err != nil {
			return err
		}
		tag, row := l.tags.row(ev.Str("id"), s.mac, now)
		entry.Rows = append(entry.Rows, row)
		entry.Order = order
		entries = append(entries, entry)
		end.seq, end.head, end.ref = end.seq+1, leaf, lease.Ref()
		if day := lastDay(keep, route.Cohort, after, now); lease.Expire(day) {
			end.day = day
		}
		ends[k] = end
		s.tags = append(s.tags, tag)
		s.events = append(s.events, ev)
		s.answer = append(s.answer, Recorded{ID: ev.Str("id"), Type: ev.Type(), Purpose: ev.Str("purpose"), Leaf: leaf, Recorded: now})
	}
	t, err := l.enqueue(ctx, entries, s.leases)
	if err != nil {
		return err
	}
	s.ticket = t
	for _, tag := range s.tags {
		l.tags.pend(tag, s.mac, s)
	}
	for k, end := range ends {
		sub.chains[k] = &end
	}
	l.keepDays(sub, after, now)
	return nil
}

// sealOne seals one event at its place in its chain.
func (l *Ledger) sealOne(lease *keystore.Lease, ev *event.Event, seq uint64, prev merkle.Hash, now time.Time) (log.Entry, merkle.Hash, error) {
	sealed, err := envelope.SealMembers(lease, l.suite, l.originHash, withChain(ev, seq, prev, now))
	if err != nil {
		return log.Entry{}, merkle.Hash{}, fmt.Errorf("sealing an event: %w", err)
	}
	leaf := sealed.Leaf[:]
	g := l.tree.Generation()
	l.tree.MaskEnvelope(g, leaf, sealed.Envelope)
	key, mask := listKey(lease, g, seq)
	return log.Entry{
		Leaf: leaf,
		Rows: []log.Row{
			{Key: envelopePrefix(g), Value: sealed.Envelope, Place: log.KeyIndex},
			{Key: key, Value: mask, Place: log.ValueMask},
		},
	}, merkle.LeafHash(leaf), nil
}

// enqueue queues entries behind the pages their keys need. Deltas of one page
// are chained, so they have to reach the queue in the order in which they were
// taken: the order lock is held between the two, and only where a key is new.
func (l *Ledger) enqueue(ctx context.Context, entries []log.Entry, leases []*keystore.Lease) (*log.Ticket, error) {
	fresh := false
	for _, lease := range leases {
		fresh = fresh || lease.Pending()
	}
	if !fresh {
		return enqueue(ctx, l.log, entries)
	}
	l.order.Lock()
	defer l.order.Unlock()
	for _, lease := range leases {
		for _, kv := range lease.TakePending() {
			entries[0].Rows = append(entries[0].Rows, log.Row{Key: kv.Key, Value: kv.Value})
		}
	}
	// What was taken must be queued: a context that ends now may not break the
	// chain of deltas, and where the log refuses, the request fails as a whole.
	return enqueue(context.WithoutCancel(ctx), l.log, entries)
}

// enqueue waits while the queue is full. Nothing is advanced before it returns.
func enqueue(ctx context.Context, lg *log.Log, entries []log.Entry) (*log.Ticket, error) {
	for {
		t, err := lg.Enqueue(entries)
		if !errors.Is(err, log.ErrBusy) {
			return t, storeError(err)
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
}

func enqueueChange(lg *log.Log, c log.Change) (*log.Ticket, error) {
	for {
		t, err := lg.EnqueueChange(c)
		if !errors.Is(err, log.ErrBusy) {
			return t, storeError(err)
		}
		if err := pause(context.Background()); err != nil {
			return nil, err
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

// settle releases, in the order of the queue, what each submission holds: leases
// an erasure may wait for, and the request tags that still lack an index.
func (l *Ledger) settle() {
	defer close(l.settled)
	for s := range l.settler {
		if err := s.ticket.Wait(context.Background()); err == nil {
			for i, tag := range s.tags {
				l.tags.settle(tag, s.mac, s.ticket.Index(i), s.at)
			}
		}
		s.release()
		close(s.done)
	}
}

func (s *Submission) release() {
	for _, lease := range s.leases {
		lease.Done()
	}
	s.leases = nil
}

// replay answers a request whose id was seen: nil where it is new.
func (l *Ledger) replay(ctx context.Context, owner keystore.Subject, id string, mac [16]byte) (*Submission, error) {
	e, found, same := l.tags.find(id, mac)
	if !found {
		return nil, nil
	}
	if !same {
		return nil, &event.Refused{Reasons: []event.Reason{{Reason: "id_conflict", Path: "/id", Hint: "another event was recorded under this id; send a new one under a new id"}}}
	}
	if e.pending != nil {
		return e.pending, nil // attach to the request that is on its way
	}
	var out []Recorded
	for n := 1; ; n++ {
		part := id
		if n > 1 {
			part = fmt.Sprintf("%s/%d", id, n)
			if e, found, same = l.tags.find(part, mac); !found || !same || e.pending != nil {
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

// unknownIndex stands for the index of an event that is not recorded yet.
const unknownIndex = math.MaxUint64

func isRegister(ev *event.Event) bool {
	t, ok := event.Lookup(ev.Type())
	return ok && t.Register()
}
