package bench

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// A Bare is the floor under the ledger: the same keys, seals, leaves and rows in
// the same log, without parsing, register, state, retries or retention.
type Bare struct {
	log    *log.Log
	tree   *keystore.Tree
	order  sync.Mutex
	people int
	events map[int][]envelope.Member // by size
}

// NewBare makes a log and a key tree below a folder.
func NewBare(ctx context.Context, dir string, people int) (*Bare, error) {
	b := &Bare{people: people, events: make(map[int][]envelope.Member)}
	for _, size := range []int{Small, Large} {
		members, err := FullMembers(size)
		if err != nil {
			return nil, err
		}
		b.events[size] = members
	}
	var err error
	if b.log, err = newLog(ctx, filepath.Join(dir, "bare"), "esqk"); err != nil {
		return nil, err
	}
	hs := []keystore.Holder{holder.NewMem()}
	if b.tree, err = keystore.Create(ctx, logRows{b.log}, hs, keystore.Options{Order: &b.order}); err != nil {
		b.log.Close()
		return nil, fmt.Errorf("creating a key tree to measure: %w", err)
	}
	for p := range people {
		if err := b.create(ctx, p); err != nil {
			b.Close()
			return nil, fmt.Errorf("making keys: %w", err)
		}
	}
	return b, nil
}

// newLog creates and opens a log with a key of its own.
func newLog(ctx context.Context, dir, spaces string) (*log.Log, error) {
	skey, vkey, err := merkle.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, err
	}
	signer, err := merkle.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	o := log.Options{Origin: origin, Signer: signer, VKey: vkey, Spaces: []byte(spaces)}
	if err := log.Create(dir, o); err != nil {
		return nil, fmt.Errorf("creating a log to measure: %w", err)
	}
	return log.Open(ctx, dir, o)
}

// FullMembers returns the members of an event of a size as they are sealed, but
// for those that differ from event to event.
func FullMembers(size int) ([]envelope.Member, error) {
	ev, err := event.Parse(NewEvents(size, 1, 1).Next())
	if err != nil {
		return nil, err
	}
	ev = ev.WithMembers(
		event.Member{Name: "actor", Value: []byte(`{"role":"append","service":"bench"}`)},
		event.Member{Name: "advertising", Value: []byte("true")},
		event.Member{Name: "event_time", Value: []byte(`"2026-05-04T12:20:00.000Z"`)},
		event.Member{Name: "schema", Value: []byte("1")},
	).WithChain(1000, [32]byte{1}, time.Unix(1777897200, 0))
	return envelope.Split(ev.Canonical())
}

func (b *Bare) key(ctx context.Context, person int) (*keystore.Lease, error) {
	return b.tree.Use(ctx, keystore.Subject("s:"+Person(person)), "marketing", 0)
}

func (b *Bare) create(ctx context.Context, person int) error {
	lease, err := b.key(ctx, person)
	if err != nil {
		return err
	}
	defer lease.Done()
	b.order.Lock()
	defer b.order.Unlock()
	_, err = enqueueNew(b.log, lease)
	return err
}

// Name implements [Path].
func (b *Bare) Name() string { return "bare" }

// Caller implements [Path].
func (b *Bare) Caller(size, window int, seed uint64) func(context.Context) (int, error) {
	rng := mrand.New(mrand.NewPCG(seed, 2))
	members := b.events[size]
	tickets := make([]*log.Ticket, 0, window)
	leases := make([]*keystore.Lease, 0, window)
	seq := seed << 32
	return func(ctx context.Context) (int, error) {
		tickets, leases = tickets[:0], leases[:0]
		for range window {
			lease, err := b.key(ctx, rng.IntN(b.people))
			if err != nil {
				return 0, err
			}
			leases = append(leases, lease)
			seq++
			e, err := b.entry(lease, members, seq)
			if err != nil {
				return 0, err
			}
			t, err := enqueue(b.log, e)
			if err != nil {
				return 0, err
			}
			tickets = append(tickets, t)
		}
		for i, t := range tickets {
			if err := t.Wait(ctx); err != nil {
				return 0, err
			}
			leases[i].Done()
		}
		return window, nil
	}
}

