package keystore

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
)

// A Thief is the adversary of the promise that erasing is for good: somebody who
// holds every row that was ever written, from backups and copies of any date, and
// the root as it is now. It derives whatever can be derived from them, without
// asking which page is the newest, or whose attempt it was: every key it finds is
// tried on every image, until nothing new opens. Where there are very many images, it
// tries what an interior page gives only on those that lie below that page, of any
// date. It serves drills and demonstrations; what an erasure destroyed it must not
// find, and everything else it must.
type Thief struct {
	images  []loot
	below   map[addr][]int  // images, by where the page above them lies
	deltas  map[addr][]loot // by the page that they change
	known   map[Secret]bool
	keys    []Secret     // the root, and keys of children as they are
	parents []stolenPage // what was found in interior pages
	stolen  []*StolenKey
	deks    map[Secret]bool
	systems []*system
}

type loot struct {
	raw    []byte
	before [32]byte // of a delta: the hash of the row before it
	tree   TreeID
	row    rowKey
	kind   kind  // of an image
	bits   uint8 // of an image
	opened bool  // a delta that opened once gives nothing new
}

type stolenPage struct {
	at       addr
	children *[slots]Secret
}

// everywhere is of how many images at most all are tried under every key. That grows
// with the square of their number, and takes a few seconds for so many.
const everywhere = 1500

// A StolenKey is a key of a subject that a thief derived.
type StolenKey struct{ d derived }

// EventSecret is as that of a [Lease].
func (k *StolenKey) EventSecret(suite byte, e [16]byte) (s [32]byte) {
	k.d.eventSecret(suite, &e, &s)
	return s
}

// OpenRow is as that of a [Lease], and may be tried on any row.
func (k *StolenKey) OpenRow(name, sealed []byte) ([]byte, error) {
	if len(name) < minRowName {
		return nil, errWrongKey
	}
	return k.d.openRow(name, sealed)
}

// RowsKey is as that of a [Lease].
func (k *StolenKey) RowsKey() RowsKey { return RowsKey{k.d.kRows, k.d.rows} }

// Steal takes rows of any number of copies of a store, in any order, and what the
// holders keep now.
func Steal(ctx context.Context, rows []KV, hs []Holder) (*Thief, error) {
	if err := Usable(); err != nil {
		return nil, err
	}
	return steal(ctx, rows, hs, everywhere)
}

func steal(ctx context.Context, rows []KV, hs []Holder, everywhere int) (*Thief, error) {
	t := &Thief{known: make(map[Secret]bool), deks: make(map[Secret]bool), below: make(map[addr][]int), deltas: make(map[addr][]loot)}
	t.take(rows)
	roots, err := t.roots(ctx, hs)
	if err != nil {
		return nil, err
	}
	all := make([]int, len(t.images))
	for i := range all {
		all[i] = i
	}
	if len(all) > everywhere {
		// A child's key as it is seals nothing, so only roots are.
		for _, k := range roots {
			t.tryKey(k, all)
		}
		for p := 0; p < len(t.parents) && ctx.Err() == nil; p++ {
			t.tryParent(&t.parents[p], t.below[t.parents[p].at])
		}
		return t, ctx.Err()
	}
	// Each key and each set of children is tried once on everything; what opens may
	// add to both.
	for k, p := 0, 0; (k < len(t.keys) || p < len(t.parents)) && ctx.Err() == nil; {
		if k < len(t.keys) {
			t.tryKey(t.keys[k], all)
			k++
			continue
		}
		t.tryParent(&t.parents[p], all)
		p++
	}
	return t, ctx.Err()
}

func (t *Thief) tryKey(key Secret, images []int) {
	m := newMAC(key[:])
	for _, i := range images {
		t.try(&m, &t.images[i])
	}
}

// tryParent tries on images what they would be sealed under if they lay below a page.
// p may move meanwhile.
func (t *Thief) tryParent(p *stolenPage, images []int) {
	children := p.children
	for _, i := range images {
		if x := &t.images[i]; x.row.at.level > 0 {
			key := pageKey(children, x.row.at, x.bits)
			m := newMAC(key[:])
			t.try(&m, x)
		}
	}
}

// take sorts the rows into images and deltas. Two copies may hold different rows
// under one key; both are kept.
func (t *Thief) take(rows []KV) {
	seen := make(map[[32]byte]bool)
	var trees []TreeID
	var deltas []loot
	prior := make(map[rowKey][][32]byte) // hashes of all rows under a key
	for _, kv := range rows {
		k, err := parseRowKey(kv.Key)
		if err != nil || k.gen == housekeeping {
			continue
		}
		hash := sha256.Sum256(kv.Value)
		if seen[hash] {
			continue
		}
		seen[hash] = true
		prior[k] = append(prior[k], hash)
		if h, _, err := parseHeader(kv.Value); err == nil {
			if k.at.level > 0 {
				above := addr{k.at.level - 1, k.at.above()}
				t.below[above] = append(t.below[above], len(t.images))
			}
			t.images = append(t.images, loot{raw: kv.Value, tree: h.tree, row: k, kind: h.kind, bits: h.bits})
			if !slices.Contains(trees, h.tree) {
				trees = append(trees, h.tree)
			}
			continue
		}
		deltas = append(deltas, loot{raw: kv.Value, row: k})
	}
	// A delta is bound to its tree and to the row before it: all that could be are tried.
	for _, d := range deltas {
		before := d.row
		before.n--
		for _, hash := range prior[before] {
			for _, tree := range trees {
				d.before, d.tree = hash, tree
				t.deltas[d.row.at] = append(t.deltas[d.row.at], d)
			}
		}
	}
}

