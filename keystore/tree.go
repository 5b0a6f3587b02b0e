package keystore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a tree works. The zero value works.
type Options struct {
	// Order is the lock that the caller holds between taking the pending changes
	// of a page and queueing them: deltas of a page are chained, and have to reach
	// the queue in the order in which they were taken. The tree locks it around
	// its own writes. Default: a lock of its own.
	Order sync.Locker
	// PageTarget keeps the pages of every epoch in a second place, durably, before
	// the old root dies. Without one, the loss of the rows loses everybody whose
	// pages were written since the last backup.
	PageTarget PageTarget
	// Next are the holders that an interrupted [Tree.PrepareHolders] was leading to.
	// Open finds out whether it got there, and owns them like the others; nil where
	// no change is under way.
	Next []Holder
	// Now is the clock, for the day on which a key was made. Default: time.Now.
	Now func() time.Time
	// CachePages is how many opened pages are kept, about 6 KiB each at most. Of five times
	// as many all but their entries is kept, about 600 bytes each, and of all of these the
	// pages above, about 2.5 KiB each. Default 1,536.
	CachePages int
	// CacheKeys is how many loaded keys are kept, about 340 bytes each. Default 16,384.
	CacheKeys int
	// Decoys is how many pages beside those of the erased an epoch re-keys.
	// Default 4; negative for none.
	Decoys int

	// step is called with the name of every step of an epoch, for tests that stop
	// there.
	step func(string) error
	bugs bugs
	// capacity is how many entries a leaf page has before it is split, fewer in
	// tests that want deep trees.
	capacity int
	// batch is how many bytes are queued at once, fewer in tests that want pieces.
	batch int
}

const defaultDecoys = 4