// entry is what the ledger makes of an event: leaf, envelope, list row, tag.
func (b *Bare) entry(lease *keystore.Lease, members []envelope.Member, seq uint64) (log.Entry, error) {
	sealed, err := envelope.SealMembers(lease, envelope.ChaCha20Poly1305, originHash, members)
	if err != nil {
		return log.Entry{}, err
	}
	const g = 1
	const listed = 8 + keystore.SealedListedSize
	buf := make([]byte, 34+21+listed+36)
	leaf, key, mask, tag := buf[:34:34], buf[34:55:55], buf[55:55+listed:55+listed], buf[55+listed:]
	copy(leaf, sealed.Leaf[:])
	b.tree.Mask(g).Envelope(leaf, sealed.Envelope)
	name := lease.RowName(g, seq)
	key[0] = 's'
	binary.BigEndian.PutUint32(key[1:], g)
	copy(key[5:], name[:16])
	copy(mask, name[16:])
	id := b.tree.RequestTag(name[:])
	copy(tag, id[:])
	return log.Entry{Leaf: leaf, Order: seq, Rows: []log.Row{
		{Key: envelopeRow, Value: sealed.Envelope, Place: log.KeyIndex},
		{Key: key, Value: mask, Place: log.ValueMask},
		{Key: tagRow, Value: tag, Place: log.Gather},
	}}, nil
}

var (
	originHash  = envelope.Origin(origin)
	envelopeRow = []byte("e\x00\x00\x00\x01")
	tagRow      = []byte("q")
)

// Close closes the tree and the log.
func (b *Bare) Close() error { return errors.Join(b.tree.Close(), b.log.Close()) }

// A Leaves is the log alone: a leaf and no rows, as logs without personal data
// have them.
type Leaves struct{ log *log.Log }

// NewLeaves makes a log below a folder.
func NewLeaves(ctx context.Context, dir string) (*Leaves, error) {
	l, err := newLog(ctx, filepath.Join(dir, "leaves"), "")
	if err != nil {
		return nil, err
	}
	return &Leaves{l}, nil
}

// Name implements [Path].
func (l *Leaves) Name() string { return "log" }

// Caller implements [Path]. Leaves are random and of the given size.
func (l *Leaves) Caller(size, window int, seed uint64) func(context.Context) (int, error) {
	leaf := LeafMaker(size, seed)
	tickets := make([]*log.Ticket, 0, window)
	return func(ctx context.Context) (int, error) {
		tickets = tickets[:0]
		for range window {
			t, err := enqueue(l.log, log.Entry{Leaf: leaf()})
			if err != nil {
				return 0, err
			}
			tickets = append(tickets, t)
		}
		for _, t := range tickets {
			if err := t.Wait(ctx); err != nil {
				return 0, err
			}
		}
		return window, nil
	}
}

// LeafMaker returns a source of random leaves, each in memory of its own.
func LeafMaker(size int, seed uint64) func() []byte {
	rng := mrand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	return func() []byte {
		b := make([]byte, size)
		rng.Read(b)
		return b
	}
}

// Close closes the log.
func (l *Leaves) Close() error { return l.log.Close() }

// enqueue waits while the queue is full.
func enqueue(l *log.Log, e log.Entry) (*log.Ticket, error) {
	return whileBusy(func() (*log.Ticket, error) { return l.Enqueue([]log.Entry{e}) })
}

// enqueueNew queues what a new key changed, and waits while the queue is full. Nobody
// else may take a key meanwhile.
func enqueueNew(l *log.Log, lease *keystore.Lease) (*log.Ticket, error) {
	var c log.Change
	for _, kv := range lease.TakePending() {
		c.Set = append(c.Set, log.Row{Key: kv.Key, Value: kv.Value})
	}
	return whileBusy(func() (*log.Ticket, error) { return l.EnqueueChange(c) })
}

func whileBusy(enqueue func() (*log.Ticket, error)) (*log.Ticket, error) {
	for {
		t, err := enqueue()
		if !errors.Is(err, log.ErrBusy) {
			return t, err
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// logRows gives a key tree its rows in a log.
type logRows struct{ log *log.Log }

func (r logRows) Get(ctx context.Context, key []byte) ([]byte, error) {
	v, err := r.log.Get(ctx, key)
	if errors.Is(err, log.ErrNotFound) {
		return nil, keystore.ErrNoRow
	}
	return v, err
}

func (r logRows) Scan(ctx context.Context, from, to []byte, f func(k, v []byte) error) error {
	return r.log.Scan(ctx, from, to, f)
}

func (r logRows) Enqueue(set []keystore.KV, del [][2][]byte) (func(context.Context) error, error) {
	c := log.Change{DeleteRange: del}
	for _, kv := range set {
		c.Set = append(c.Set, log.Row{Key: kv.Key, Value: kv.Value})
	}
	t, err := r.log.EnqueueChange(c)
	if err != nil {
		return nil, err
	}
	return t.Wait, nil
}
