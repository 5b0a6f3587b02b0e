package ledger

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"sort"
	"sync"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// chainKey names one chain of a subject: the events under one key.
type chainKey struct {
	compartment string
	cohort      keystore.Cohort
}

// chain is the end of a chain: how many events it has, and the leaf hash of the
// last one, which the next one's _prev repeats.
type chain struct {
	seq  uint64
	head merkle.Hash
	run  consent.Tally // of which the last event is the end
	key  keystore.Key
	day  uint16 // from which the key may be destroyed, as it is written or about to be
}

// chains are the ends of a person's chains, those that began since they were loaded
// last. They are few, so they stand beside each other and are searched from the newest on.
type chains []chainOf

type chainOf struct {
	chainKey
	chain
}

// find returns where a chain is, -1 where there is none.
func (cs chains) find(k chainKey) int {
	for i := len(cs) - 1; i >= 0; i-- {
		if cs[i].cohort == k.cohort && cs[i].compartment == k.compartment {
			return i
		}
	}
	return -1
}

// all yields the chains. What is yielded may be changed.
func (cs chains) all() iter.Seq2[chainKey, *chain] {
	return func(yield func(chainKey, *chain) bool) {
		for i := range cs {
			if !yield(cs[i].chainKey, &cs[i].chain) {
				return
			}
		}
	}
}

// subject is what the ledger remembers of one person between two requests. It
// is a cache: everything in it is derived from the person's sealed events.
//
// committed is what a reader may be told; speculative is committed plus what is
// queued, and is what the next request is validated against, so that a
// confirmation right after its request works.
type subject struct {
	key         keystore.Subject
	order       uint64         // what orders the person's entries in a commit group
	chains      chains         // speculative
	committed   *consent.State // nil knows nothing
	speculative *consent.State
	inflight    []*Submission // queued, in the order of the queue
	used        bool          // since the hand of the stripe came by
	pos         int           // in its ring
	partial     bool          // a key could not be read, because it is being erased
	unread      []Unread
	blind       []string // holds and restrictions that were ended and are not among what can be read

	// Most people have one chain that grows and one request on its way. Those lie here:
	// to look at somebody is to wait for memory, once for each place where they lie.
	one struct {
		chains   [1]chainOf
		inflight [1]*Submission
	}
}

// newSubject is somebody of whom nothing is known yet.
func newSubject(key keystore.Subject, order uint64) *subject {
	s := &subject{key: key, order: order}
	s.chains, s.inflight = s.one.chains[:0], s.one.inflight[:0]
	return s
}

// subjects is the cache, divided into stripes. The lock of a stripe is what
// orders the requests of one person; it is never held across a sync.
type subjects struct {
	seed    maphash.Seed
	stripes [stripes]stripe
}

type stripe struct {
	mu   sync.Mutex
	byID map[string]*subject
	ring []*subject // all of them, in the order of a clock's hand
	hand int
	_    [16]byte // who works on the next stripe does not wait for this one's memory
}

// subjectsMost bounds the cache; an entry is about 700 bytes for a person with one
// purpose, and as much again for each loaded key and consent.
const subjectsMost = 16 << 10

// stripes is how many the cache is divided into.
const stripes = 256

// id is the person's identifier, in the memory that the key has: what a request
// brought along is part of its text, which would stay with it.
func (s *subject) id() string { return string(s.key[len(personPrefix):]) }

func newSubjects() *subjects {
	s := &subjects{seed: maphash.MakeSeed()}
	for i := range s.stripes {
		s.stripes[i].byID = make(map[string]*subject)
	}
	return s
}

// order is a number that differs between people and that nobody can foresee. The
// log keeps entries of one number in order when it shuffles a group.
func (s *subjects) order(id string) uint64 {
	return maphash.String(s.seed, id) | 1
}

func (s *subjects) stripe(id string) *stripe { return &s.stripes[s.stripeOf(id)] }

func (s *subjects) stripeOf(id string) int { return int(maphash.String(s.seed, id) >> 56) }

// subject returns the subject, loading it where it is not cached; there is an error
// where something of it is damaged. The caller holds the stripe's lock.
func (l *Ledger) subject(ctx context.Context, st *stripe, id string) (*subject, error) {
	s, err := l.readableSubject(ctx, st, id)
	if err == nil && len(s.unread) > 0 {
		if len(s.inflight) == 0 {
			st.drop(s) // it is looked at again each time: it may have come back
		}
		return nil, s.unread[0].Why
	}
	return s, err
}