func (o *Options) defaults() {
	if o.Order == nil {
		o.Order = new(sync.Mutex)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CachePages <= 0 {
		o.CachePages = 1536
	}
	if o.CacheKeys <= 0 {
		o.CacheKeys = 16384
	}
	switch {
	case o.Decoys == 0:
		o.Decoys = defaultDecoys
	case o.Decoys < 0:
		o.Decoys = 0
	}
	if o.capacity == 0 {
		o.capacity = maxEntries
	}
	if o.batch == 0 {
		o.batch = maxBatch
	}
	if o.step == nil {
		o.step = func(string) error { return nil }
	}
}

// A Tree is an open key tree. It is safe for concurrent use; an epoch, and each
// single lease, are for one goroutine.
type Tree struct {
	rows    Rows
	holders []Holder
	opts    Options
	id      TreeID

	// mu orders lookups and changes of contents (read) before changes of the
	// tree's shape and of its epoch (write). Nothing is synced under it. Order
	// comes before mu, mu before a page, a page before a shard of keys.
	mu   sync.RWMutex
	cur  *view
	next *view // what an epoch is about to put in its place
	// doomed are the keys that the running epoch erases.
	doomed map[keyID]bool
	// creations pause while a sweep copies, and only then.
	gate sync.RWMutex

	sys     atomic.Pointer[system] // of cur
	nextSys atomic.Pointer[system] // of next, nil where there is none

	table *table
	keys  *keys
	loads [64]sync.Mutex // one page is read once

	// Guarded by Order.
	unwritten map[*page]bool // in memory only, because what was taken was not queued
	undo      []undo         // of the last taking
	parts     map[part]bool  // pages that came out of a split and were not shipped
	noted     []KV           // rows that remember some of these, of the last taking
	undone    bool           // the last taking was taken back

	garbage garbage
	decoys  decoys

	running  atomic.Bool // an epoch
	stale    [][2][]byte // rows of attempts whose removal failed; the running epoch's
	recovery Recovery
	closed   atomic.Bool
}

// A view is the tree as one root shows it.
type view struct {
	gen     uint32
	epoch   uint64
	attempt Attempt
	top     *page
	sys     *page
}

// Info says what the tree is.
type Info struct {
	Tree       TreeID
	Epoch      uint64
	Attempt    Attempt
	Generation uint32
	Level      Level // of the holders together
	Holders    []Caps
	PageTarget bool // pages of an epoch are kept in a second place
	SecretMode bool // derivations run inside Go's runtime/secret
}

// Info says what the tree is now.
func (t *Tree) Info() Info {
	t.mu.RLock()
	v, caps := t.cur, capsOf(t.holders)
	t.mu.RUnlock()
	return Info{
		Tree: t.id, Epoch: v.epoch, Attempt: v.attempt, Generation: v.gen,
		Level: levelOf(caps), Holders: caps,
		PageTarget: t.opts.PageTarget != nil, SecretMode: runtimeSecret,
	}
}

// Generation is that of the tree. Rows are written under it, and while a sweep
// fills the next one under that, too.
func (t *Tree) Generation() uint32 { return t.system().generation() }

// system returns the current system secrets. After Close there are none, and
// what asks for them gets a page of zeroes.
func (t *Tree) system() *system {
	if s := t.sys.Load(); s != nil {
		return s
	}
	panic("keystore: used after Close")
}

// Mask returns the mask of a generation. It panics for one that the tree has no
// mask for.
func (t *Tree) Mask(g uint32) Mask {
	gen := t.system().gen(g)
	if n := t.nextSys.Load(); gen == nil && n != nil {
		gen = n.gen(g)
	}
	if gen == nil {
		panic(fmt.Sprintf("keystore: no mask for generation %d", g))
	}
	return Mask{gen}
}

// RequestTag is under which a request's id is remembered for a day.
func (t *Tree) RequestTag(id []byte) (tag [16]byte) {
	var out [32]byte
	s := t.system()
	s.tags.sum(&out, []byte{1}, id)
	copy(tag[:], out[:])
	return tag
}

// ContentMAC tells a repeated request from another one with the same id.
func (t *Tree) ContentMAC(content []byte) (mac [16]byte) {
	var out [32]byte
	s := t.system()
	s.tags.sum(&out, []byte{2}, content)
	copy(mac[:], out[:])
	return mac
}

// Blind is HMAC(K_esc of generation g, u64 i), which hides the bit of leaf i in
// the erased-set commitment.
func (t *Tree) Blind(g uint32, i uint64) (out [32]byte, err error) {
	s := t.system()
	gen := s.gen(g)
	if n := t.nextSys.Load(); gen == nil && n != nil {
		gen = n.gen(g)
	}
	if gen == nil || gen.kept() {
		return out, fmt.Errorf("no blinding key for generation %d", g)
	}
	gen.escMAC.number(&out, i)
	return out, nil
}

// Create makes a tree on rows that have none, with holders that keep nothing.
//
// If it stops before the last holder has its share, there is no tree: the rows
// and the holders that were made for it are to be thrown away.
func Create(ctx context.Context, rows Rows, hs []Holder, o Options) (*Tree, error) {
	if err := Usable(); err != nil {
		return nil, err
	}
	o.defaults()
	if len(hs) == 0 {
		return nil, Hinted("give a file outside the data directory", "creating a key tree without a root holder: %w", ErrHolderMissing)
	}
	if err := distinct(hs); err != nil {
		return nil, err
	}
	switch gens, err := generations(ctx, rows); {
	case err != nil:
		return nil, err
	case len(gens) > 0:
		return nil, fmt.Errorf("creating a key tree: %w", ErrExists)
	}
	for _, h := range hs {
		switch shares, err := h.Current(ctx); {
		case err != nil:
			return nil, fmt.Errorf("reading a root holder: %w", err)
		case len(shares) > 0:
			return nil, Hinted("choose a new place for the root: this one still opens another ledger", "creating a key tree: the holder keeps a root: %w", ErrExists)
		}
	}
	t := newTree(rows, hs, o)
	copyRandom(t.id[:])
	v := &view{gen: 1, epoch: 1}
	copyRandom(v.attempt[:])
	shares := draw(hs)
	v.top = newTop(v.gen, v.epoch, deriveRoot(t.id, v.epoch, v.attempt, shares))
	v.top.children = randomChildren()
	v.sys = newPage(kindSystem, systemAddr, slotBits, v.gen, v.epoch, v.top)
	v.sys.sys = newSystem(v.gen)
	leaf := newPage(kindLeaf, addr{1, 0}, 0, v.gen, v.epoch, v.top)
	kvs := make([]KV, 0, 3)
	for _, p := range []*page{leaf, v.sys, v.top} {
		kvs = append(kvs, p.image(t.id))
		p.force = false
		p.pinned.Store(p != leaf)
		t.table.put(p)
	}
	// Pages before the root: a root without pages opens nothing.
	if err := t.put(ctx, kvs, nil); err != nil {
		return nil, fmt.Errorf("writing the first key pages: %w", err)
	}
	if err := t.ship(ctx, v.epoch, kvs); err != nil {
		return nil, err
	}
	for _, h := range hs {
		s := shares[h.Caps().ID]
		if err := h.Prepare(ctx, Share{t.id, v.epoch, v.attempt, s}); err != nil {
			return nil, fmt.Errorf("giving the root to its holder: %w", err)
		}
	}
	t.install(v)
	return t, nil
}

func newTree(rows Rows, hs []Holder, o Options) *Tree {
	return &Tree{
		rows: rows, holders: hs, opts: o,
		table: newTable(rows, o.CachePages), keys: newKeys(o.CacheKeys),
		unwritten: make(map[*page]bool), parts: make(map[part]bool),
	}
}

// install makes v the current view.
func (t *Tree) install(v *view) {
	t.cur = v
	t.sys.Store(v.sys.sys)
}

// draw makes a share for every holder.
func draw(hs []Holder) map[HolderID]Secret {
	shares := make(map[HolderID]Secret, len(hs))
	for _, h := range hs {
		shares[h.Caps().ID] = newSecret()
	}
	return shares
}

func (t *Tree) ship(ctx context.Context, epoch uint64, kvs []KV) error {
	if t.opts.PageTarget == nil {
		return nil
	}
	if err := t.opts.PageTarget.Ship(ctx, epoch, kvs); err != nil {
		return fmt.Errorf("shipping key pages to their second place: %w", err)
	}
	return nil
}

func distinct(hs []Holder) error {
	seen := make(map[HolderID]bool)
	for _, h := range hs {
		id := h.Caps().ID
		if seen[id] {
			return errors.New("two root holders have the same id")
		}
		seen[id] = true
	}
	return nil
}

// Close wipes what the tree has in memory and closes its holders. It is not to
// be called while the tree is in use.
func (t *Tree) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.table.removeIf(func(*page) bool { return true })
	for i := range t.keys.shards {
		s := &t.keys.shards[i]
		s.mu.Lock()
		for _, k := range s.m {
			s.drop(k)
		}
		s.mu.Unlock()
	}
	t.sys.Store(nil)
	t.nextSys.Store(nil)
	var errs []error
	for _, h := range t.holders {
		errs = append(errs, h.Close())
	}
	return errors.Join(errs...)
}
