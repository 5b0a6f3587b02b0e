package log

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/lacunalog/lacuna/merkle"
)

// A Snapshot reads the log as of one head, whatever is appended meanwhile. It
// must be closed: as long as it is open, rows that were deleted since stay on
// disk. A snapshot of a log that is closed or broken answers every call with
// the reason.
type Snapshot struct {
	v   *view
	log *Log
	err error
}

// Snapshot returns a snapshot of the log at its newest head.
func (l *Log) Snapshot() *Snapshot {
	v, err := l.acquire()
	return &Snapshot{v: v, log: l, err: err}
}

// Close releases the snapshot.
func (s *Snapshot) Close() {
	if s.v != nil {
		s.v.release()
		s.v, s.err = nil, ErrClosed
	}
}

// Head returns the head of the snapshot, the zero Head if it has an error.
func (s *Snapshot) Head() Head {
	if s.v == nil {
		return Head{}
	}
	return s.v.head
}

// ready says whether the database may be read.
func (s *Snapshot) ready(ctx context.Context) error {
	if s.err != nil {
		return s.err
	}
	if err := s.log.broken.Load(); err != nil {
		return *err
	}
	return context.Cause(ctx)
}

// Get returns a row, ErrNotFound if there is none.
func (s *Snapshot) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if err := s.log.spaces.has(key); err != nil {
		return nil, fmt.Errorf("reading row: %w", err)
	}
	return get(s.v.snap, key)
}

// Scan calls f for each row with from <= key < to, in order. The range lies
// within one space. The slices are valid during the call only; an error of f
// ends the scan and is returned as it is.
func (s *Snapshot) Scan(ctx context.Context, from, to []byte, f func(k, v []byte) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := s.log.spaces.hasRange(from, to); err != nil {
		return fmt.Errorf("scanning rows: %w", err)
	}
	it, err := s.v.snap.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return fmt.Errorf("scanning rows: %w", readError(err))
	}
	defer it.Close()
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if n++; n%256 == 0 {
			if err := s.ready(ctx); err != nil {
				return err
			}
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("scanning rows: %w", readError(err))
		}
		if err := f(it.Key(), v); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("scanning rows: %w", readError(err))
	}
	return nil
}

// Last returns the last row with from <= key < to, copied; ErrNotFound if there is
// none. The range lies within one space.
func (s *Snapshot) Last(ctx context.Context, from, to []byte) (key, value []byte, err error) {
	if err := s.ready(ctx); err != nil {
		return nil, nil, err
	}
	if err := s.log.spaces.hasRange(from, to); err != nil {
		return nil, nil, fmt.Errorf("reading the last row: %w", err)
	}
	it, err := s.v.snap.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the last row: %w", readError(err))
	}
	defer it.Close()
	if !it.Last() {
		if err := it.Error(); err != nil {
			return nil, nil, fmt.Errorf("reading the last row: %w", readError(err))
		}
		return nil, nil, ErrNotFound
	}
	v, err := it.ValueAndErr()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the last row: %w", readError(err))
	}
	return append([]byte(nil), it.Key()...), append([]byte(nil), v...), nil
}

// Leaf returns leaf number index.
func (s *Snapshot) Leaf(ctx context.Context, index uint64) ([]byte, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	e := &s.v.edge
	if index >= e.size {
		return nil, fmt.Errorf("leaf %d: %w", index, ErrNotFound)
	}
	n, at := index/merkle.TileWidth, int(index%merkle.TileWidth)
	if n == e.size/merkle.TileWidth {
		return entryOf(e.bundle, at, index)
	}
	v, closer, err := s.v.snap.Get(bundleKey(n))
	if err != nil {
		return nil, missing(bundlePath(n), err)
	}
	leaf, err := entryOf(v, at, index)
	if cerr := closer.Close(); err == nil && cerr != nil {
		err = readError(cerr)
	}
	return leaf, err
}

// entryOf copies one entry out of a bundle.
func entryOf(b []byte, at int, index uint64) ([]byte, error) {
	for ; ; at-- {
		if len(b) < 2 {
			break
		}
		n := 2 + int(binary.BigEndian.Uint16(b))
		if len(b) < n {
			break
		}
		if at == 0 {
			return append([]byte(nil), b[2:n]...), nil
		}
		b = b[n:]
	}
	return nil, fmt.Errorf("leaf %d: %w: its bundle is too short", index, ErrCorrupt)
}

