package ledger

import (
	"encoding/binary"
	"slices"
)

// A tagTable finds out at which index a request tag may stand. It holds eight bytes
// for each: 40 bits of the tag, which are random, and the index. So it may name an
// index at which another tag stands, of which the row there tells, about once in a
// hundred thousand questions; it never fails to name the right one.
//
// Slots are searched from the place that the first bits of a tag name, on to the
// next empty one. Nothing is taken out: what is forgotten lies below the floor, and
// goes when the table is made anew.
type tagTable struct {
	slots []uint64 // 0 is empty
	used  int
	base  uint64 // index that stands for 1
	floor uint64 // what has a lower index is forgotten
}

const (
	tagIndexBits = 24 // 16 million leaves: the window has a fourteenth of that
	tagIndexMask = 1<<tagIndexBits - 1
	tagSlots     = 1 << 10 // at the least
)

// add notes a tag. An index that cannot be held, because it is so much older than
// the newest, is forgotten at once.
func (t *tagTable) add(tag [16]byte, index uint64) {
	if index < t.floor {
		return
	}
	if t.used*8 >= len(t.slots)*7 || index < t.base || index-t.base >= tagIndexMask {
		t.renew(index)
		if index < t.floor {
			return
		}
	}
	t.put(binary.BigEndian.Uint64(tag[:])&^tagIndexMask | (index - t.base + 1))
}

// reserve gives an empty table room for so many tags from an index on.
func (t *tagTable) reserve(base, n uint64) {
	t.slots, t.base = make([]uint64, slotsFor(int(min(n, tagMost+tagSlackMost)))), base
}

func (t *tagTable) put(v uint64) {
	at := t.place(v)
	for t.slots[at] != 0 {
		at = t.after(at)
	}
	t.slots[at] = v
	t.used++
}

// place is where the search for a tag begins: the 40 bits as a fraction of the slots,
// of which there may be any number below 16 million.
func (t *tagTable) place(v uint64) int {
	return int(v >> tagIndexBits * uint64(len(t.slots)) >> (64 - tagIndexBits))
}

func (t *tagTable) after(at int) int {
	if at++; at == len(t.slots) {
		return 0
	}
	return at
}

// slotsFor is how many slots a table of so many tags gets, of which seven eighths may be
// used: more than twice as many at first, and as many tags as are kept at most take 12 MiB
// and are gone through once for each eighth of them.
func slotsFor(tags int) int { return max(tags/3*4, min(tags*3, tagMost/3*4), tagSlots) }

// find returns an index at which the tag may stand, but none of those in not.
func (t *tagTable) find(tag [16]byte, not []uint64) (index uint64, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	want := binary.BigEndian.Uint64(tag[:]) &^ tagIndexMask
	for at := t.place(want); t.slots[at] != 0; at = t.after(at) {
		v := t.slots[at]
		if v&^tagIndexMask != want {
			continue
		}
		if index := t.base + v&tagIndexMask - 1; index >= t.floor && !slices.Contains(not, index) {
			return index, true
		}
	}
	return 0, false
}

// renew makes the table anew, without what is forgotten and with room for more. index
// is what is about to be added.
func (t *tagTable) renew(index uint64) {
	old, base := t.slots, t.base
	least, newest := index, index
	live := 0
	for _, v := range old {
		if at := base + v&tagIndexMask - 1; v != 0 && at >= t.floor {
			least, newest = min(least, at), max(newest, at)
			live++
		}
	}
	if newest-least >= tagIndexMask {
		least = newest - tagIndexMask + 1
		t.floor = least
	}
	t.slots, t.used, t.base = make([]uint64, slotsFor(live)), 0, least
	for _, v := range old {
		if at := base + v&tagIndexMask - 1; v != 0 && at >= t.floor {
			t.put(v&^tagIndexMask | (at - least + 1))
		}
	}
}