// readableSubject is subject, but for what cannot be read of it.
func (l *Ledger) readableSubject(ctx context.Context, st *stripe, id string) (*subject, error) {
	if s, ok := st.byID[id]; ok {
		s.used = true
		s.settle() // a reader must see what somebody was told is durable
		return s, nil
	}
	s, err := l.loadSubject(ctx, id)
	if err != nil {
		return nil, err
	}
	l.remember(st.put(s))
	return s, nil
}

// evictLooks bounds how many subjects are looked at for one that may leave.
const evictLooks = 8

// put adds a subject, in the place of one that leaves where the stripe has as many as it
// may have, and returns that one.
func (st *stripe) put(s *subject) (evicted *subject) {
	if len(st.ring) >= subjectsMost/stripes {
		evicted = st.oldest()
	}
	if evicted != nil {
		delete(st.byID, evicted.id())
		s.pos = evicted.pos
		st.ring[s.pos] = s
	} else {
		s.pos = len(st.ring)
		st.ring = append(st.ring, s)
	}
	st.byID[s.id()] = s
	return evicted
}

// oldest returns somebody who was not asked for since the hand came by last, or else one
// of those whom it came by just now; nil where all of them have queued events: they stay,
// because only memory knows of those.
func (st *stripe) oldest() (oldest *subject) {
	for range evictLooks {
		if st.hand++; st.hand >= len(st.ring) {
			st.hand = 0
		}
		s := st.ring[st.hand]
		if len(s.inflight) > 0 {
			continue
		}
		if !s.used {
			return s
		}
		s.used, oldest = false, s
	}
	return oldest
}

// drop takes a subject out.
func (st *stripe) drop(s *subject) {
	end := len(st.ring) - 1
	last := st.ring[end]
	st.ring[s.pos], last.pos = last, s.pos
	st.ring[end] = nil
	st.ring = st.ring[:end]
	delete(st.byID, s.id())
}

// remember keeps what makes it cheap to fold somebody again who leaves the cache, if anybody.
func (l *Ledger) remember(s *subject) {
	if s == nil {
		return
	}
	for _, c := range s.chains.all() {
		l.lengths.note(c.key.Ref(), c.seq)
	}
}

// errStale says that what the cache says of a person is not what the key tree says.
// Whoever gets it forgets the person and tries once more; after that it is what
// the caller is told.
var errStale = &BusyError{What: "this data is being erased right now"}

// again returns nil where a request that failed should be tried again, with how
// often it was tried: where the queue was full, when there is room in it, and where
// the cache was wrong, with the person loaded anew. The caller holds the lock, which
// is let go while the queue is full: the others of the stripe have contexts too.
func (st *stripe) again(ctx context.Context, lg *log.Log, id string, err error, try int) (int, error) {
	switch {
	case errors.Is(err, log.ErrBusy):
		st.mu.Unlock()
		defer st.mu.Lock()
		return try, lg.Room(ctx)
	case try == 0 && errors.Is(err, errStale):
		st.forget(id)
		return 1, nil
	}
	return try, storeError(err)
}

// fits reports whether a chain in the cache, or that there is none, goes with a
// key that was just made, or was not. Between
// the death of a key and the moment in which an erasure makes the cache forget the
// person, a new key may take its place, whose chain begins at one; and a person who
// was loaded while a key could not be read lacks its chain, should the erasure have
// been cancelled.
func (s *subject) fits(known, fresh bool) bool {
	return known != fresh || !known && !s.partial
}

// forget drops a person from the cache, after what is queued about them is durable:
// whoever loads them next reads the store, and only memory knows of what is not in
// it yet. This is the one wait under the lock of a stripe; it is rare, and as long
// as one sync.
func (st *stripe) forget(id string) {
	sub := st.byID[id]
	if sub == nil {
		return
	}
	for _, q := range sub.inflight {
		_ = q.ticket.Wait(context.Background()) // where the log is broken, nothing is queued any more
	}
	st.drop(sub)
}

// settle moves what has become durable from speculative to committed.
func (s *subject) settle() {
	n := 0
	for _, q := range s.inflight {
		if !q.durable() {
			break // on its way, or the log is broken and the process is about to end
		}
		s.committed = q.commit(s.committed)
		q.after = nil
		q.forgetEvents()
		n++
	}
	rest := copy(s.inflight, s.inflight[n:])
	clear(s.inflight[rest:])
	s.inflight = s.inflight[:rest]
	if rest == 0 {
		// Both say the same, except that this one knows the indexes.
		s.speculative = s.committed
		// What held more than one held it in memory of its own, and the first was left behind here.
		s.one.inflight[0] = nil
		s.inflight = s.one.inflight[:0]
	}
}

