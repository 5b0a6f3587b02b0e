package erasure

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle"
)

// A world is everything around the engine that survives a crash: rows, root holder, log. It also keeps
// every row that was ever written, as write-ahead logs and backups do.
//
// Everything durable counts as one write. A world can be told to stop at the n-th write from now, before or
// after it takes effect; from then on nothing works until it is booted again.
type world struct {
	t      testing.TB
	holder keystore.Holder

	mu      sync.Mutex
	rows    map[string][]byte
	history []keystore.KV
	queue   []*change // of rows, until somebody waits
	log     [][]byte  // leaves
	writes  int
	stopAt  int  // 0: never
	effect  bool // whether the write at which it stops takes effect
	stopped bool
	deaf    bool // Published finds nothing: a control

	preserved bool // Guard refuses

	target keystore.PageTarget

	unclaimed []*Certificate

	now   time.Time
	order sync.Mutex
	tree  *keystore.Tree
	e     *Engine
	o     Options
}

var errStopped = errors.New("the world has stopped")

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, rows: make(map[string][]byte), now: time.Date(2026, 5, 4, 12, 31, 39, 5, time.UTC)}
	w.holder = &memory{id: keystore.HolderID{1}}
	tree, err := keystore.Create(t.Context(), worldRows{w}, []keystore.Holder{worldHolder{w.holder, w}}, w.treeOptions())
	if err != nil {
		t.Fatal(err)
	}
	w.tree = tree
	w.start()
	return w
}

func (w *world) treeOptions() keystore.Options {
	return keystore.Options{Order: &w.order, Now: w.clock, PageTarget: w.target}
}

// clock moves by a second whenever it is read.
func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Second)
	return w.now
}

func (w *world) start() []*Certificate {
	w.t.Helper()
	certs, err := w.tryStart()
	if err != nil {
		w.t.Fatal(err)
	}
	return certs
}

func (w *world) tryStart() ([]*Certificate, error) {
	o := w.o
	o.Now, o.Order = w.clock, &w.order
	o.Unclaimed = func(c *Certificate) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.stopped {
			w.unclaimed = append(w.unclaimed, c)
		}
	}
	e, err := Open(context.Background(), w.tree, worldLedger{w}, worldRows{w}, o)
	if err != nil {
		return nil, err
	}
	w.e = e
	return e.Resume(context.Background())
}

// boot opens everything again, as after a power failure.
func (w *world) boot() ([]*Certificate, error) {
	w.end()
	return w.reopen()
}

// end leaves of a process that has stopped what is durable.
func (w *world) end() {
	w.e.Close()
	w.order.TryLock() // a process that stops holds no locks
	w.order.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue, w.stopped, w.stopAt, w.writes = nil, false, 0, 0
}

func (w *world) reopen() ([]*Certificate, error) {
	tree, err := keystore.Open(context.Background(), worldRows{w}, []keystore.Holder{worldHolder{w.holder, w}}, w.treeOptions())
	if err != nil {
		return nil, fmt.Errorf("opening the tree: %w", err)
	}
	w.tree = tree
	return w.tryStart()
}

// stopIn makes the n-th write from now the last one.
func (w *world) stopIn(n int, effect bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes, w.stopAt, w.effect = 0, n, effect
}

// stop stops the world at once.
func (w *world) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
}

// crashBehind erases somebody and stops right behind a state; just before, it calls then.
func (w *world) crashBehind(s State, subject string, then func()) {
	w.t.Helper()
	w.e.o.at = func(at State) error {
		if at == s {
			then()
			w.stop()
			return errStopped
		}
		return nil
	}
	if _, err := w.e.Erase(w.t.Context(), w.erasing(subject)); err == nil {
		w.t.Fatal("the crash did not happen")
	}
}

// approver adds an approver to those whom the next boot knows.
func (w *world) approver(name string) merkle.Signer {
	w.t.Helper()
	secret, public, err := merkle.GenerateKey(rand.Reader, name)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := merkle.NewSigner(secret)
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := merkle.NewVerifier(public)
	if err != nil {
		w.t.Fatal(err)
	}
	w.o.Approvers = append(w.o.Approvers, v)
	return s
}

// write runs a durable effect, or stops. The caller holds mu.
func (w *world) write(effect func()) error {
	if w.stopped {
		return errStopped
	}
	w.writes++
	if w.writes == w.stopAt {
		w.stopped = true
		if w.effect {
			effect()
		}
		return errStopped
	}
	effect()
	return nil
}

type worldRows struct{ w *world }

func (r worldRows) Get(_ context.Context, key []byte) ([]byte, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if r.w.stopped {
		return nil, errStopped
	}
	v, ok := r.w.rows[string(key)]
	if !ok {
		return nil, keystore.ErrNoRow
	}
	return bytes.Clone(v), nil
}

