package ledger

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle/log"
)

// A request tag makes a retry safe: the same id with the same content gets the
// first answer again, with another content it is refused. Tags are kept for a
// day, in memory and in one row for each commit group (docs/spec/rows.md):
//
//	tag16 = HMAC(K_tags, 0x01 || id)[:16]
//	mac16 = HMAC(K_tags, 0x02 || canonical request)[:16]
//	u32     minutes since 1970-01-01, so that the window can be closed
//
// Every leaf has exactly one, in the order of the log, so the row of a group
// also says which index a tag belongs to.
const (
	tagSize   = 16 + 16 + 4
	tagWindow = 24 * time.Hour
	tagMost   = 1 << 20 // beyond this the oldest go first, day or not
)

type tagEntry struct {
	mac     [16]byte
	index   uint64
	pending *Submission // not yet durable: index is not known
}

type tags struct {
	tree *keystore.Tree

	mu     sync.Mutex
	byTag  map[[16]byte]tagEntry
	groups []tagGroup // oldest first
}

type tagGroup struct {
	first  uint64
	minute uint32
	tags   [][16]byte
}

// loadTags reads the window at start.
func loadTags(ctx context.Context, l *log.Log, tree *keystore.Tree) (*tags, error) {
	t := &tags{tree: tree, byTag: make(map[[16]byte]tagEntry)}
	err := l.Scan(ctx, []byte{spaceTags}, []byte{spaceTags + 1}, func(k, v []byte) error {
		if len(k) != 9 || len(v)%tagSize != 0 {
			return fmt.Errorf("request tag row of %d bytes under a key of %d: malformed", len(v), len(k))
		}
		first := binary.BigEndian.Uint64(k[1:])
		for i := 0; i < len(v); i += tagSize {
			var tag, mac [16]byte
			copy(tag[:], v[i:])
			copy(mac[:], v[i+16:])
			t.add(tag, mac, first+uint64(i/tagSize), binary.BigEndian.Uint32(v[i+32:]))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading request tags: %w", err)
	}
	return t, nil
}

// add notes a durable tag. The caller holds mu, or is alone.
func (t *tags) add(tag, mac [16]byte, index uint64, minute uint32) {
	t.byTag[tag] = tagEntry{mac: mac, index: index}
	if n := len(t.groups); n == 0 || t.groups[n-1].minute != minute {
		t.groups = append(t.groups, tagGroup{first: index, minute: minute})
	}
	g := &t.groups[len(t.groups)-1]
	g.first = min(g.first, index)
	g.tags = append(g.tags, tag)
}

// row returns what an entry contributes to its group's row.
func (t *tags) row(id string, mac [16]byte, now time.Time) (tag [16]byte, row log.Row) {
	tag = t.tree.RequestTag([]byte(id))
	v := make([]byte, 0, tagSize)
	v = append(v, tag[:]...)
	v = append(v, mac[:]...)
	v = binary.BigEndian.AppendUint32(v, uint32(now.Unix()/60))
	return tag, log.Row{Key: []byte{spaceTags}, Value: v, Place: log.Gather}
}

// find says whether a request with this id was seen. same is false where it had
// another content.
func (t *tags) find(id string, mac [16]byte) (e tagEntry, found, same bool) {
	tag := t.tree.RequestTag([]byte(id))
	t.mu.Lock()
	defer t.mu.Unlock()
	e, found = t.byTag[tag]
	return e, found, found && subtle.ConstantTimeCompare(e.mac[:], mac[:]) == 1
}

// pend notes tags that were queued; settle fills in the index.
func (t *tags) pend(tag, mac [16]byte, s *Submission) {
	t.mu.Lock()
	t.byTag[tag] = tagEntry{mac: mac, pending: s}
	t.mu.Unlock()
}

func (t *tags) settle(tag, mac [16]byte, index uint64, now time.Time) {
	t.mu.Lock()
	t.add(tag, mac, index, uint32(now.Unix()/60))
	t.mu.Unlock()
}

// expire forgets what is older than the window and returns the range of rows
// that can go, as one range: no row is deleted by its own key.
func (t *tags) expire(now time.Time) (from, to []byte, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	oldest := uint32(now.Add(-tagWindow).Unix() / 60)
	n := 0
	for n < len(t.groups) && (t.groups[n].minute < oldest || len(t.byTag) > tagMost) && n < len(t.groups)-1 {
		for _, tag := range t.groups[n].tags {
			delete(t.byTag, tag)
		}
		n++
	}
	if n == 0 {
		return nil, nil, false
	}
	t.groups = append([]tagGroup(nil), t.groups[n:]...)
	from = []byte{spaceTags}
	to = binary.BigEndian.AppendUint64([]byte{spaceTags}, t.groups[0].first)
	return from, to, !bytes.Equal(from, to)
}
