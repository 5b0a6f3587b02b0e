package keystore

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/lacunalog/lacuna/merkle/sha2"
)

// Step makes a tree call f at every step of an epoch and of recovery.
func (o Options) Step(f func(string) error) Options {
	o.step = f
	return o
}

// Bug switches one mistake on.
func (o Options) Bug(name string) Options {
	switch name {
	case "page key kept":
		o.bugs.pageKeyKept = true
	case "root kept":
		o.bugs.rootKept = true
	case "old root wrapped under the new":
		o.bugs.rootWrapped = true
	case "an epoch forgets holds":
		o.bugs.marksLost = true
	case "system page left out":
		o.bugs.systemKept = true
	case "part of a page keeps the key of the whole":
		firstChildOnly = true
	case "a sweep keeps a mask that nobody asked for":
		o.bugs.maskKept = true
	case "a sweep loses the mask of the newest backup":
		o.bugs.maskLost = true
	case "":
	default:
		panic(name)
	}
	return o
}

// Bugs are the names that Bug knows.
var Bugs = []string{"page key kept", "root kept", "old root wrapped under the new", "an epoch forgets holds", "system page left out", "part of a page keeps the key of the whole", "a sweep keeps a mask that nobody asked for", "a sweep loses the mask of the newest backup"}

// NoBug switches off what Bug switches on for all trees.
func NoBug() { firstChildOnly = false }

// Capacity makes leaf pages smaller.
func (o Options) Capacity(n int) Options {
	o.capacity = n
	return o
}

// Batch makes what is queued at once smaller.
func (o Options) Batch(bytes int) Options {
	o.batch = bytes
	return o
}

// Shape counts the leaf pages and interior pages of a tree, and its levels.
func (t *Tree) Shape() (leaves, interiors, levels int, err error) {
	err = t.walkPages(context.Background(), func(p *page, missing *PageMissingError) error {
		switch {
		case missing != nil:
			return missing
		case p.kind == kindLeaf:
			leaves++
		case p.kind == kindInterior:
			interiors++
		}
		levels = max(levels, int(p.at.level))
		return nil
	}, func() error { return nil })
	return leaves, interiors, levels, err
}

// DEK returns the key of a lease, for the oracle to look for.
func (t *Tree) DEK(r Ref) (Secret, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p, err := t.lockLeaf(context.Background(), t.cur, t.sys.Load().routeOf(&r.id.tag))
	if err != nil {
		return Secret{}, false
	}
	defer p.mu.Unlock()
	e := p.find(r.id)
	if e == nil {
		return Secret{}, false
	}
	return e.dek, true
}

// Tag returns the tag of a ref.
func (r Ref) Tag() [16]byte { return r.id.tag }

// RowsKeyOf derives K_rows of a DEK.
func RowsKeyOf(dek Secret) Secret {
	var d derived
	d.load(&dek)
	return d.kRows
}

// OpenRowOf opens a row that was sealed under a DEK.
func OpenRowOf(dek Secret, name, sealed []byte) ([]byte, error) {
	var d derived
	d.load(&dek)
	return d.openRow(name, sealed)
}

// SystemSecrets returns the secrets that a sweep replaces; but for the mask of an earlier
// generation that was kept, which KeptMask returns.
func (t *Tree) SystemSecrets() []Secret {
	s := t.sys.Load()
	all := []Secret{s.kRoute}
	for _, g := range s.gens[s.at():] {
		all = append(all, g.env, g.esc)
	}
	return all
}

// KeptMask returns the secret of the mask that a sweep kept, and its generation, which is 0
// if there is none.
func (t *Tree) KeptMask() (g uint32, mask Secret) {
	if first := t.sys.Load().gens[0]; first.kept() {
		return first.g, first.env
	}
	return 0, mask
}

// Shells is how many pages the cache has without their entries.
func (t *Tree) Shells() int {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	return len(t.table.shells.pages)
}

// Resident is how many pages are in the cache, Pinned how many may not leave it.
func (t *Tree) Resident() (all, pinned int) {
	t.table.each(func(p *page) {
		all++
		if p.pinned.Load() {
			pinned++
		}
	})
	return all, pinned
}

