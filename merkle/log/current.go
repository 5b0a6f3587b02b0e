package log

import (
	"context"

	"github.com/lacunalog/lacuna/merkle"
)

// The methods of Log that read do so at the newest head, each call on its own.
// Take a Snapshot to read several things at one head.

// Get is [Snapshot.Get] at the newest head.
func (l *Log) Get(ctx context.Context, key []byte) ([]byte, error) {
	s := l.Snapshot()
	defer s.Close()
	return s.Get(ctx, key)
}

// Scan is [Snapshot.Scan] at the newest head; rows that are appended meanwhile
// are not seen.
func (l *Log) Scan(ctx context.Context, from, to []byte, f func(k, v []byte) error) error {
	s := l.Snapshot()
	defer s.Close()
	return s.Scan(ctx, from, to, f)
}

// Last is [Snapshot.Last] at the newest head.
func (l *Log) Last(ctx context.Context, from, to []byte) (key, value []byte, err error) {
	s := l.Snapshot()
	defer s.Close()
	return s.Last(ctx, from, to)
}

// Leaf is [Snapshot.Leaf] at the newest head.
func (l *Log) Leaf(ctx context.Context, index uint64) ([]byte, error) {
	s := l.Snapshot()
	defer s.Close()
	return s.Leaf(ctx, index)
}

// ReadBundle is [Snapshot.ReadBundle] at the newest head.
func (l *Log) ReadBundle(ctx context.Context, index uint64, width int) ([]byte, error) {
	s := l.Snapshot()
	defer s.Close()
	return s.ReadBundle(ctx, index, width)
}

// ReadTile is [Snapshot.ReadTile] at the newest head. It is a
// [merkle.TileReader].
func (l *Log) ReadTile(ctx context.Context, t merkle.Tile) ([]merkle.Hash, error) {
	s := l.Snapshot()
	defer s.Close()
	return s.ReadTile(ctx, t)
}

// InclusionProof is [Snapshot.InclusionProof] at the newest head.
func (l *Log) InclusionProof(ctx context.Context, index, size uint64) ([]merkle.Hash, error) {
	s := l.Snapshot()
	defer s.Close()
	return s.InclusionProof(ctx, index, size)
}

// ConsistencyProof is [Snapshot.ConsistencyProof] at the newest head.
func (l *Log) ConsistencyProof(ctx context.Context, m, n uint64) ([]merkle.Hash, error) {
	s := l.Snapshot()
	defer s.Close()
	return s.ConsistencyProof(ctx, m, n)
}

// RootAt is [Snapshot.RootAt] at the newest head.
func (l *Log) RootAt(ctx context.Context, size uint64) (merkle.Hash, error) {
	s := l.Snapshot()
	defer s.Close()
	return s.RootAt(ctx, size)
}
