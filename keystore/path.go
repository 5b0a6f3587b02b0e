package keystore

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Routes are the first 64 bits of a keyed hash, read from the left, six for
// every level of the tree. maxLevel levels use 60 of them.
const (
	slotBits = 6
	slots    = 1 << slotBits
	maxLevel = 10
)

// systemStart is where the system page lies: child 63 of the top page.
const systemStart = uint64(slots-1) << (64 - slotBits)

// An addr says where a page lies: under a page of the level above, from the
// route start on. The top page is at level 0. Two pages at one address have
// different keys: one of them is being replaced.
type addr struct {
	level uint8
	start uint64
}

var (
	topAddr    = addr{0, 0}
	systemAddr = addr{1, systemStart}
)

// key is the address as one number: no page of the lowest level has one of its last four
// bits set.
func (a addr) key() uint64 { return a.start | uint64(a.level) }

// slot is the child of the page above whose key opens this page.
func (a addr) slot() int { return slotOf(a.start, a.level) }

func slotOf(route uint64, level uint8) int {
	return int(route>>(64-slotBits*uint(level))) & (slots - 1)
}

// above is where the page above starts.
func (a addr) above() uint64 { return prefix(a.start, slotBits*uint(a.level-1)) }

// prefix keeps the first n bits of a route.
func prefix(route uint64, n uint) uint64 {
	if n == 0 {
		return 0
	}
	return route &^ (math.MaxUint64 >> n)
}

// last is the last route with the same first n bits.
func last(start uint64, n uint) uint64 {
	if n == 0 {
		return math.MaxUint64
	}
	return start | math.MaxUint64>>n
}

// A Path names a page of the tree to people: its level, the first route it
// covers and how many of the route's bits all of its entries share. It tells
// nothing of a person.
type Path struct {
	Level uint8
	Start uint64
	Bits  uint8
}

func (p Path) String() string {
	switch {
	case p.Level == 0:
		return "top"
	case p.Level == 1 && p.Start == systemStart:
		return "system"
	}
	return fmt.Sprintf("%d/%016x/%d", p.Level, p.Start, p.Bits)
}

// MarshalText writes the path as String does.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Row keys, docs/spec/key-tree.md:
//
//	'k' | u32 generation | u8 level | ^u64 start | ^u64 epoch | ^u32 version | u32 n
//
// n is 0 for an image, and counts the deltas after it. Starts, epochs and
// versions are inverted, so that a scan forward from the key of a route comes
// first to the page that covers it, its newest image first, then the deltas of
// that image: one seek finds a page.
const (
	rowSpace  = 'k'
	rowKeyLen = 1 + 4 + 1 + 8 + 8 + 4 + 4

	// housekeeping is a generation that no tree reaches. Its rows say what
	// recovery has to look for.
	housekeeping = math.MaxUint32
)

type rowKey struct {
	gen     uint32
	at      addr
	epoch   uint64
	version uint32
	n       uint32
}

func (k rowKey) bytes() []byte {
	b := make([]byte, 0, rowKeyLen)
	b = append(b, rowSpace)
	b = binary.BigEndian.AppendUint32(b, k.gen)
	b = append(b, k.at.level)
	b = binary.BigEndian.AppendUint64(b, ^k.at.start)
	b = binary.BigEndian.AppendUint64(b, ^k.epoch)
	b = binary.BigEndian.AppendUint32(b, ^k.version)
	return binary.BigEndian.AppendUint32(b, k.n)
}

func parseRowKey(b []byte) (k rowKey, err error) {
	if len(b) != rowKeyLen || b[0] != rowSpace {
		return k, fmt.Errorf("a key page's row key: %w", errCorrupt)
	}
	k.gen = binary.BigEndian.Uint32(b[1:])
	k.at.level = b[5]
	k.at.start = ^binary.BigEndian.Uint64(b[6:])
	k.epoch = ^binary.BigEndian.Uint64(b[14:])
	k.version = ^binary.BigEndian.Uint32(b[22:])
	k.n = binary.BigEndian.Uint32(b[26:])
	return k, nil
}

// after is the first key behind every row for which b is the row key's prefix.
func after(b []byte) []byte {
	e := append([]byte(nil), b...)
	for i := len(e) - 1; i >= 0; i-- {
		if e[i]++; e[i] != 0 {
			return e[:i+1]
		}
	}
	return nil
}

// rowsOf is the range of all rows of a page written in epochs up to and
// including one.
func rowsOf(gen uint32, at addr, epoch uint64) [2][]byte {
	from := rowKey{gen: gen, at: at, epoch: epoch, version: math.MaxUint32}.bytes()
	return [2][]byte{from, after(from[:1+4+1+8])}
}

// rowsOfEpoch is the range of the rows of a page written in one epoch.
func rowsOfEpoch(gen uint32, at addr, epoch uint64) [2][]byte {
	from := rowKey{gen: gen, at: at, epoch: epoch, version: math.MaxUint32}.bytes()
	return [2][]byte{from, after(from[:1+4+1+8+8])}
}

// rowsUpTo is the range of the rows of a page of one epoch with versions up to
// and including one.
func rowsUpTo(gen uint32, at addr, epoch uint64, version uint32) [2][]byte {
	from := rowKey{gen: gen, at: at, epoch: epoch, version: version}.bytes()
	return [2][]byte{from, after(from[:1+4+1+8+8])}
}