// commit returns the state after the request, which is durable now.
func (q *Submission) commit(state *consent.State) *consent.State {
	if q.exact {
		return q.after
	}
	for i, ev := range q.events {
		if next, err := state.ApplyRecorded(ev, q.ticket.Index(i), q.at); err == nil {
			state = next
		}
		// An error cannot be: the same event was applied to the speculative
		// state before it was sealed. If the fold has a fault, the event stays
		// recorded and the state does not change.
	}
	return state
}

// loadSubject folds a person from the store.
func (l *Ledger) loadSubject(ctx context.Context, id string) (*subject, error) {
	s := newSubject(personKey(id), l.subjects.order(id))
	keys, err := l.tree.Keys(ctx, s.key)
	if err != nil {
		return nil, fmt.Errorf("looking up the keys of a subject: %w", err)
	}
	if err := l.fold(ctx, s, keys); err != nil {
		return nil, err
	}
	s.speculative = s.committed
	if len(s.unread) == 0 { // otherwise what is written may know more
		l.keepDays(s, s.committed)
		l.keepMarks(keys, s.committed)
	}
	return s, nil
}

// A folded is a part of what a person's keys list: an event that was opened, or a run of
// events that are only counted.
type folded struct {
	index  uint64 // of the event, or of the last of the run
	event  *event.Event
	run    consent.Tally
	damage error // why the event cannot be read
}