// Unsettled counts the pages of the running epoch of which memory does not know that the
// rows have them, and fails where one of the others differs from its newest row.
func (t *Tree) Unsettled(tb testing.TB) (n int) {
	t.table.each(func(p *page) {
		switch {
		case p.epoch != t.next.epoch:
		case p.wrote:
			n++
		case p.dirty() || !t.table.settled(p):
			tb.Errorf("page %s is not in the rows as it is", p.path())
		}
	})
	return n
}

// Held is how many pages are held because somebody is about to come back to them.
func (t *Tree) Held() (n int) {
	t.table.each(func(p *page) {
		if p.held.Load() != 0 {
			n++
		}
	})
	return n
}

// DefaultDecoys is how many pages an epoch re-keys beside those of the erased.
const DefaultDecoys = defaultDecoys

// Spread calls f with every number below n.
func Spread(n int, f func(i int) error) error { return spread(n, spreadLeast, f) }

// LoadedKeys is how many keys are in the cache.
func (t *Tree) LoadedKeys() int {
	n := 0
	for i := range t.keys.shards {
		t.keys.shards[i].mu.Lock()
		n += len(t.keys.shards[i].m)
		t.keys.shards[i].mu.Unlock()
	}
	return n
}

// PathOf says on which page a key lies.
func (t *Tree) PathOf(r Ref) Path {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p, err := t.leaf(context.Background(), t.cur, t.sys.Load().routeOf(&r.id.tag))
	if err != nil {
		return Path{}
	}
	return p.path()
}

// SkipHeld makes epochs trust what holders answered.
func SkipHeld() (restore func()) {
	trustHolders = true
	return func() { trustHolders = false }
}

// Secrets are what a thief derived: keys of subjects and the states of HMAC under
// them; keys of pages, the root among them; and what names a subject's rows.
func (t *Thief) Secrets() (keys, pages, traces []Secret) {
	for dek := range t.deks {
		keys = append(keys, dek)
	}
	for _, k := range t.stolen {
		keys = append(keys, k.d.prk.forms()...)
		traces = append(append(traces, k.d.kRows), k.d.rows.forms()...)
	}
	return keys, t.keys, traces
}

// forms are the states of a MAC as they lie in memory, and as they are marshalled.
func (m *mac) forms() (fs []Secret) {
	for _, s := range []sha2.State{m.inner, m.outer} {
		var lies Secret
		for i, w := range s {
			binary.NativeEndian.PutUint32(lies[4*i:], w)
		}
		fs = append(fs, lies, s.Digest())
	}
	return fs
}

// DropCaches wipes every key and page in memory that is not in use, so that the next
// who asks for one reads it.
func (t *Tree) DropCaches() {
	for i := range t.keys.shards {
		s := &t.keys.shards[i]
		s.mu.Lock()
		for _, q := range s.m {
			if q.leases == 0 && !q.untaken {
				s.drop(q)
			}
		}
		s.mu.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	for range 4 { // the first look clears the marks of use, and a page above others leaves behind them
		t.table.empty(len(t.table.whole.pages))
		for _, r := range []*ring{&t.table.shells, &t.table.above} {
			t.table.evict(r, len(r.pages), len(r.pages))
		}
	}
}

// Unwiped looks at the interior pages that are in the cache now. What it returns counts,
// later, how many of them have left, and how many of these still have a key.
func (t *Tree) Unwiped() func() (left, unwiped int) {
	var ps []*page
	t.table.each(func(p *page) {
		if p.kind == kindInterior {
			ps = append(ps, p)
		}
	})
	return func() (left, unwiped int) {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, p := range ps {
			if !p.gone {
				continue
			}
			left++
			if *p.children != ([slots]Secret{}) || p.slotKey != (Secret{}) {
				unwiped++
			}
		}
		return left, unwiped
	}
}

// EmptyPages makes a shell of every page that may become one.
func (t *Tree) EmptyPages() {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	for range 2 { // the first look clears the marks of use
		t.table.empty(len(t.table.whole.pages))
	}
}

// StealWithin is Steal with another bound for how many images are tried under every key.
func StealWithin(ctx context.Context, rows []KV, hs []Holder, everywhere int) (*Thief, error) {
	return steal(ctx, rows, hs, everywhere)
}

// leafPlaintext, childrenPlaintext and plaintext are what the images of such pages say.
func leafPlaintext(es []entry) []byte           { return appendLeaf(nil, es) }
func childrenPlaintext(c *[slots]Secret) []byte { return appendChildren(nil, c) }
func (s *system) plaintext() []byte             { return s.appendPlaintext(nil) }
