package keystore

import (
	"sync"
	"sync/atomic"
)

// A page is an opened page of the tree. What a page covers (bits), its kind and
// its children change only under the tree's write lock; the contents of a leaf
// page, and where its rows have got to, only under the page's own.
type page struct {
	at   addr
	bits uint8
	kind kind
	gen  uint32 // generation of its rows
	mac  mac    // HMAC under the page's key

	// slotKey is the key of the first child that the page covers, or the root. It
	// tells to which of two versions of the page above this one belongs.
	slotKey Secret

	children *[slots]Secret // top and interior, immutable
	sys      *system        // system page
	parent   *page          // nil for the top page
	heir     *page          // what the running epoch puts in its place
	heirOf   *page          // in whose place it is to come

	used       atomic.Bool  // since the cache last looked
	pinned     atomic.Bool  // may not leave the cache
	held       atomic.Int32 // nor while somebody is about to come back to it
	superseded bool         // the running epoch puts another in its place
	next       *page        // at the same address under another key
	gone       bool         // left the cache; the table's lock
	ring       *ring        // where it stands in the cache; the table's lock
	pos        int

	// The pages in the cache whose parent this is, a list; the table's lock.
	kids               *page
	sibling, siblingOf *page // the next and the one before in the parent's list

	mu      sync.Mutex
	dead    bool    // left the cache: look it up again
	entries []entry // all of them, or what was added since the page became a shell
	shell   *shell  // nil where all entries are here
	pend    []keyID // changed and not yet taken, in order
	force   bool    // the next row must be an image

	epoch   uint64
	version int64  // of the newest image, -1 before the first
	n       uint32 // deltas after it
	last    [32]byte
	wrote   bool   // its newest row may not be durable yet
	birth   *birth // what an epoch made it with
}

// A birth is the first image of a page that an epoch has made, and its SHA-256.
type birth struct {
	row KV
	sum [32]byte
}

// newTop makes a top page that has no image yet.
func newTop(gen uint32, epoch uint64, root Secret) *page {
	return &page{kind: kindTop, at: topAddr, gen: gen, epoch: epoch, slotKey: root, mac: newMAC(root[:]), version: -1, force: true}
}

// newPage makes a page below another that has no image yet.
func newPage(k kind, at addr, bits uint8, gen uint32, epoch uint64, parent *page) *page {
	key := pageKey(parent.children, at, bits)
	p := &page{
		kind: k, at: at, bits: bits, gen: gen, epoch: epoch, parent: parent,
		slotKey: parent.children[at.slot()], mac: newMAC(key[:]), version: -1, force: true,
	}
	key.Zero()
	return p
}

// pageKey is the key of a page that covers one or more children of another: it
// is derived from all of their keys. So when one of them is replaced, the images
// die that were sealed while a page still covered it together with others, before
// a split; the other parts of that page keep their keys, and did not have to be on
// the way of the epoch.
func pageKey(children *[slots]Secret, at addr, bits uint8) (key Secret) {
	first, end := slotRange(at, bits)
	if children[first] == (Secret{}) {
		panic("keystore: deriving a page's key from a wiped page") // what that seals, everybody opens
	}
	if firstChildOnly {
		end = first
	}
	var ikm [slots * 32]byte
	n := 0
	for i := first; i <= end; i++ { // without a copy of a key in a variable, which nobody wipes
		n += copy(ikm[n:], children[i][:])
	}
	var prk [32]byte
	noSalt.sum(&prk, ikm[:n], nil)
	m := newMAC(prk[:])
	m.expand(key[:], labelPage, nil)
	clear(ikm[:n])
	clear(prk[:])
	m.zero()
	return key
}

// noSalt is HKDF-Extract without a salt.
var noSalt = newMAC(make([]byte, 32))

// slotRange returns the first and the last child that a page covers. The last
// child of the top page is the system page's alone, also where a leaf page would
// reach over it.
func slotRange(at addr, bits uint8) (first, end int) {
	first, end = at.slot(), slotOf(last(at.start, uint(bits)), at.level)
	if at.level == 1 && at != systemAddr {
		end = min(end, slots-2)
	}
	return first, end
}

func (p *page) path() Path { return Path{p.at.level, p.at.start, p.bits} }

