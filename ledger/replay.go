package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle/log"
)

// After an erasure the person is unknown, and nobody remembers them. A queue that is
// read once more would bring them back: ids of requests are remembered for a day, and
// no list of the erased is kept that one could look into. So a writer may say from
// which feed an event comes and which number it has there. At every erasure the
// newest number of each feed becomes its mark, and an event whose number is not above
// the mark may add to a key that is there but not begin a new one: the key that it
// belonged to is the one that died.
//
// A withdrawal is let through all the same, because it is never refused. What is new
// and comes late, with a number from before the erasure of somebody else, is refused
// with the rest; the refusal says to send it under a new number.
//
//	'm' 's' feed → u64 newest number seen
//	'm' 'e' feed → u64 mark: newest number before the last erasure
//
// The rows name feeds and nobody else. They are written again and again, which tells
// how many events came from where.
const (
	spaceFeeds = 'm'
	feedSeen   = 's'
	feedMark   = 'e'
)

// feeds are the marks of all feeds.
type feeds struct {
	mu   sync.Mutex
	seen map[string]uint64
	mark map[string]uint64
	kept map[string]uint64 // marks whose rows are queued
}

// feedAt is where in a feed a request stands.
type feedAt struct {
	feed string
	seq  uint64
	// may begin a key whatever the mark says.
	exempt bool
}

// feedOf reads where a request stands; nil where it does not say.
func feedOf(short *event.Event) *feedAt {
	name := short.Str("feed")
	if name == "" {
		return nil
	}
	seq, ok := short.Uint("feed_seq")
	if !ok {
		return nil // Fill has refused it, or it is a withdrawal, and those are not held up
	}
	return &feedAt{feed: name, seq: seq, exempt: short.Type() == "consent.withdrawn"}
}

func feedRow(kind byte, feed string, seq uint64) log.Row {
	return log.Row{Key: append([]byte{spaceFeeds, kind}, feed...), Value: binary.BigEndian.AppendUint64(nil, seq)}
}

var errFeedRow = errors.New("a row of a feed is malformed")

// loadFeeds reads the marks.
func loadFeeds(ctx context.Context, lg *log.Log) (*feeds, error) {
	f := &feeds{seen: make(map[string]uint64), mark: make(map[string]uint64), kept: make(map[string]uint64)}
	err := lg.Scan(ctx, []byte{spaceFeeds}, []byte{spaceFeeds + 1}, func(k, v []byte) error {
		if len(k) < 3 || len(v) != 8 {
			return errFeedRow
		}
		switch n := binary.BigEndian.Uint64(v); k[1] {
		case feedSeen:
			f.seen[string(k[2:])] = n
		case feedMark:
			f.mark[string(k[2:])], f.kept[string(k[2:])] = n, n
		default:
			return errFeedRow
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the marks of feeds: %w", err)
	}
	return f, nil
}

// begins refuses a request that would begin a key, where its number is from before an
// erasure.
func (f *feeds) begins(at *feedAt) error {
	if at == nil || at.exempt {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if mark, ok := f.mark[at.feed]; ok && at.seq <= mark {
		return event.Refuse(event.ReplayedSource, "/feed_seq", fmt.Sprintf("numbers up to %d of this feed came before an erasure, and may be about somebody who was erased; what is new comes under a new number", mark))
	}
	return nil
}

// see notes the number of a request that is about to be queued. Its row is queued
// before the request, so that no crash forgets a number whose event is there.
func (f *feeds) see(lg *log.Log, at *feedAt) error {
	if at == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if have, ok := f.seen[at.feed]; ok && at.seq <= have {
		return nil
	}
	if _, err := lg.EnqueueChange(log.Change{Set: []log.Row{feedRow(feedSeen, at.feed, at.seq)}}); err != nil {
		return err // a full queue is waited for by who holds no lock
	}
	f.seen[at.feed] = at.seq
	return nil
}

// raise makes the newest number of each feed its mark, and queues that. Where it
// cannot be queued, what is in memory forbids more than what is written: that is the
// safe side, and the next erasure queues it.
func (f *feeds) raise(lg *log.Log) error {
	f.mu.Lock()
	var rows []log.Row
	raised := make(map[string]uint64)
	for feed, seq := range f.seen {
		f.mark[feed] = max(f.mark[feed], seq)
		if kept, ok := f.kept[feed]; !ok || f.mark[feed] > kept {
			raised[feed] = f.mark[feed]
			rows = append(rows, feedRow(feedMark, feed, raised[feed]))
		}
	}
	f.mu.Unlock()
	if len(rows) == 0 {
		return nil
	}
	if _, err := enqueueChange(lg, log.Change{Set: rows, CanWait: true}); err != nil {
		return fmt.Errorf("writing the marks of feeds: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.Copy(f.kept, raised)
	return nil
}

// Fenced raises the marks: whatever of the keys that are about to die came from a feed
// has a number that was seen by now.
func (e erasureLedger) Fenced(context.Context) error { return e.l.feeds.raise(e.l.log) }
