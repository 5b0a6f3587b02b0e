package log

import (
	"context"
	"fmt"
)

// Stats are figures for an operator and for benchmarks.
type Stats struct {
	// QueuedEntries and QueuedBytes wait for a commit.
	QueuedEntries, QueuedBytes int
	// L0Sublevels and CompactionDebt (in bytes) say how far the engine lags
	// behind with sorting what it has written. Writes stop at 48 sublevels.
	L0Sublevels    int
	CompactionDebt uint64
	// DiskBytes is what the database takes on disk, WALBytes the part of it that
	// is the write-ahead log.
	DiskBytes, WALBytes uint64
	// MemTableBytes and CacheBytes are the engine's largest users of memory.
	MemTableBytes, CacheBytes uint64
	// Snapshots is the number of heads that somebody still reads at, the newest
	// one included. They keep rows on disk that were deleted since.
	Snapshots int
}

// Stats returns the figures of now, and the zero Stats if the log is closed or
// broken.
func (l *Log) Stats() Stats {
	s := l.Snapshot()
	defer s.Close()
	if s.ready(context.Background()) != nil {
		return Stats{}
	}
	m := l.engine.db.Metrics()
	l.queue.mu.Lock()
	entries, bytes := l.queue.entries, l.queue.bytes
	l.queue.mu.Unlock()
	return Stats{
		QueuedEntries:  entries,
		QueuedBytes:    bytes,
		L0Sublevels:    int(m.Levels[0].Sublevels),
		CompactionDebt: m.Compact.EstimatedDebt,
		DiskBytes:      m.DiskSpaceUsage(),
		WALBytes:       m.WAL.PhysicalSize,
		MemTableBytes:  m.MemTable.Size,
		CacheBytes:     uint64(m.BlockCache.Size),
		Snapshots:      m.Snapshots.Count,
	}
}

// Compact rewrites the rows with from <= key < to so that what was deleted there
// is gone from the tables, and writes memtables out so that old write-ahead logs
// go too. It takes long, and as much free space as the rows themselves. Rows are
// not kept from others by it: what must not be read is encrypted, and its key
// destroyed. The range lies within one space.
func (l *Log) Compact(ctx context.Context, from, to []byte) error {
	if err := l.compact(ctx, from, to); err != nil {
		return fmt.Errorf("compacting: %w", err)
	}
	return nil
}

func (l *Log) compact(ctx context.Context, from, to []byte) error {
	s := l.Snapshot()
	err := s.ready(ctx)
	// A snapshot of our own would keep the very rows that are to go, so Close
	// waits for us as if we had one.
	l.readers.Add(1)
	defer l.readers.Done()
	s.Close()
	if err != nil {
		return err
	}
	if l.opts.ReadOnly {
		return ErrReadOnly
	}
	if err := l.spaces.hasRange(from, to); err != nil {
		return err
	}
	return l.unlessBroken(func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = panicked(r)
				l.fail(err)
			}
		}()
		return oneLine(l.engine.db.Compact(ctx, from, to, false))
	})
}