func (r worldRows) Scan(_ context.Context, from, to []byte, f func(k, v []byte) error) error {
	r.w.mu.Lock()
	if r.w.stopped {
		r.w.mu.Unlock()
		return errStopped
	}
	var kvs []keystore.KV
	for _, k := range slices.Sorted(maps.Keys(r.w.rows)) {
		if k >= string(from) && k < string(to) {
			kvs = append(kvs, keystore.KV{Key: []byte(k), Value: bytes.Clone(r.w.rows[k])})
		}
	}
	r.w.mu.Unlock()
	for _, kv := range kvs {
		if err := f(kv.Key, kv.Value); err != nil {
			return err
		}
	}
	return nil
}

// Enqueue shows nothing yet, and what is not waited for is lost in a crash, as in the log's queue.
func (r worldRows) Enqueue(set []keystore.KV, del [][2][]byte) (func(context.Context) error, error) {
	if r.w.order.TryLock() {
		r.w.order.Unlock()
		r.w.t.Error("something is queued and its order is nobody's")
	}
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	c := &change{del: del}
	for _, kv := range set {
		c.set = append(c.set, keystore.KV{Key: bytes.Clone(kv.Key), Value: bytes.Clone(kv.Value)})
	}
	if r.w.stopped {
		c.err = errStopped
	} else {
		r.w.queue = append(r.w.queue, c)
	}
	return func(context.Context) error {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		for !c.done && c.err == nil {
			if r.w.stopped {
				return errStopped
			}
			r.w.flush()
		}
		return c.err
	}, nil
}

// A change is queued until somebody waits for it, or for what is queued behind it.
type change struct {
	set  []keystore.KV
	del  [][2][]byte
	done bool
	err  error
}

// sync makes durable what is queued, as the log does when it is closed.
func (w *world) sync() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drain()
}

// drain is sync for who holds mu.
func (w *world) drain() {
	for len(w.queue) > 0 && !w.stopped {
		w.flush()
	}
}

// flush writes the first change that is queued. The caller holds mu.
func (w *world) flush() {
	c := w.queue[0]
	w.queue = w.queue[1:]
	if !w.stopped {
		// Even a write that never takes effect may lie in a torn write-ahead log.
		w.history = append(w.history, c.set...)
	}
	c.err = w.write(func() {
		for _, d := range c.del {
			for k := range w.rows {
				if k >= string(d[0]) && k < string(d[1]) {
					delete(w.rows, k)
				}
			}
		}
		for _, kv := range c.set {
			w.rows[string(kv.Key)] = bytes.Clone(kv.Value)
		}
	})
	c.done = c.err == nil
}

// memory is a holder that forgets what it is told to destroy.
type memory struct {
	id     keystore.HolderID
	shares []keystore.Share
	fail   error // it does not answer
}

func (m *memory) Caps() keystore.Caps { return keystore.Caps{ID: m.id, Kind: "mem", Copies: 1} }
func (m *memory) Close() error        { return nil }

func (m *memory) Current(context.Context) ([]keystore.Share, error) {
	return slices.Clone(m.shares), nil
}

func (m *memory) Prepare(_ context.Context, s keystore.Share) error {
	if m.fail != nil {
		return m.fail
	}
	m.shares = append(slices.DeleteFunc(m.shares, func(o keystore.Share) bool { return o.Epoch == s.Epoch }), s)
	return nil
}

func (m *memory) Destroy(_ context.Context, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) (keystore.Statement, error) {
	s := keystore.Statement{Holder: m.id, Kind: "mem", Tree: tree, Epoch: epoch, Attempt: attempt, Overwritten: 1, Copies: 1}
	var keep []keystore.Share
	for _, h := range m.shares {
		if h.Epoch == epoch && h.Attempt == attempt {
			keep = append(keep, h)
		} else {
			s.Destroyed = append(s.Destroyed, h.Epoch)
		}
	}
	if len(keep) == 0 {
		return s, keystore.ErrNotHeld
	}
	m.shares = keep
	return s, nil
}

type worldHolder struct {
	keystore.Holder
	w *world
}

func (h worldHolder) Close() error { return nil } // the share outlives the process

func (h worldHolder) Current(ctx context.Context) ([]keystore.Share, error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if h.w.stopped {
		return nil, errStopped
	}
	return h.Holder.Current(ctx)
}

func (h worldHolder) Prepare(ctx context.Context, s keystore.Share) (err error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if e := h.w.write(func() { err = h.Holder.Prepare(ctx, s) }); e != nil {
		return e
	}
	return err
}

