package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// Seams are what tests put below a ledger.
type Seams struct {
	Log     func(*log.Options)
	Holders func() ([]keystore.Holder, error)
	Tree    func(*keystore.Options)
	Erasure func(*erasure.Options)
}

func (s Seams) hooks() hooks { return hooks{s.Log, s.Holders, s.Tree, s.Erasure} }

// InitOn is Init on what the seams give.
func InitOn(ctx context.Context, o InitOptions, s Seams) error {
	o.hooks = s.hooks()
	return Init(ctx, o)
}

// OpenOn is Open on what the seams give.
func OpenOn(ctx context.Context, o Options, s Seams) (*Ledger, error) {
	o.hooks = s.hooks()
	return Open(ctx, o)
}

// Spaces are the first bytes of the rows that the ledger may write.
var Spaces = spaces

// CachedState returns what the cache says of a person, serialised: what is
// committed, and what the next request is validated against. ok is false where
// the person is not cached.
func CachedState(l *Ledger, person string) (committed, speculative []byte, ok bool) {
	st := l.subjects.stripe(person)
	st.mu.Lock()
	defer st.mu.Unlock()
	sub := st.byID[person]
	if sub == nil {
		return nil, nil, false
	}
	sub.settle()
	return marshal(sub.committed), marshal(sub.speculative), true
}

// StoredState folds a person's events from the store, past the cache.
func StoredState(ctx context.Context, l *Ledger, person string) ([]byte, error) {
	sub, err := l.loadSubject(ctx, person)
	if err != nil {
		return nil, err
	}
	return marshal(sub.committed), nil
}

// StateOfEvents folds a person from every one of their events, as if no list row said
// of which run it is the end.
func StateOfEvents(ctx context.Context, l *Ledger, person string) ([]byte, error) {
	entries, err := l.eventsOf(ctx, personKey(person))
	if err != nil {
		return nil, err
	}
	var s *consent.State
	for _, e := range entries {
		if next, err := s.Apply(e.Event, e.Index); err == nil {
			s = next
		}
	}
	return marshal(s), nil
}

// PartsOf returns how many events and runs a person is folded from.
func PartsOf(ctx context.Context, l *Ledger, person string) (events, runs int, _ error) {
	keys, err := l.tree.Keys(ctx, personKey(person))
	if err != nil {
		return 0, 0, err
	}
	v := l.view()
	defer v.Close()
	for _, k := range keys {
		lease, err := l.tree.LeaseOf(ctx, k.Ref)
		if err != nil {
			return 0, 0, err
		}
		_, parts, err := l.foldUnder(ctx, v, lease)
		lease.Done()
		if err != nil {
			return 0, 0, err
		}
		for _, p := range parts {
			if p.event != nil {
				events++
			} else {
				runs++
			}
		}
	}
	return events, runs, nil
}

// LateRun returns the newest list row of a person's only key with a run in it whose last
// event is a second later than it was, sealed as it should be.
func LateRun(ctx context.Context, l *Ledger, person string) (key string, value []byte, err error) {
	keys, err := l.tree.Keys(ctx, personKey(person))
	if err != nil || len(keys) != 1 {
		return "", nil, fmt.Errorf("%d keys: %w", len(keys), err)
	}
	lease, err := l.tree.LeaseOf(ctx, keys[0].Ref)
	if err != nil {
		return "", nil, err
	}
	defer lease.Done()
	v := l.view()
	defer v.Close()
	seq, row, err := listEnd(ctx, v, lease, 1)
	if err != nil {
		return "", nil, err
	}
	run := l.tallyOf(lease, v.generation(), seq, &row)
	run.Last += 1000
	text := putTally(run, printOf(run.Purpose))
	var k listKey
	var b listBody
	b.put(&k, lease, v.generation(), seq, &text)
	binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^row.index)
	return string(k[:]), b[:], nil
}

// ListBody is how long the value of a list row is.
const ListBody = len(listBody{})

// PrintOf is what stands for a purpose in a list row.
func PrintOf(purpose string) uint32 { return printOf(purpose) }

func marshal(s *consent.State) []byte {
	b, err := s.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return b
}

