package ledger

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle/log"
)

// A request tag makes a retry safe: the same id with the same content gets the
// first answer again, with another content it is refused. Tags are kept for a
// day, in one row for each commit group (docs/spec/rows.md):
//
//	tag16 = HMAC(K_tags, 0x01 || id)[:16]
//	mac16 = HMAC(K_tags, 0x02 || canonical request)[:16]
//	u32     minutes since 1970-01-01, so that the window can be closed
//
// Tag and MAC are masked under the generation, with the leaf: who guesses the id of an
// erased person's request finds nothing once a sweep has replaced the generation.
//
// Every leaf has exactly one, in the order of the log, so the row of a group
// also says which index a tag belongs to. Memory holds so much of each that a new
// one is known to be new without reading.
const (
	tagSize   = 16 + 16 + 4
	tagWindow = 24 * time.Hour
	tagMost   = 1 << 20 // beyond this the oldest go first, day or not
	tagGroups = 1 << 14 // tags that are forgotten together

	// So long after the window, or so many beyond the most, tags are forgotten:
	// not a few at a time, since each time is a range that every read of these
	// rows has to pass over.
	tagSlack     = 30 * time.Minute
	tagSlackMost = tagMost / 8
)

// A commit group has fewer entries than this.
const groupMost = 1 << 16

type (
	tagsKey  [1 + 4]byte // 'q' || g; the log appends the first index of the group
	tagValue [tagSize]byte
)

func (k *tagsKey) put(g uint32) {
	k[0] = spaceTags
	binary.BigEndian.PutUint32(k[1:], g)
}

// tagsRow is the key of the row of the group that begins at an index.
func tagsRow(g uint32, first uint64) []byte {
	var k tagsKey
	k.put(g)
	return binary.BigEndian.AppendUint64(k[:], first)
}

func (v *tagValue) put(m keystore.Mask, leaf []byte, tag, mac [16]byte, now time.Time) {
	var both [32]byte
	copy(both[:], tag[:])
	copy(both[16:], mac[:])
	m.Tag(leaf, &both)
	copy(v[:], both[:])
	binary.BigEndian.PutUint32(v[32:], minuteOf(now))
}

func minuteOf(t time.Time) uint32 { return uint32(t.Unix() / 60) }

type tagEntry struct {
	mac     [16]byte
	index   uint64
	pending *Submission // not yet durable: index is not known
}

type tags struct {
	tree *keystore.Tree
	view func() *view

	loaded chan struct{} // closed when the window is read; until then nobody else has to do with what mu guards
	failed error         // what that ended with

	mu      sync.Mutex
	pending map[[16]byte]*Submission
	durable tagTable
	count   int        // tags in groups
	groups  []tagGroup // oldest first
	dropped uint64     // rows of groups that began before this index are gone, or about to be
}

// tagGroup is tags that are forgotten together.
type tagGroup struct {
	first  uint64 // least index
	minute uint32
	n      int
}

// loadTags reads the window. A window of a million takes a second or two, so that goes
// on while the ledger is open already; who wants to record waits for it.
func loadTags(ctx context.Context, l *Ledger) *tags {
	t := &tags{tree: l.tree, view: l.view, pending: make(map[[16]byte]*Submission), loaded: make(chan struct{})}
	oldest := minuteOf(l.now().Add(-tagWindow))
	v := l.view()
	go func() {
		defer close(t.loaded)
		defer v.Close()
		switch err := t.load(ctx, v, oldest); {
		case ctx.Err() != nil:
			t.failed = ErrClosed
		case err != nil:
			t.failed = fmt.Errorf("reading request tags: %w", err)
		}
	}()
	return t
}

// load reads the rows. They may reach further back than the window, because they are
// dropped many at a time.
func (t *tags) load(ctx context.Context, v *view, oldest uint32) error {
	if !v.mask.Tags() {
		return nil // a restored copy, which records nothing
	}
	size, g := v.Head().Size, v.generation()
	leaves := leafReader{v: v}
	return v.Scan(ctx, tagsRow(g, 0), tagsRow(g+1, 0), func(k, row []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return eachTag(k, row, func(index uint64, masked []byte, minute uint32) error {
			if minute < oldest {
				return nil
			}
			leaf, err := leaves.at(ctx, index)
			if err != nil {
				return err
			}
			tag, _ := unmaskTag(v.mask, leaf, masked)
			if t.count == 0 {
				t.durable.reserve(index, size-min(index, size))
			}
			t.add(tag, index, minute)
			return nil
		})
	})
}