func (h worldHolder) Destroy(ctx context.Context, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) (s keystore.Statement, err error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if e := h.w.write(func() { s, err = h.Holder.Destroy(ctx, tree, epoch, attempt) }); e != nil {
		return s, e
	}
	return s, err
}

// worldLedger is a small ledger: each event is a row whose name only its key gives, with the text sealed in it.
type worldLedger struct{ w *world }

const (
	testOrigin     = "erasure.lacuna.test"
	testGeneration = 1
)

func (l worldLedger) Origin() string { return testOrigin }

func eventKey(t [32]byte) []byte { return append([]byte{'x'}, t[:16]...) }

// record seals an event.
func (w *world) record(subject, compartment, cohort, text string) error {
	ctx := context.Background()
	c, err := keystore.ParseCohort(cohort)
	if err != nil {
		return err
	}
	lease, err := w.tree.Use(ctx, keystore.Subject(subject), compartment, c)
	if err != nil {
		return err
	}
	defer lease.Done()
	w.order.Lock()
	defer w.order.Unlock()
	seq := w.count(lease.RowsKey()) + 1
	key := eventKey(lease.RowName(testGeneration, seq))
	row := keystore.KV{Key: key, Value: lease.SealRow(key, []byte(text))}
	var set []keystore.KV
	if lease.Pending() {
		set = lease.TakePending()
	}
	wait, err := worldRows{w}.Enqueue(append(set, row), nil)
	if err != nil {
		return err
	}
	return wait(ctx)
}

func (w *world) mustRecord(subject, compartment, cohort string, texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		if err := w.record(subject, compartment, cohort, text); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) count(k keystore.RowsKey) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := uint64(0); ; n++ {
		if _, ok := w.rows[string(eventKey(k.RowName(testGeneration, n+1)))]; !ok {
			return n
		}
	}
}

func (l worldLedger) CountEntries(_ context.Context, k keystore.RowsKey) (uint64, error) {
	if l.w.isStopped() {
		return 0, errStopped
	}
	return l.w.count(k), nil
}

func (l worldLedger) Fenced(context.Context) error { return nil }

// Guard forbids what the test forbids.
func (l worldLedger) Guard(context.Context, []keystore.KeyInfo) error {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.w.preserved {
		return ErrHeld
	}
	return nil
}

func (w *world) isStopped() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped
}

// under opens what a lease opens.
func under(ctx context.Context, rows keystore.Rows, lease *keystore.Lease) (texts []string, err error) {
	for seq := uint64(1); ; seq++ {
		key := eventKey(lease.RowName(testGeneration, seq))
		sealed, err := rows.Get(ctx, key)
		if errors.Is(err, keystore.ErrNoRow) {
			return texts, nil
		}
		if err != nil {
			return nil, err
		}
		text, err := lease.OpenRow(key, sealed)
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
	}
}

// read returns the events under one key.
func (w *world) read(subject, compartment, cohort string) ([]string, error) {
	return readFrom(w.tree, worldRows{w}, subject, compartment, cohort)
}

func readFrom(tree *keystore.Tree, rows keystore.Rows, subject, compartment, cohort string) ([]string, error) {
	c, err := keystore.ParseCohort(cohort)
	if err != nil {
		return nil, err
	}
	lease, err := tree.Find(context.Background(), keystore.Subject(subject), compartment, c)
	if err != nil {
		return nil, err
	}
	defer lease.Done()
	return under(context.Background(), rows, lease)
}

// Recipients reads events of the form "to RECIPIENT as REF".
func (l worldLedger) Recipients(ctx context.Context, _ keystore.Subject, keys []keystore.KeyInfo) ([]Recipient, error) {
	var rs []Recipient
	for _, k := range keys {
		lease, err := l.w.tree.LeaseOf(ctx, k.Ref)
		if err != nil {
			return nil, err
		}
		texts, err := under(ctx, worldRows(l), lease)
		lease.Done()
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			if f := strings.Fields(text); len(f) == 4 && f[0] == "to" {
				rs = append(rs, Recipient{ID: f[1], Ref: f[3]})
			}
		}
	}
	return rs, nil
}

func (l worldLedger) Publish(_ context.Context, statement []byte) (index uint64, leaf []byte, err error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	leaf = certificate.PublicLeaf(statement)
	l.w.drain()
	err = l.w.write(func() {
		l.w.log = append(l.w.log, leaf)
		index = uint64(len(l.w.log) - 1)
	})
	return index, leaf, err
}

func (l worldLedger) Published(_ context.Context, statement []byte) (uint64, bool, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.w.stopped {
		return 0, false, errStopped
	}
	for i, leaf := range slices.Backward(l.w.log) {
		if !l.w.deaf && bytes.Equal(leaf, certificate.PublicLeaf(statement)) {
			return uint64(i), true, nil
		}
	}
	return 0, false, nil
}