// Chains returns the ends of a person's chains as the cache has them.
func Chains(ctx context.Context, l *Ledger, person string) (map[string]uint64, error) {
	st := l.subjects.stripe(person)
	st.mu.Lock()
	defer st.mu.Unlock()
	sub, err := l.subject(ctx, st, person)
	if err != nil {
		return nil, err
	}
	ends := make(map[string]uint64)
	for k, c := range sub.chains.all() {
		ends[k.compartment+" "+k.cohort.String()] = c.seq
	}
	return ends, nil
}

// Evict drops a person from the cache as memory pressure would: not while
// something of theirs is queued.
func Evict(l *Ledger, person string) {
	st := l.subjects.stripe(person)
	st.mu.Lock()
	defer st.mu.Unlock()
	if sub := st.byID[person]; sub != nil {
		if sub.settle(); len(sub.inflight) == 0 {
			l.remember(sub)
			st.drop(sub)
		}
	}
}

// Tree gives the key tree.
func Tree(l *Ledger) *keystore.Tree { return l.tree }

// Erasures gives the erasure engine.
func Erasures(l *Ledger) *erasure.Engine { return l.erasure }

// Person names a person in the key tree.
func Person(id string) keystore.Subject { return personKey(id) }

// FlushDays writes the last days that are waiting to be written.
func FlushDays(l *Ledger) { l.keeper.flush() }

// LeafHashOf returns the leaf hash of an entry.
func LeafHashOf(e Entry) merkle.Hash { return merkle.LeafHash(e.leaf) }

// DayTime is the date of a day number.
func DayTime(day uint16) time.Time { return dayTime(day) }

// Pending is how many erasures are neither recorded nor cancelled.
func (l *Ledger) Pending() int { return len(l.erasure.Pending()) }

// PublishAgain publishes a statement that is in the log already.
func PublishAgain(ctx context.Context, l *Ledger, statement []byte) error {
	_, _, err := erasureLedger{l}.Publish(ctx, statement)
	return err
}

// LockOrder holds the lock under which changes of key pages reach the queue.
func LockOrder(l *Ledger) (unlock func()) {
	l.order.Lock()
	return l.order.Unlock
}

// QueueKeys queues changes of key pages as whoever holds the order lock does.
func QueueKeys(ctx context.Context, l *Ledger, kvs []keystore.KV) error {
	wait, err := treeRows{l.log}.Enqueue(kvs, nil)
	if err != nil {
		return err
	}
	return wait(ctx)
}

// FsckErased compares a report with what erasures accounted for.
func FsckErased(ctx context.Context, l *Ledger, r *FsckReport, before erasure.Account) error {
	return l.fsckErased(ctx, r, nil, accounted{Account: before})
}

// FsckSwapped compares with erasures what a report says, as if one entry did not open and
// another did: by number, and then one by one.
func FsckSwapped(ctx context.Context, l *Ledger, r *FsckReport, lost, alive uint64) error {
	r.opened[lost], r.opened[alive] = false, true
	r.closed = newBitmap(r.Size)
	r.closed.set(lost)
	account, err := l.erasure.Account(ctx)
	if err != nil {
		return err
	}
	v := l.view()
	defer v.Close()
	gone, err := l.gone(ctx, v)
	if err != nil {
		return err
	}
	if l.fsckSums(r, account, account); len(r.Problems) > 0 {
		return nil
	}
	return l.fsckErased(ctx, r, v, accounted{account, gone})
}

// Decoders of what is read back.
var (
	EachTag       = eachTag
	ParseConfig   = parseConfig
	ParseManifest = parseManifest
	ManifestText  = (*Manifest).text
	HeadSize      = headSize
)

// Misplace makes the ledger believe that the tag of an id may stand at an index, as
// one does that is like the tag there as far as memory holds it.
func Misplace(l *Ledger, id string, index uint64) {
	l.tags.mu.Lock()
	defer l.tags.mu.Unlock()
	l.tags.durable.add(l.tags.of(id), index)
}

// DrillWith is Drill with another root, or another page folder, than the ledger's.
func DrillWith(ctx context.Context, l *Ledger, o DrillOptions, roots []keystore.Holder, pages *string) (*Drilled, error) {
	o.roots, o.pages = roots, pages
	return l.Drill(ctx, o)
}