// fold folds what is under some keys of a person into their state, in the order of the
// log, and notes where each key's chain ends.
func (l *Ledger) fold(ctx context.Context, s *subject, keys []keystore.KeyInfo) error {
	if len(keys) == 0 {
		return nil
	}
	v := l.view()
	defer v.Close()
	var parts []folded
	whole, err := l.eachLiving(ctx, keys, func(k keystore.KeyInfo, lease *keystore.Lease) error {
		end, under, err := l.foldUnder(ctx, v, lease)
		if err != nil || end.seq == 0 {
			return err
		}
		end.key, end.day = lease.Key(), k.Expiry
		s.chains = append(s.chains, chainOf{chainKey{k.Compartment, k.Cohort}, end})
		for _, p := range under {
			if p.damage != nil {
				s.unread = append(s.unread, Unread{p.index, k.Compartment, k.Cohort.String(), p.damage})
			} else {
				parts = append(parts, p)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.partial = !whole
	sort.Slice(parts, func(i, j int) bool { return parts[i].index < parts[j].index })
	for _, p := range parts {
		if p.event == nil {
			s.committed = s.committed.ApplyTally(p.run)
			continue
		}
		next, err := s.committed.Apply(p.event, p.index)
		if err != nil {
			// Sealed events were valid when they were recorded; a later version of
			// the rules must not make a person unreadable.
			s.noteBlind(s.committed, p.event)
			continue
		}
		s.committed = next
	}
	return nil
}

// foldUnder returns the parts under one key, from the newest to the oldest, and where its
// chain ends. A run is one part, and what it counts is not read. A row that is missing or
// damaged below others is a part that is damaged, named by the entry behind it.
func (l *Ledger) foldUnder(ctx context.Context, v *view, lease *keystore.Lease) (end chain, parts []folded, _ error) {
	seq, row, err := listEnd(ctx, v, lease, l.lengths.of(lease.Ref()))
	if err != nil || seq == 0 {
		return end, nil, err
	}
	end.seq = seq
	damage := row.damage
	if damage == nil {
		var leaf []byte
		if leaf, damage = v.Leaf(ctx, row.index); damage == nil {
			end.head = merkle.LeafHash(leaf)
		}
	}
	for {
		part := folded{index: row.index, damage: damage}
		if damage == nil {
			part.run = l.tallyOf(lease, v.generation(), seq, &row)
			if seq == end.seq {
				end.run = part.run
			}
			if part.run.Count == 0 {
				var e Entry
				e, part.damage = l.open(ctx, v, lease, row.index)
				part.event = e.Event
			}
		}
		if ctx.Err() != nil {
			return end, nil, ctx.Err()
		}
		if part.damage != nil && part.index != unknownIndex {
			part.damage = fmt.Errorf("entry %d: %w", part.index, part.damage)
		}
		parts = append(parts, part)
		if seq -= max(1, part.run.Count); seq == 0 {
			return end, parts, nil
		}
		next, there, err := readListed(ctx, v, lease, seq)
		if err != nil {
			return end, nil, err
		}
		switch {
		case !there:
			damage = fmt.Errorf("row %d of the list of its key, before its own, is missing", seq)
		case next.damage != nil:
			damage = fmt.Errorf("row %d of the list of its key, before its own: %w", seq, next.damage)
		default:
			row, damage = next, nil
		}
	}
}

// Entry is one event of the log as its key opens it.
type Entry struct {
	Index       uint64
	Event       *event.Event // full form, with _seq, _prev and _recorded
	Compartment string
	Cohort      keystore.Cohort
	Expiry      uint16 // day on which its key may be destroyed, 0 where none is set yet
	Public      bool

	leaf []byte
}

// eventsOf opens every event under the keys of a tree subject, in the order of
// the log. Keys that are being erased are left out.
func (l *Ledger) eventsOf(ctx context.Context, s keystore.Subject) ([]Entry, error) {
	keys, err := l.tree.Keys(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("looking up the keys of a subject: %w", err)
	}
	return l.eventsOfKeys(ctx, keys)
}

// eventsOfKeys is eventsOf for keys that are known.
func (l *Ledger) eventsOfKeys(ctx context.Context, keys []keystore.KeyInfo) (out []Entry, _ error) {
	if len(keys) == 0 {
		return nil, nil
	}
	snap := l.view()
	defer snap.Close()
	_, err := l.eachLiving(ctx, keys, func(k keystore.KeyInfo, lease *keystore.Lease) (err error) {
		out, err = l.eventsUnder(ctx, snap, lease, k, out)
		return err
	})
	if err != nil {
		return nil, err
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Index < out[j].Index })
	return out, nil
}

// eachLiving calls f with a lease of each of some keys that lives, and says whether all do.
func (l *Ledger) eachLiving(ctx context.Context, keys []keystore.KeyInfo, f func(keystore.KeyInfo, *keystore.Lease) error) (whole bool, _ error) {
	whole = true
	for _, k := range keys {
		lease, err := l.leaseLiving(ctx, k.Ref)
		if err != nil {
			return false, err
		}
		if lease == nil {
			whole = false
			continue
		}
		err = f(k, lease)
		lease.Done()
		if err != nil {
			return false, err
		}
	}
	return whole, nil
}

// leaseLiving takes a lease of a key that a walk came by; nil, without an error, where
// the key is gone or about to go.
func (l *Ledger) leaseLiving(ctx context.Context, ref keystore.Ref) (*keystore.Lease, error) {
	lease, err := l.tree.LeaseOf(ctx, ref)
	if errors.Is(err, keystore.ErrErasing) || errors.Is(err, keystore.ErrNoKey) {
		return nil, nil
	}
	return lease, err
}

// eventsUnder appends what a key lists.
func (l *Ledger) eventsUnder(ctx context.Context, v *view, lease *keystore.Lease, k keystore.KeyInfo, out []Entry) ([]Entry, error) {
	err := eachListed(ctx, v, lease, func(_ uint64, row *listValue) error {
		if row.damage == nil && row.index >= v.Head().Size {
			row.damage = fmt.Errorf("%w: it leads nowhere", errListRow)
		}
		if row.damage != nil {
			return row.damage
		}
		e, err := l.open(ctx, v, lease, row.index)
		if err != nil {
			return fmt.Errorf("entry %d: %w", row.index, err)
		}
		e.Compartment, e.Cohort, e.Expiry = k.Compartment, k.Cohort, k.Expiry
		out = append(out, e)
		return nil
	})
	return out, err
}

// open reads and opens entry index with the key of a lease.
func (l *Ledger) open(ctx context.Context, v *view, lease *keystore.Lease, index uint64) (Entry, error) {
	leaf, err := v.Leaf(ctx, index)
	if err != nil {
		return Entry{}, err
	}
	if envelope.IsPublic(leaf) {
		ev, err := publicEvent(leaf)
		return Entry{Index: index, Event: ev, Public: true, leaf: leaf}, err
	}
	env, err := l.envelope(ctx, v, index, leaf)
	if err != nil {
		return Entry{}, err
	}
	text, err := envelope.Open(lease, env)
	if err != nil {
		return Entry{}, err
	}
	ev, err := event.Parse(text)
	if err != nil {
		return Entry{}, fmt.Errorf("sealed event is malformed: %w", err)
	}
	return Entry{Index: index, Event: ev, leaf: leaf}, nil
}

// envelope reads entry index's envelope and takes the mask off.
func (l *Ledger) envelope(ctx context.Context, v *view, index uint64, leaf []byte) ([]byte, error) {
	env, err := v.Get(ctx, envelopeKey(v.generation(), index))
	if err != nil {
		return nil, fmt.Errorf("reading an envelope: %w", err)
	}
	env = append([]byte(nil), env...)
	v.mask.Envelope(leaf, env)
	return env, nil
}

// personKey, organisationKey: the key tree's subjects are prefixed, so that no
// identifier a controller may choose can name a key that is the ledger's own.
func personKey(id string) keystore.Subject { return keystore.Subject(personPrefix + id) }

const personPrefix = "s:"

const (
	organisation      = keystore.Subject("o:register")
	publicCompartment = "public" // the list of public statements; nothing is sealed under it
)