func (l worldLedger) Statement(_ context.Context, index uint64) ([]byte, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if index >= uint64(len(l.w.log)) {
		return nil, ErrNoStatement
	}
	return l.w.log[index][2:], nil
}

func (l worldLedger) Statements(_ context.Context, f func(uint64, []byte) bool) error {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	for i, leaf := range slices.Backward(l.w.log) {
		if !f(uint64(i), leaf[2:]) {
			break
		}
	}
	return nil
}

func (l worldLedger) Forget(keystore.Subject) {}

// keys returns a person's keys in some compartments; in all, if none is named.
func (w *world) keys(subject string, compartments ...string) []keystore.KeyInfo {
	w.t.Helper()
	ks, err := w.tree.Keys(context.Background(), keystore.Subject(subject))
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.DeleteFunc(ks, func(k keystore.KeyInfo) bool {
		return len(compartments) > 0 && !slices.Contains(compartments, k.Compartment)
	})
}

// erasing asks for the marketing of a person to be erased, and keeps their tax.
func (w *world) erasing(subject string) Request {
	return Request{
		Subject: keystore.Subject(subject), Name: strings.TrimPrefix(subject, "s:"), Keys: w.keys(subject, "marketing"), Reason: ReasonRequest,
		Kept: []Kept{{Compartment: "tax", Cohort: "2021", Reason: "§ 147 AO", Until: 21915}},
	}
}

// records returns the epoch records of the log with their indexes, and checks that they are a chain.
func (w *world) records() (rs []*Record, indexes []uint64) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var last *Digest
	for i, leaf := range w.log {
		r, err := certificate.ParseRecord(leaf[2:])
		if err != nil {
			w.t.Fatalf("entry %d: %v", i, err)
		}
		if (r.Previous == nil) != (last == nil) || last != nil && *r.Previous != *last {
			w.t.Errorf("entry %d does not continue the chain of records", i)
		}
		h := certificate.LeafHash(leaf[2:])
		last = &h
		rs, indexes = append(rs, r), append(indexes, uint64(i))
	}
	return rs, indexes
}

// verify checks a certificate against the log.
func (w *world) verify(c *Certificate) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	text, err := c.Marshal()
	if err != nil {
		w.t.Error(err)
		return
	}
	parsed, err := certificate.Parse(text)
	if err != nil {
		w.t.Error(err)
		return
	}
	if c.Record.Index >= uint64(len(w.log)) {
		w.t.Errorf("the certificate names entry %d of %d", c.Record.Index, len(w.log))
		return
	}
	if err := certificate.Verify(parsed, w.log[c.Record.Index][2:], c.Record.Index); err != nil {
		w.t.Error(err)
	}
}

// A thief has every row that was ever written, and the root as it is now.
type thief struct {
	tree *keystore.Tree
	rows worldRows
}

func (w *world) thief() *thief {
	w.t.Helper()
	w.mu.Lock()
	loot := &world{t: w.t, holder: w.holder, rows: make(map[string][]byte), now: w.now}
	for _, kv := range w.history {
		loot.rows[string(kv.Key)] = kv.Value
	}
	loot.history = w.history
	w.mu.Unlock()
	tree, err := keystore.Open(context.Background(), worldRows{loot}, []keystore.Holder{readOnly{w.holder}}, keystore.Options{Order: &loot.order})
	if err != nil {
		w.t.Fatalf("the thief cannot open the tree: %v", err)
	}
	return &thief{tree, worldRows{loot}}
}

// readOnly lets the thief look at the root without changing it.
type readOnly struct{ keystore.Holder }

func (readOnly) Close() error { return nil }
func (readOnly) Prepare(context.Context, keystore.Share) error {
	return errors.New("a thief only reads")
}
func (readOnly) Destroy(context.Context, keystore.TreeID, uint64, keystore.Attempt) (keystore.Statement, error) {
	return keystore.Statement{}, nil
}

// jobRows opens every job row that any key which the thief has opens.
func (th *thief) jobRows() (opened [][]byte, sealed int) {
	ctx := context.Background()
	var keys []keystore.Ref
	err := th.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		keys = append(keys, k.Ref)
		return nil
	})
	if err != nil {
		th.rows.w.t.Fatal(err)
	}
	for _, kv := range th.rows.w.history {
		if kv.Key[0] != space || kv.Key[1] == kindRecorded {
			continue
		}
		sealed++
		for _, ref := range keys {
			lease, err := th.tree.LeaseOf(ctx, ref)
			if err != nil {
				continue
			}
			if text, err := lease.OpenRow(kv.Key, kv.Value); err == nil {
				opened = append(opened, text)
			}
			lease.Done()
		}
	}
	return opened, sealed
}
