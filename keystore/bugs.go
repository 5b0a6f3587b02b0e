package keystore

import "context"

// bugs are mistakes that an implementation of an epoch could make. Tests switch
// them on, to see that the oracle which searches all rows ever written catches
// each of them. They cannot be reached from outside this package.
type bugs struct {
	pageKeyKept bool // the pages of the erased keep their keys
	rootKept    bool // the holders keep their shares
	rootWrapped bool // the old root is kept, sealed under the new one
	systemKept  bool // the system page keeps its key
	marksLost   bool // an epoch copies entries without their holds and restrictions
	maskKept    bool // a sweep keeps the mask of the generation that it leaves, whatever it was asked for
	maskLost    bool // a sweep keeps no mask, whatever it was asked for
}

func (t *Tree) bugKeeps(p *page) bool {
	return t.opts.bugs.pageKeyKept && p.kind == kindLeaf || t.opts.bugs.systemKept && p.kind == kindSystem
}

// bugReadable is the generation whose mask a sweep keeps.
func (e *Epoch) bugReadable() uint32 {
	switch b := e.t.opts.bugs; {
	case b.maskKept:
		return e.v.gen - 1
	case b.maskLost:
		return 0
	}
	return e.readable
}

func (t *Tree) bugShares() map[HolderID]Secret {
	shares := make(map[HolderID]Secret)
	for _, h := range t.holders {
		all, err := h.Current(context.Background())
		if err != nil {
			panic(err)
		}
		for _, s := range all {
			if s.Epoch == t.cur.epoch {
				shares[h.Caps().ID] = s.Secret
			}
		}
	}
	return shares
}

func (e *Epoch) bugRows(left int) []KV {
	if !e.t.opts.bugs.rootWrapped || left > 0 {
		return nil
	}
	c := randomChildren()
	c[0] = e.t.cur.top.slotKey
	return []KV{{
		rowKey{gen: housekeeping, epoch: e.v.epoch, n: 1}.bytes(),
		sealImage(&e.v.top.mac, header{kind: kindTop, tree: e.t.id, epoch: e.v.epoch}, appendChildren(nil, c)),
	}}
}

// firstChildOnly is a mistake, too: the key of a page is then that of its first
// child alone, so the first part of a page that was split keeps the key under which
// the whole was sealed, and erasing somebody in the other part leaves that image
// readable.
var firstChildOnly bool

// trustHolders is one more: not to look again whether every holder has the new
// share before the first old one is destroyed.
var trustHolders bool
