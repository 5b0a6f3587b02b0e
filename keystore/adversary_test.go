package keystore

import (
	"crypto/sha256"
	"fmt"

	"golang.org/x/crypto/chacha20"
)

// An Adversary has every row that was ever written, wherever it was copied, and
// every number that is public: ids, epochs, attempts. It knows how everything is
// derived.
type Adversary struct {
	Tree     TreeID
	Epochs   uint64
	Attempts []Attempt
	// Shares are the secrets that may be a holder's share: what its device shows.
	Shares map[HolderID][]Secret

	images map[addr][]rawImage // by the page above
	deltas map[addr][]rawDelta
	tried  map[trial]bool
	loot   Loot
}

// Loot is what the adversary can derive.
type Loot struct {
	DEKs   map[Secret]bool
	Tags   map[[16]byte]bool
	System map[Secret]bool
	Roots  int // top pages opened
	From   map[Secret]string
}

type rawImage struct {
	h   header
	raw []byte
}

type rawDelta struct {
	at  addr
	raw []byte
}

type trial struct {
	at   addr
	bits uint8
	key  Secret
}

// above is where the page above a page lies.
func above(at addr) addr { return addr{at.level - 1, at.above()} }

// Search computes the closure of what can be derived.
func (a *Adversary) Search(rows []KV) Loot {
	a.images = make(map[addr][]rawImage)
	a.deltas = make(map[addr][]rawDelta)
	a.tried = make(map[trial]bool)
	a.loot = Loot{DEKs: make(map[Secret]bool), Tags: make(map[[16]byte]bool), System: make(map[Secret]bool), From: make(map[Secret]string)}
	seen := make(map[[32]byte]bool)
	for _, kv := range rows {
		sum := sha256.Sum256(kv.Value)
		if seen[sum] {
			continue
		}
		seen[sum] = true
		if h, _, err := parseHeader(kv.Value); err == nil {
			at := topAddr
			if h.at != topAddr {
				at = above(h.at)
				at.level++ // the page above the top page's children is not the top page's own
			}
			a.images[at] = append(a.images[at], rawImage{h, kv.Value})
		} else if k, err := parseRowKey(kv.Key); err == nil && k.at.level > 0 && len(kv.Value) == deltaLen {
			at := above(k.at)
			at.level++
			a.deltas[at] = append(a.deltas[at], rawDelta{k.at, kv.Value})
		}
	}
	for _, shares := range combinations(a.Shares) {
		for epoch := uint64(1); epoch <= a.Epochs; epoch++ {
			for _, at := range a.Attempts {
				a.root(deriveRoot(a.Tree, epoch, at, shares))
			}
		}
	}
	return a.loot
}

// combinations are all choices of one secret of each holder, or of none: the
// adversary does not know who kept a share of which root.
func combinations(all map[HolderID][]Secret) []map[HolderID]Secret {
	out := []map[HolderID]Secret{{}}
	for id, secrets := range all {
		more := out
		for _, c := range out {
			for _, s := range secrets {
				d := map[HolderID]Secret{id: s}
				for k, v := range c {
					d[k] = v
				}
				more = append(more, d)
			}
		}
		out = more
	}
	return out
}

// first reports whether a key was not tried yet on pages at an address.
func (a *Adversary) first(at addr, bits uint8, key Secret) bool {
	t := trial{at, bits, key}
	if a.tried[t] {
		return false
	}
	a.tried[t] = true
	return true
}

// root uses a key on every top page.
func (a *Adversary) root(key Secret) {
	if !a.first(topAddr, 0, key) {
		return
	}
	m := newMAC(key[:])
	for _, img := range a.images[topAddr] {
		a.image(&m, img)
	}
}

func (a *Adversary) image(m *mac, img rawImage) {
	if text, err := openImage(m, img.raw); err == nil {
		a.open(img.h, text)
	}
}

// below uses the child keys of a page on everything below it.
func (a *Adversary) below(at addr, c *[slots]Secret) {
	at.level++
	for _, img := range a.images[at] {
		key := pageKey(c, img.h.at, img.h.bits)
		if !a.first(img.h.at, img.h.bits, key) {
			continue
		}
		m := newMAC(key[:])
		for _, other := range a.images[at] {
			if other.h.at == img.h.at && other.h.bits == img.h.bits {
				a.image(&m, other)
			}
		}
		for _, d := range a.deltas[at] {
			if d.at == img.h.at {
				a.delta(&m, d)
			}
		}
	}
}

func (a *Adversary) delta(m *mac, d rawDelta) {
	// Who only wants to read need not know what came before.
	var k [32]byte
	m.expand(k[:], labelDelta, d.raw[:saltLen])
	c, err := chacha20.NewUnauthenticatedCipher(k[:], zeroNonce[:])
	if err != nil {
		panic(err)
	}
	c.SetCounter(1)
	var text [entrySize]byte
	c.XORKeyStream(text[:], d.raw[saltLen:saltLen+entrySize])
	var e entry
	if e.parse(text[:]) == nil {
		a.loot.DEKs[e.dek], a.loot.Tags[e.tag] = true, true
		a.loot.From[e.dek] = fmt.Sprintf("a delta of page %v", d.at)
	}
}

func (a *Adversary) open(h header, text []byte) {
	switch h.kind {
	case kindLeaf:
		es, err := parseLeaf(text)
		if err != nil {
			panic(err)
		}
		for _, e := range es {
			a.loot.DEKs[e.dek], a.loot.Tags[e.tag] = true, true
			a.loot.From[e.dek] = fmt.Sprintf("image %v of epoch %d, version %d", h.path(), h.epoch, h.version)
		}
	case kindSystem:
		s, err := parseSystem(text)
		if err != nil {
			panic(err)
		}
		a.loot.System[s.kRoute] = true
		for _, g := range s.gens {
			a.loot.System[g.env], a.loot.System[g.esc] = true, true
		}
	default:
		c, err := parseChildren(text)
		if err != nil {
			panic(err)
		}
		if h.kind == kindTop {
			a.loot.Roots++
		}
		a.below(h.at, c)
		if h.kind == kindTop {
			for i := range c {
				a.root(c[i]) // something may have been hidden there
			}
		}
	}
}
