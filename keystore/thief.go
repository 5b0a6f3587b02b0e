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
// asking which page is the newest, whose attempt it was, or whether a tree would
// look there: every key it knows is tried on every image it has, until nothing
// new opens. It serves drills and demonstrations; what an erasure destroyed it
// must not find, and everything else it must.
type Thief struct {
	images  []loot
	deltas  []loot
	known   map[Secret]bool
	keys    []Secret // page keys, the root among them
	stolen  []*StolenKey
	deks    map[Secret]bool
	systems []*system
}

type loot struct {
	hash   [32]byte
	raw    []byte
	before [32]byte // of a delta: the hash of the row before it
	tree   TreeID
	row    rowKey
}

// A StolenKey is a key of a subject that a thief derived.
type StolenKey struct{ d derived }

// EventSecret is as that of a [Lease].
func (k *StolenKey) EventSecret(suite byte, e [16]byte) (s [32]byte) {
	k.d.eventSecret(suite, &e, &s)
	return s
}

// Steal takes rows of any number of copies of a store, in any order, and what the
// holders keep now.
func Steal(ctx context.Context, rows []KV, hs []Holder) (*Thief, error) {
	t := &Thief{known: make(map[Secret]bool), deks: make(map[Secret]bool)}
	t.take(rows)
	if err := t.roots(ctx, hs); err != nil {
		return nil, err
	}
	for i := 0; i < len(t.keys); i++ {
		t.try(t.keys[i])
	}
	return t, nil
}

// take sorts the rows into images and deltas. Two copies may hold different rows
// under one key; both are kept.
func (t *Thief) take(rows []KV) {
	seen := make(map[[32]byte]bool)
	var trees []TreeID
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
			t.images = append(t.images, loot{hash: hash, raw: kv.Value, tree: h.tree, row: k})
			if !slices.Contains(trees, h.tree) {
				trees = append(trees, h.tree)
			}
			continue
		}
		t.deltas = append(t.deltas, loot{hash: hash, raw: kv.Value, row: k})
	}
	// A delta is bound to its tree and to the row before it: all that could be are tried.
	var deltas []loot
	for _, d := range t.deltas {
		before := d.row
		before.n--
		for _, hash := range prior[before] {
			for _, tree := range trees {
				d.before, d.tree = hash, tree
				deltas = append(deltas, d)
			}
		}
	}
	t.deltas = deltas
}

// roots derives the root of every attempt that all holders have a share of.
func (t *Thief) roots(ctx context.Context, hs []Holder) error {
	type attempt struct {
		tree    TreeID
		epoch   uint64
		attempt Attempt
	}
	shares := make(map[attempt]map[HolderID]Secret)
	for _, h := range hs {
		have, err := h.Current(ctx)
		if err != nil {
			return fmt.Errorf("reading a root holder: %w", err)
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
			t.learn(deriveRoot(a.tree, a.epoch, a.attempt, m))
		}
	}
	return nil
}

func (t *Thief) learn(key Secret) {
	if !t.known[key] {
		t.known[key] = true
		t.keys = append(t.keys, key)
	}
}

// try tries a key on everything.
func (t *Thief) try(key Secret) {
	m := newMAC(key[:])
	for _, x := range t.images {
		text, err := openImage(&m, x.raw)
		if err != nil {
			continue
		}
		if c, err := parseChildren(text); err == nil {
			for i := range c {
				t.learn(c[i])
			}
		}
		if s, err := parseSystem(text); err == nil {
			t.systems = append(t.systems, s)
		}
		if es, err := parseLeaf(text); err == nil {
			for i := range es {
				t.steal(&es[i])
			}
		}
	}
	for _, x := range t.deltas {
		var e entry
		if openDelta(&m, &x.tree, x.row.at, x.row.epoch, x.row.n, &x.before, x.raw, &e) == nil {
			t.steal(&e)
		}
	}
}

func (t *Thief) steal(e *entry) {
	if t.deks[e.dek] {
		return
	}
	t.deks[e.dek] = true
	k := new(StolenKey)
	k.d.load(&e.dek)
	t.stolen = append(t.stolen, k)
}

// Keys returns the keys of subjects that were derived.
func (t *Thief) Keys() []*StolenKey { return t.stolen }

// Unmask takes the mask off an envelope in place, once for each mask that was
// derived, and calls f after each; it stops where f returns true.
func (t *Thief) Unmask(leaf, env []byte, f func() bool) bool {
	for _, s := range t.systems {
		for i := range s.gens {
			s.gens[i].mask(leaf, env)
			if f() {
				return true
			}
			s.gens[i].mask(leaf, env)
		}
	}
	return false
}