// roots derives the root of every attempt that all holders have a share of.
func (t *Thief) roots(ctx context.Context, hs []Holder) (roots []Secret, err error) {
	type attempt struct {
		tree    TreeID
		epoch   uint64
		attempt Attempt
	}
	shares := make(map[attempt]map[HolderID]Secret)
	for _, h := range hs {
		have, err := h.Current(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading a root holder: %w", err)
		}
		for _, s := range have {
			a := attempt{s.Tree, s.Epoch, s.Attempt}
			if shares[a] == nil {
				shares[a] = make(map[HolderID]Secret)
			}
			shares[a][h.Caps().ID] = s.Secret
		}
	}
	for a, m := range shares {
		if len(m) == len(hs) {
			root := deriveRoot(a.tree, a.epoch, a.attempt, m)
			t.learn(root)
			roots = append(roots, root)
		}
	}
	return roots, nil
}

func (t *Thief) learn(key Secret) {
	if !t.known[key] {
		t.known[key] = true
		t.keys = append(t.keys, key)
	}
}

// try tries a key on an image, and where it opens on the deltas of that page.
func (t *Thief) try(m *mac, x *loot) {
	text, err := openImage(m, x.raw)
	if err != nil {
		return
	}
	switch x.kind {
	case kindSystem:
		if s, err := parseSystem(text); err == nil {
			t.systems = append(t.systems, s)
		}
	case kindLeaf:
		if es, err := parseLeaf(text); err == nil {
			for i := range es {
				t.steal(&es[i])
			}
		}
	default:
		if c, err := parseChildren(text); err == nil {
			t.parents = append(t.parents, stolenPage{x.row.at, c})
			for i := range c {
				t.learn(c[i])
			}
		}
	}
	deltas := t.deltas[x.row.at]
	for i := range deltas {
		d := &deltas[i]
		var e entry
		if !d.opened && openDelta(m, &d.tree, d.row.at, d.row.epoch, d.row.n, &d.before, d.raw, &e) == nil {
			d.opened = true
			t.steal(&e)
		}
	}
}

func (t *Thief) steal(e *entry) {
	if t.deks[e.dek] {
		return
	}
	t.deks[e.dek] = true
	if e.flags&flagAlias != 0 {
		return // it seals nothing
	}
	k := new(StolenKey)
	k.d.load(&e.dek)
	t.stolen = append(t.stolen, k)
}

// Keys returns the keys of subjects that were derived.
func (t *Thief) Keys() []*StolenKey { return t.stolen }

// Masks returns the masks of all generations that were derived.
func (t *Thief) Masks() (masks []Mask) {
	for _, s := range t.systems {
		for i := range s.gens {
			masks = append(masks, Mask{&s.gens[i]})
		}
	}
	return masks
}

// RequestTags returns the tags that a request's id has under the secrets that were
// derived, as [Tree.RequestTag] would.
func (t *Thief) RequestTags(id []byte) (tags [][16]byte) {
	for _, s := range t.systems {
		var out [32]byte
		s.tags.sum(&out, []byte{1}, id)
		tags = append(tags, [16]byte(out[:16]))
	}
	return tags
}

// Rekeyed returns, for each name that is guessed, how many of the page rows of an
// epoch lie where the keys of that name would lie, under any of the routes that were
// derived. Who was erased in the epoch has some; so have those who share a page.
func (t *Thief) Rekeyed(rows []KV, epoch uint64, names []Subject) []int {
	type place struct {
		start uint64
		bits  uint8
	}
	var places []place
	for _, kv := range rows {
		k, err := parseRowKey(kv.Key)
		if err != nil || k.gen == housekeeping || k.epoch != epoch || k.n != 0 {
			continue
		}
		if h, _, err := parseHeader(kv.Value); err == nil && h.kind == kindLeaf {
			places = append(places, place{k.at.start, h.bits})
		}
	}
	hits := make([]int, len(names))
	for i, name := range names {
		for _, s := range t.systems {
			tag := s.tag(name)
			route := s.routeOf(&tag)
			for _, p := range places {
				if route >= p.start && route <= last(p.start, uint(p.bits)) {
					hits[i]++
				}
			}
		}
	}
	return hits
}