func bundlePath(n uint64) string { return merkle.EntriesPath(n, merkle.TileWidth) }

// missing explains why a row that must be there could not be read.
func missing(what string, err error) error {
	if err = readError(err); err == ErrNotFound {
		err = fmt.Errorf("%w: it is missing", ErrCorrupt)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// ReadBundle returns the first width entries of bundle number index, as the
// bytes that https://c2sp.org/tlog-tiles serves.
func (s *Snapshot) ReadBundle(ctx context.Context, index uint64, width int) ([]byte, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	e := &s.v.edge
	have := merkle.TileWidthAt(0, index, e.size)
	if width < 1 || width > have {
		return nil, fmt.Errorf("bundle %d with %d entries: %w", index, width, ErrNotFound)
	}
	if have < merkle.TileWidth {
		b, err := prefixOfBundle(e.bundle, width)
		return append([]byte(nil), b...), err
	}
	b, err := get(s.v.snap, bundleKey(index))
	if err != nil {
		return nil, missing(bundlePath(index), err)
	}
	if width < merkle.TileWidth {
		if b, err = prefixOfBundle(b, width); err != nil {
			return nil, fmt.Errorf("%s: %w: %w", bundlePath(index), ErrCorrupt, err)
		}
	}
	return b, nil
}

// ReadTile returns the t.Width first hashes of a tile. Every width is served
// that the tile had at some size up to the head.
func (s *Snapshot) ReadTile(ctx context.Context, t merkle.Tile) ([]merkle.Hash, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	return readTile(s.v, s.v.snap, t)
}

func readTile(v *view, r pebble.Reader, t merkle.Tile) ([]merkle.Hash, error) {
	have := merkle.TileWidthAt(t.Level, t.Index, v.edge.size)
	if t.Width < 1 || t.Width > have {
		return nil, fmt.Errorf("%s: %w", t, ErrNotFound)
	}
	if have < merkle.TileWidth {
		return v.edge.tiles[t.Level][:t.Width:t.Width], nil
	}
	hashes, err := rowReader{r}.fullTile(t.Level, t.Index)
	if err != nil {
		return nil, err
	}
	return hashes[:t.Width:t.Width], nil
}

// tileReader reads tiles for the proofs of merkle.
func tileReader(v *view, r pebble.Reader) merkle.TileReader {
	return func(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) { return readTile(v, r, t) }
}

// bounded refuses sizes that the snapshot has not reached.
func (s *Snapshot) bounded(ctx context.Context, size uint64) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if size > s.v.edge.size {
		return fmt.Errorf("size %d, the log has %d entries: %w", size, s.v.edge.size, ErrNotFound)
	}
	return nil
}

// InclusionProof proves that leaf index is in the tree of the given size.
func (s *Snapshot) InclusionProof(ctx context.Context, index, size uint64) ([]merkle.Hash, error) {
	if err := s.bounded(ctx, size); err != nil {
		return nil, fmt.Errorf("inclusion proof: %w", err)
	}
	if index >= size {
		return nil, fmt.Errorf("inclusion proof: leaf %d in a tree of size %d: %w", index, size, ErrNotFound)
	}
	p := prover{Snapshot: s}
	return merkle.InclusionProofFrom(ctx, index, size, p.node)
}

// ConsistencyProof proves that the tree of size m is a prefix of that of size n.
func (s *Snapshot) ConsistencyProof(ctx context.Context, m, n uint64) ([]merkle.Hash, error) {
	if err := s.bounded(ctx, n); err != nil {
		return nil, fmt.Errorf("consistency proof: %w", err)
	}
	p := prover{Snapshot: s}
	return merkle.ConsistencyProofFrom(ctx, m, n, p.node)
}

// RootAt returns the root of the tree when it had the given size.
func (s *Snapshot) RootAt(ctx context.Context, size uint64) (merkle.Hash, error) {
	if err := s.bounded(ctx, size); err != nil {
		return merkle.Hash{}, fmt.Errorf("root: %w", err)
	}
	return merkle.RootFromTiles(ctx, size, s.ReadTile)
}