// ready waits until the window is read.
func (t *tags) ready(ctx context.Context) error {
	select {
	case <-t.loaded: // nearly always; and then nobody has to ask the context, too
		return t.failed
	default:
	}
	select {
	case <-t.loaded:
		return t.failed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errTagRow = errors.New("a row of request tags is malformed")

// eachTag reads the row of one commit group.
func eachTag(k, v []byte, f func(index uint64, masked []byte, minute uint32) error) error {
	if len(k) != 1+4+8 || k[0] != spaceTags || len(v) == 0 || len(v)%tagSize != 0 || len(v)/tagSize > groupMost {
		return fmt.Errorf("%w: %d bytes under a key of %d", errTagRow, len(v), len(k))
	}
	first := binary.BigEndian.Uint64(k[5:])
	for i := 0; i < len(v); i += tagSize {
		if err := f(first+uint64(i/tagSize), v[i:i+32], binary.BigEndian.Uint32(v[i+32:])); err != nil {
			return err
		}
	}
	return nil
}

func unmaskTag(m keystore.Mask, leaf, masked []byte) (tag, mac [16]byte) {
	both := [32]byte(masked)
	m.Tag(leaf, &both)
	return [16]byte(both[:]), [16]byte(both[16:])
}

// add notes a durable tag. The caller holds mu, or is alone.
func (t *tags) add(tag [16]byte, index uint64, minute uint32) {
	t.durable.add(tag, index)
	if n := len(t.groups); n == 0 || t.groups[n-1].minute != minute || t.groups[n-1].n == tagGroups {
		t.groups = append(t.groups, tagGroup{first: index, minute: minute})
	}
	g := &t.groups[len(t.groups)-1]
	g.first = min(g.first, index)
	g.n++
	t.count++
}

// of returns the tag of a request's id.
func (t *tags) of(id string) [16]byte {
	var room [128]byte // ids are short: no need to allocate
	return t.tree.RequestTag(append(room[:0], id...))
}

// find says whether a request with this tag was seen. same is false where it had
// another content.
func (t *tags) find(ctx context.Context, tag, mac [16]byte) (e tagEntry, found, same bool, err error) {
	return t.look(ctx, tag, mac, nil)
}

// claim is find for a request that is about to be recorded. Where its tag is new,
// the tag is the request's from now on: of two people's requests that come at once
// under one id, one is refused. What is not queued in the end gives it back.
func (t *tags) claim(ctx context.Context, s *Submission) (e tagEntry, found, same bool, err error) {
	return t.look(ctx, s.tag, s.mac, s)
}

func (t *tags) look(ctx context.Context, tag, mac [16]byte, claims *Submission) (e tagEntry, found, same bool, err error) {
	if err := t.ready(ctx); err != nil {
		return e, false, false, err
	}
	var others []uint64 // where other tags turned out to stand
	for {
		e, found = t.candidate(tag, others, claims)
		if !found {
			return e, false, false, nil
		}
		if e.pending == nil {
			var there [16]byte
			if there, e.mac, err = t.read(ctx, e.index); err != nil {
				return e, false, false, err
			}
			if there != tag {
				others = append(others, e.index)
				continue
			}
		}
		return e, true, subtle.ConstantTimeCompare(e.mac[:], mac[:]) == 1, nil
	}
}

// candidate returns who has the tag, if they are pending, or where it may stand.
// Where it is new, it is claimed.
func (t *tags) candidate(tag [16]byte, others []uint64, claims *Submission) (tagEntry, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.pending[tag]; s != nil {
		return tagEntry{mac: s.mac, pending: s}, true
	}
	if index, ok := t.durable.find(tag, others); ok {
		return tagEntry{index: index}, true
	}
	if claims != nil {
		t.pending[tag] = claims
	}
	return tagEntry{}, false
}

// read returns the tag of an index and its MAC, zeros where the row is not there any
// more. The row of a group is found by its first index, which is the last that is
// not larger.
func (t *tags) read(ctx context.Context, index uint64) (tag, mac [16]byte, err error) {
	v := t.view()
	defer v.Close()
	k, row, err := v.Last(ctx, tagsRow(v.generation(), 0), tagsRow(v.generation(), index+1))
	if errors.Is(err, log.ErrNotFound) {
		return tag, mac, nil
	}
	if err == nil {
		err = eachTag(k, row, func(at uint64, masked []byte, _ uint32) error {
			if at != index {
				return nil
			}
			leaf, err := v.Leaf(ctx, index)
			if err == nil {
				tag, mac = unmaskTag(v.mask, leaf, masked)
			}
			return err
		})
	}
	if err != nil {
		err = fmt.Errorf("reading a request tag: %w", err)
	}
	return tag, mac, err
}

// unclaim gives back what a request claimed that was not queued.
func (t *tags) unclaim(s *Submission) {
	if s.id == "" || s.ticket != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending[s.tag] == s {
		delete(t.pending, s.tag)
	}
}

// pend notes the tags of a request that is queued; settle gives them their index.
func (t *tags) pend(s *Submission) {
	first := 0
	if s.id != "" && s.tags[0] == s.tag {
		first = 1 // which it has claimed
	}
	if first == len(s.tags) {
		return
	}
	<-t.loaded // who came without an id has not waited yet
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tag := range s.tags[first:] {
		t.pending[tag] = s
	}
}

// settle notes that requests are durable.
func (t *tags) settle(group []*Submission) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range group {
		minute := minuteOf(s.at)
		for i, tag := range s.tags {
			delete(t.pending, tag)
			t.add(tag, s.ticket.Index(i), minute)
		}
	}
}

// expire forgets what is older than the window and returns the first indexes between
// which the rows of groups can go, as one range: no row is deleted by its own key. It
// is called often and rarely has something to do.
func (t *tags) expire(now time.Time) (from, to uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.groups) == 0 {
		return 0, 0, false
	}
	oldest := minuteOf(now.Add(-tagWindow))
	if t.groups[0].minute >= minuteOf(now.Add(-tagWindow-tagSlack)) && t.count <= tagMost+tagSlackMost {
		return 0, 0, false
	}
	n := 0
	for n < len(t.groups)-1 && (t.groups[n].minute < oldest || t.count > tagMost) {
		t.count -= t.groups[n].n
		n++
	}
	t.groups = append([]tagGroup(nil), t.groups[n:]...)
	t.durable.floor = max(t.durable.floor, t.groups[0].first)
	// A row has the tags of one commit group, some of which may still be wanted.
	// The row of the oldest of these begins at most a group earlier.
	end := t.groups[0].first - min(t.groups[0].first, groupMost)
	if end <= t.dropped {
		return 0, 0, false
	}
	from, t.dropped = t.dropped, end
	return from, end, true
}