// SetListRows says how many list rows a sweep may have in memory at once.
func SetListRows(l *Ledger, n uint64) { l.sweeper.lists = n }

// ListsInLots returns what living keys list, from lots of about so many rows, and
// ListsByRow one row after the other.
func ListsInLots(ctx context.Context, l *Ledger, most uint64) (map[keystore.Ref][]uint64, int, error) {
	v := l.view()
	defer v.Close()
	lists := map[keystore.Ref][]uint64{}
	lots := lotsOf(v.Head().Size, most)
	for _, lot := range lots {
		t, err := readLot(ctx, v, lot, func(int) error { return nil })
		if err != nil {
			return nil, 0, err
		}
		err = l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
			lease, err := l.leaseLiving(ctx, k.Ref)
			if lease == nil {
				return err
			}
			defer lease.Done()
			return t.each(lease, func(_ int, _, index uint64) error {
				lists[k.Ref] = append(lists[k.Ref], index)
				return nil
			})
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return lists, len(lots), nil
}

func ListsByRow(ctx context.Context, l *Ledger) (map[keystore.Ref][]uint64, error) {
	v := l.view()
	defer v.Close()
	lists := map[keystore.Ref][]uint64{}
	return lists, l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		lease, err := l.leaseLiving(ctx, k.Ref)
		if lease == nil {
			return err
		}
		defer lease.Done()
		return eachListed(ctx, v, lease, func(_ uint64, row *listValue) error {
			lists[k.Ref] = append(lists[k.Ref], row.index)
			return nil
		})
	})
}

// RaiseFeeds does what an erasure does when its keys are fenced.
func RaiseFeeds(l *Ledger) error { return l.feeds.raise(l.log) }

// OnStripesOfTheirOwn returns the names of n people whose requests do not wait for
// each other.
func OnStripesOfTheirOwn(l *Ledger, n int) []string {
	var people []string
	taken := map[*stripe]bool{}
	for i := 0; len(people) < n; i++ {
		person := fmt.Sprintf("person-%d", i)
		if st := l.subjects.stripe(person); !taken[st] {
			taken[st] = true
			people = append(people, person)
		}
	}
	return people
}

// LockStripe keeps requests of a person, and what is done when they are durable,
// from going on until unlock is called.
func LockStripe(l *Ledger, person string) (unlock func()) {
	st := l.subjects.stripe(person)
	st.mu.Lock()
	return st.mu.Unlock
}

// TakeTurns keeps workers of batches from going on until they are given back.
func TakeTurns(l *Ledger) (give func()) {
	for range cap(l.workers) {
		l.workers <- struct{}{}
	}
	return func() {
		for range cap(l.workers) {
			<-l.workers
		}
	}
}

// TallyText returns the text of a run, and what is read in it.
func TallyText(t consent.Tally) (text tallyText, read consent.Tally, print uint32, err error) {
	text = putTally(t, printOf(t.Purpose))
	read, print, err = parseTally(&text)
	return text, read, print, err
}

// PutTally returns the text of a run whose purpose has a print.
func PutTally(t consent.Tally, print uint32) [keystore.ListedSize]byte { return putTally(t, print) }

// ParseTally reads the text of a run.
func ParseTally(text [keystore.ListedSize]byte) (consent.Tally, uint32, error) {
	return parseTally(&text)
}

// ListEnds returns how many events each key of a person lists, looked for from a guess, and
// what would be guessed.
func ListEnds(ctx context.Context, l *Ledger, person string, guess uint64) (ends, guesses []uint64, _ error) {
	keys, err := l.tree.Keys(ctx, personKey(person))
	if err != nil {
		return nil, nil, err
	}
	v := l.view()
	defer v.Close()
	for _, k := range keys {
		lease, err := l.tree.LeaseOf(ctx, k.Ref)
		if err != nil {
			return nil, nil, err
		}
		n, _, err := listEnd(ctx, v, lease, guess)
		lease.Done()
		if err != nil {
			return nil, nil, err
		}
		ends, guesses = append(ends, n), append(guesses, l.lengths.of(k.Ref))
	}
	return ends, guesses, nil
}
