package log

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/lacunalog/lacuna/merkle"
)

// A sequencer is the only writer of the database, one goroutine.
type sequencer struct {
	*Log
	edge    *edgeWriter
	shuffle *shuffler
	rows    rowBatch
	full    []fullTile // complete since the batch was begun
	order   []uint32
	leaves  [][]byte
	head    Head   // newest durable head
	stored  uint64 // size of the newest head that the database holds
	dropped uint64 // chunks below this index are deleted
}

// fullTile is a bundle or tile that the group has completed.
type fullTile struct {
	level  int // 0: bundle
	index  uint64
	hashes []merkle.Hash
	bundle []byte
}

// dropEvery is how many leaves pass between two deletions of folded chunks. One
// deletion for each bundle would fill the memtable with range tombstones, which
// every read has to look at.
const dropEvery = 16 * merkle.TileWidth

func newSequencer(l *Log, e edge, h Head, stored uint64) (*sequencer, error) {
	s := &sequencer{Log: l, shuffle: newShuffler(), head: h, stored: stored}
	s.dropped = e.size &^ (dropEvery - 1)
	var err error
	s.edge, err = newEdgeWriter(e)
	if err != nil {
		return nil, err
	}
	s.edge.remember = l.nodes.put
	s.edge.fullTile = func(level int, index uint64, hashes []merkle.Hash) {
		s.full = append(s.full, fullTile{level: level, index: index, hashes: hashes})
	}
	s.edge.fullBundle = func(index uint64, bundle []byte) {
		s.full = append(s.full, fullTile{index: index, bundle: bundle})
	}
	return s, nil
}

// keepBatch lets the engine use the memory of a group's batch again, however
// large; by default it keeps no more than 1 MiB, and every group under load would
// need new memory.
var keepBatch = pebble.WithMaxRetainedSizeBytes(2 * defaultMaxGroupBytes)

// run commits group after group until the queue is closed and empty, or a
// commit fails.
func (s *sequencer) run() {
	defer close(s.stopped)
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	last := 0
	for {
		g := s.queue.next(last, s.opts.Linger, timer, s.opts.seams.lingering)
		if g == nil {
			break
		}
		last = len(g.ops)
		if err := s.commitGroup(g); err != nil {
			s.fail(err)
			return
		}
		s.checkDisk()
		s.queue.finish(g)
	}
	// The queue also ends when the engine broke the log on a goroutine of its own.
	if s.Broken() != nil {
		return
	}
	if err := s.storeHead(); err != nil {
		s.fail(err)
	}
}

// commitGroup makes one group durable and visible. The first error is final:
// the engine is in a state that it does not describe.
func (s *sequencer) commitGroup(g *group) (err error) {
	defer s.recoverEngine(&err)
	s.commit <- struct{}{}
	defer func() { <-s.commit }()
	if err := s.Broken(); err != nil {
		return err
	}
	step := s.opts.seams.step

	batch := s.engine.db.NewBatchWithSize(g.bytes+16<<10, keepBatch)
	s.build(g, batch)
	step("built")

	// From here on a crash may leave the group on disk, whole: a batch is one
	// record of the write-ahead log.
	if err := s.engine.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return fmt.Errorf("writing batch: %w", err)
	}
	step("applied")
	if len(g.ops) == 1 {
		// The engine's goroutine that syncs is the next of this processor. With one
		// caller the other processors sleep, and to wake one for it takes longer than to
		// step aside; what they wake up for then is the signature, which has time.
		runtime.Gosched()
	}

	h := s.head
	if s.edge.size != h.Size {
		// The engine syncs in a goroutine of its own; meanwhile we sign. The
		// signature stays in this variable until the sync has returned.
		if h, err = s.sign(s.edge.size, s.edge.rng.Root()); err != nil {
			return err
		}
	}
	step("signed")

	if s.opts.seams.publishEarly {
		s.publish(h, s.edge.edge)
		step("early")
	}
	if err := batch.SyncWait(); err != nil {
		return fmt.Errorf("syncing batch: %w", oneLine(err))
	}
	step("synced")
	_ = batch.Close() // returns memory; has no error to report after a commit

	// The tree is durable. If we stop here, Open finds it and signs the same bytes.
	s.stored = s.head.Size
	s.head = h
	if !s.opts.seams.publishEarly {
		s.publish(h, s.edge.edge)
	}
	s.copier.offer(h.Signed)
	step("published")
	return nil
}

