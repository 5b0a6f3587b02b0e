package log

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/merkle"
)

// Place says how a row learns the index of its entry, which is not known before
// the entry is committed. It is a template instead of a callback, so that a
// database that assigns indexes on the other side of a network can do it too.
type Place uint8

const (
	// Plain: the row is stored as given.
	Plain Place = iota
	// KeyIndex: the key is followed by the index, eight bytes, big-endian.
	KeyIndex
	// ValueMask: the first eight bytes of the value are stored XOR the index.
	ValueMask
	// Gather: the values of all rows of one commit group that have the same key
	// are concatenated, in the order of their indexes, and stored as one row
	// under the key followed by the first index of the group. An entry without
	// such a row contributes nothing. The row is written last in its group, so a
	// Change in the same group does not delete it.
	Gather
)

// A Row is a key and a value that become durable together with a leaf. The log
// owns the bytes once the row is enqueued.
type Row struct {
	Key, Value []byte
	Place      Place
	// New says that the key must not exist. It is for databases that several
	// writers share; here, where there is one writer, it is not checked.
	New bool
}

// An Entry is one leaf and its rows.
type Entry struct {
	// Leaf is what the tree hashes, 1 to 65,535 bytes.
	Leaf []byte
	Rows []Row
	// Order is zero if the entry may take any place within its commit group.
	// Entries with the same Order keep the order in which they were enqueued.
	Order uint64
}

// A Change is rows without a leaf. DeleteRange is applied first, then Set, whose
// rows must be Plain. A range is half open and lies within one space. There is
// no way to delete one key: that would leave a tombstone that names it.
type Change struct {
	Set         []Row
	DeleteRange [][2][]byte
	// CanWait says that a log with nothing else to do does not begin a group for
	// this change: it goes with what is queued next, or when its ticket is waited
	// for, or when the log is closed. Several changes of which only the last is
	// waited for cost one sync.
	CanWait bool
}

// rowOverhead is what a row costs the engine besides its bytes: a skip list
// node, a trailer, two lengths. Group limits count it, because a batch of many
// tiny rows would otherwise be larger in memory than the engine takes at once.
const rowOverhead = 112

// entryOverhead is what an entry costs in memory besides its leaf and rows.
const entryOverhead = 64

// ownSpaces are the first bytes of keys that belong to the log.
const ownSpaces = "bcth"

type spaces [256]bool

func newSpaces(b []byte) (*spaces, error) {
	var s spaces
	for _, c := range b {
		if bytes.IndexByte([]byte(ownSpaces), c) >= 0 {
			return nil, fmt.Errorf("space %q belongs to the log itself: %w", c, ErrSpace)
		}
		s[c] = true
	}
	return &s, nil
}

// has reports whether the caller may use the key. Keys are not shown in errors:
// some of them tell which rows belong together.
func (s *spaces) has(key []byte) error {
	if len(key) == 0 || !s[key[0]] {
		return ErrSpace
	}
	return nil
}

// hasRange reports whether [from, to) lies within one of the caller's spaces.
func (s *spaces) hasRange(from, to []byte) error {
	if err := s.has(from); err != nil {
		return err
	}
	if bytes.Compare(from, to) >= 0 {
		return fmt.Errorf("%w: the range is empty", ErrInvalid)
	}
	if end := spaceEnd(from[0]); end != nil && bytes.Compare(to, end) > 0 {
		return fmt.Errorf("%w: the range leaves its space", ErrSpace)
	}
	return nil
}

// spaceEnd is the first key behind a space, nil for the last space.
func spaceEnd(space byte) []byte {
	if space == 0xff {
		return nil
	}
	return []byte{space + 1}
}

// checkEntry returns what the entry counts against group and queue limits.
func (s *spaces) checkEntry(e *Entry) (int, error) {
	if len(e.Leaf) == 0 || len(e.Leaf) > merkle.MaxEntry {
		return 0, fmt.Errorf("%w: leaf of %d bytes, want 1 to %d", ErrInvalid, len(e.Leaf), merkle.MaxEntry)
	}
	n := len(e.Leaf) + entryOverhead
	for i := range e.Rows {
		r := &e.Rows[i]
		if err := s.has(r.Key); err != nil {
			return 0, err
		}
		switch r.Place {
		case Plain, KeyIndex, Gather:
		case ValueMask:
			if len(r.Value) < 8 {
				return 0, fmt.Errorf("%w: masked value of %d bytes, want 8 or more", ErrInvalid, len(r.Value))
			}
		default:
			return 0, fmt.Errorf("%w: unknown place %d", ErrInvalid, r.Place)
		}
		n += len(r.Key) + len(r.Value) + rowOverhead
	}
	return n, nil
}

func (s *spaces) checkChange(c *Change) (int, error) {
	if len(c.Set) == 0 && len(c.DeleteRange) == 0 {
		return 0, fmt.Errorf("%w: empty change", ErrInvalid)
	}
	n := 0
	for i := range c.Set {
		r := &c.Set[i]
		if err := s.has(r.Key); err != nil {
			return 0, err
		}
		if r.Place != Plain {
			return 0, fmt.Errorf("%w: a row of a change has no index", ErrInvalid)
		}
		n += len(r.Key) + len(r.Value) + rowOverhead
	}
	for _, d := range c.DeleteRange {
		if err := s.hasRange(d[0], d[1]); err != nil {
			return 0, err
		}
		n += len(d[0]) + len(d[1]) + rowOverhead
	}
	return n, nil
}

// clone copies a change's slices, not its bytes.
func (c Change) clone() *Change {
	return &Change{Set: slices.Clone(c.Set), DeleteRange: slices.Clone(c.DeleteRange), CanWait: c.CanWait}
}