func (p *page) covers(route uint64) bool {
	return p.at.start <= route && route <= last(p.at.start, uint(p.bits))
}

// find returns the entry with an id, nil if there is none.
func (p *page) find(id keyID) *entry {
	for i := range p.entries {
		if e := &p.entries[i]; e.tag == id.tag && e.comp == id.comp && e.cohort == id.cohort && e.flags&flagAlias != 0 == id.alias {
			return e
		}
	}
	return nil
}

func (p *page) remove(id keyID) {
	e := p.find(id)
	if e == nil {
		return
	}
	end := len(p.entries) - 1
	*e = p.entries[end]
	p.entries[end] = entry{}
	p.entries = p.entries[:end]
	p.unpend(id)
}

func (p *page) unpend(id keyID) {
	for i, q := range p.pend {
		if q == id {
			p.pend = append(p.pend[:i], p.pend[i+1:]...)
			return
		}
	}
}

// add appends an entry. A page that outgrows its memory leaves no copy behind.
func (p *page) add(e *entry) {
	if len(p.entries) == cap(p.entries) {
		room := len(p.entries) + len(p.entries)/4 + 8
		if p.shell != nil {
			room = len(p.entries) + 4 // there are a great many shells
		}
		grown := make([]entry, len(p.entries), room)
		copy(grown, p.entries)
		clear(p.entries)
		p.entries = grown
	}
	p.entries = append(p.entries, *e)
}

func (p *page) upsert(e *entry) {
	if q := p.find(e.id()); q != nil {
		*q = *e
	} else {
		p.add(e)
	}
}

// changed notes that an entry has to be written.
func (p *page) changed(id keyID) {
	for _, q := range p.pend {
		if q == id {
			return // its newest contents are sealed when it is taken
		}
	}
	p.pend = append(p.pend, id)
}

// dirty reports whether the page has changes that were not taken.
func (p *page) dirty() bool { return p.force || len(p.pend) > 0 }

// appendPlaintext writes what the page's next image says.
func (p *page) appendPlaintext(b []byte) []byte {
	switch p.kind {
	case kindLeaf:
		return appendLeaf(b, p.entries)
	case kindSystem:
		return p.sys.appendPlaintext(b)
	default:
		return appendChildren(b, p.children)
	}
}

// A scratch has room for what nearly every image says in the clear. It is pooled, except
// in secret mode, where memory that is to be erased must be allocated inside the call:
// an epoch of ten thousand people opens and seals as many pages twice.
type scratch [maxEntries * entrySize]byte

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func getScratch() *scratch {
	if runtimeSecret {
		return new(scratch)
	}
	return scratches.Get().(*scratch)
}

// release wipes the room and returns it, and wipes what was written to it, or found no
// room there.
func (s *scratch) release(text []byte) {
	clear(text)
	clear(s[:])
	if !runtimeSecret {
		scratches.Put(s)
	}
}

// image seals the page's next image and advances the page to it.
func (p *page) image(tree TreeID) KV {
	if p.shell != nil || p.dead {
		panic("keystore: an image of a page that has no entries in memory") // it would take the place of all of them
	}
	p.version++
	p.n = 0
	room := getScratch()
	text := p.appendPlaintext(room[:0])
	v := sealImage(&p.mac, header{
		kind: p.kind, at: p.at, bits: p.bits, tree: tree,
		epoch: p.epoch, version: uint32(p.version), chain: p.last,
	}, text)
	room.release(text)
	return p.advance(v)
}

// delta seals the next delta and advances the page to it.
func (p *page) delta(tree TreeID, e *entry) KV {
	p.n++
	return p.advance(sealDelta(&p.mac, &tree, p.at, p.epoch, p.n, &p.last, e))
}

func (p *page) advance(v []byte) KV {
	p.last = sum256(v)
	p.wrote = true
	return KV{rowKey{p.gen, p.at, p.epoch, uint32(p.version), p.n}.bytes(), v}
}

// zero overwrites what the page knows. The caller makes sure that nobody reads.
func (p *page) zero() {
	p.dead = true
	clear(p.entries)
	p.entries, p.shell = nil, nil
	p.slotKey.Zero()
	p.mac.zero()
	if p.children != nil {
		clear(p.children[:])
	}
}