// build assigns the indexes of a group and writes its batch.
func (s *sequencer) build(g *group, batch *pebble.Batch) {
	n := len(g.entries)
	first := s.edge.size
	before := len(s.edge.bundle)
	place := s.shuffle.place(g.entries)
	g.index = make([]uint64, n)
	s.order = slices.Grow(s.order[:0], n)[:n]
	for i, p := range place {
		g.index[i] = first + uint64(p)
		s.order[p] = uint32(i)
	}

	for _, i := range s.order {
		s.leaves = append(s.leaves, g.entries[i].Leaf)
	}
	s.edge.append(s.leaves)
	clear(s.leaves)
	s.leaves = s.leaves[:0]

	b := &s.rows
	b.batch, b.first = batch, first
	s.ownRows(b, first, before)
	if !hasRangeDelete(g) {
		// In the order of the indexes, most kinds come out sorted.
		for _, i := range s.order {
			b.addEntry(&g.entries[i], g.index[i], int(i))
		}
		at := 0
		for i, op := range g.ops {
			if op.change != nil {
				b.addSet(op.change, at, i)
			}
			at += op.entries
		}
	} else {
		// What stands before a deletion in the queue must stand before it in the
		// batch, and what stands behind must survive.
		at := 0
		for k, op := range g.ops {
			for i := at; i < at+op.entries; i++ {
				b.addEntry(&g.entries[i], g.index[i], i)
			}
			at += op.entries
			if c := op.change; c != nil {
				if len(c.DeleteRange) > 0 {
					b.flush()
					for _, d := range c.DeleteRange {
						b.deleteRange(d[0], d[1])
					}
				}
				b.addSet(c, at, k)
			}
		}
	}
	b.flush()
	b.flushGathered()
	b.batch = nil
}

// ownRows writes the log's rows for the leaves just appended: the head of the
// group before, the bundles and tiles that are full now, and a chunk of the rest.
func (s *sequencer) ownRows(b *rowBatch, first uint64, before int) {
	if s.stored != s.head.Size {
		b.set(headKey, s.head.Signed)
	}
	if s.edge.size == first {
		return
	}
	for i := range s.full {
		if f := &s.full[i]; f.level == 0 {
			b.set(bundleKey(f.index), f.bundle)
		} else {
			b.set(tileKey(f.level, f.index), merkle.AppendTile(nil, f.hashes))
		}
	}
	clear(s.full)
	s.full = s.full[:0]

	chunk, start := s.edge.bundle, s.edge.size&^(merkle.TileWidth-1)
	if start <= first {
		chunk, start = chunk[before:], first
	}
	if len(chunk) > 0 {
		b.set(chunkKey(start), chunk)
	}
	if drop := s.edge.size &^ (dropEvery - 1); drop > s.dropped {
		// From the first chunk of all: deletions that only reach back to the one before
		// make a chain of tables in level 0, as many layers as flushes, that no
		// compaction takes apart because no key lies in many of them (TestLevel0).
		b.deleteRange(chunkKey(0), chunkKey(drop))
		s.dropped = drop
	}
}

func hasRangeDelete(g *group) bool {
	for i := range g.ops {
		if c := g.ops[i].change; c != nil && len(c.DeleteRange) > 0 {
			return true
		}
	}
	return false
}

// seq orders rows as the queue did: those of a change stand before the entry
// that was enqueued next. Group limits keep each number below its 20 bits.
func seq(entry, change, row int) uint64 {
	return uint64(entry)<<40 | uint64(change)<<20 | uint64(row)
}

func (b *rowBatch) addEntry(e *Entry, index uint64, pos int) {
	for i := range e.Rows {
		b.add(&e.Rows[i], index, seq(pos, 1<<20-1, i))
	}
}

func (b *rowBatch) addSet(c *Change, next, op int) {
	for i := range c.Set {
		b.add(&c.Set[i], 0, seq(next, op, i))
	}
}

// storeHead writes the newest head if the database does not hold it yet, so that
// a log that was closed in peace can be read without a signer.
func (s *sequencer) storeHead() error {
	if s.stored == s.head.Size {
		return nil
	}
	s.commit <- struct{}{}
	defer func() { <-s.commit }()
	batch := s.engine.db.NewBatch()
	_ = batch.Set(headKey, s.head.Signed, nil) // a batch in memory takes everything
	if err := s.commitRows(batch); err != nil {
		return fmt.Errorf("storing head: %w", err)
	}
	s.stored = s.head.Size
	s.opts.seams.step("stored")
	return nil
}

// sign makes a head. It is only called for a tree that is durable, or about to
// be and not shown before.
func (l *Log) sign(size uint64, root merkle.Hash) (Head, error) {
	c := merkle.Checkpoint{Origin: l.meta.origin, Size: size, Root: root}
	signed, err := merkle.SignCheckpoint(c, l.opts.Signer)
	if err != nil {
		return Head{}, fmt.Errorf("signing head: %w", err)
	}
	return Head{Checkpoint: c, Signed: signed}, nil
}

// recoverEngine turns a panic into an error. The engine panics where a write to
// its log fails, and our logger where it would have exited. Whatever panicked,
// the group is in doubt, and the log is broken.
func (l *Log) recoverEngine(err *error) {
	r := recover()
	if r == nil {
		return
	}
	*err = panicked(r)
	if _, told := r.(fatal); !told {
		l.opts.Logger.Error("panic while committing", "panic", firstLine(fmt.Sprint(r)), "stack", string(debug.Stack()))
	}
}
