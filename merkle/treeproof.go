package merkle

import (
	"context"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
)

// A TileReader returns the hashes of a tile, t.Width of them. The width asked
// for is the one the tile has in a log of the size in question; if the log has
// grown since and keeps only the wider tile, the reader returns the first
// t.Width hashes of that, which are the same. A reader neither keeps nor changes
// what it returned. It may be called from one goroutine at a time by each
// computation.
type TileReader func(ctx context.Context, t Tile) ([]Hash, error)

// AtSize returns a reader that serves every size up to the given one, from a
// reader of a log that has that size: it reads each tile as wide as it is there,
// and returns as much as was asked for. A client needs it to look back, because
// a narrower tile than the current one may not be there any more.
func AtSize(size uint64, read TileReader) TileReader {
	return func(ctx context.Context, t Tile) ([]Hash, error) {
		wide := Tile{t.Level, t.Index, TileWidthAt(t.Level, t.Index, size)}
		if wide.Width < t.Width {
			return nil, fmt.Errorf("a log of size %d has no tile %s", size, t)
		}
		hashes, err := read(ctx, wide)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", wide, err)
		}
		if len(hashes) != wide.Width {
			return nil, fmt.Errorf("reading %s: got %d hashes, want %d", wide, len(hashes), wide.Width)
		}
		return hashes[:t.Width], nil
	}
}

// InclusionProof computes the proof that leaf index is in the tree of the given
// size (RFC 6962, section 2.1.1). It believes the tiles; whether they belong to
// a checkpoint is what [VerifyInclusion] finds out.
func InclusionProof(ctx context.Context, index, size uint64, read TileReader) ([]Hash, error) {
	if size > MaxSize {
		return nil, fmt.Errorf("inclusion proof: size %d is larger than %d", size, uint64(MaxSize))
	}
	nodes, err := proof.Inclusion(index, size)
	if err != nil {
		return nil, fmt.Errorf("inclusion proof: %w", err)
	}
	return fetchProof(ctx, nodes, size, read)
}

// ConsistencyProof computes the proof that the tree of oldSize is a prefix of
// the tree of newSize (RFC 6962, section 2.1.2). It is empty if oldSize is 0 or
// equal to newSize. It believes the tiles, see [VerifyConsistency].
func ConsistencyProof(ctx context.Context, oldSize, newSize uint64, read TileReader) ([]Hash, error) {
	if newSize > MaxSize {
		return nil, fmt.Errorf("consistency proof: size %d is larger than %d", newSize, uint64(MaxSize))
	}
	nodes, err := proof.Consistency(oldSize, newSize)
	if err != nil {
		return nil, fmt.Errorf("consistency proof: %w", err)
	}
	return fetchProof(ctx, nodes, newSize, read)
}

// RangeFromTiles returns the compact range of the log at the given size, read
// from the tiles along the right edge of the tree.
func RangeFromTiles(ctx context.Context, size uint64, read TileReader) (*Range, error) {
	if size > MaxSize {
		return nil, fmt.Errorf("compact range of size %d: larger than %d", size, uint64(MaxSize))
	}
	hashes, err := fetchNodes(ctx, compact.RangeNodes(0, size, nil), size, read)
	if err != nil {
		return nil, err
	}
	return NewRange(size, hashes)
}

// RootFromTiles returns the root of the tree of the given size, which may be
// any size up to that of the log. It believes the tiles: compare the answer
// with a checkpoint.
func RootFromTiles(ctx context.Context, size uint64, read TileReader) (Hash, error) {
	r, err := RangeFromTiles(ctx, size, read)
	if err != nil {
		return Hash{}, err
	}
	return r.Root(), nil
}

// fetchProof reads the nodes of a proof and folds those that make up the one
// node that is not complete in a tree of this size.
func fetchProof(ctx context.Context, nodes proof.Nodes, size uint64, read TileReader) ([]Hash, error) {
	hashes, err := fetchNodes(ctx, nodes.IDs, size, read)
	if err != nil {
		return nil, err
	}
	_, begin, end := nodes.Ephem()
	if end-begin <= 1 {
		return hashes, nil
	}
	// They are ordered from the lowest, which is rightmost, upward.
	h := hashes[begin]
	for _, left := range hashes[begin+1 : end] {
		h = NodeHash(left, h)
	}
	return append(append(hashes[:begin], h), hashes[end:]...), nil
}

// fetchNodes returns the hashes of complete nodes of a tree of this size. Each
// tile is read once: neighbouring nodes of a proof lie in few tiles.
func fetchNodes(ctx context.Context, ids []compact.NodeID, size uint64, read TileReader) ([]Hash, error) {
	type loaded struct {
		t      Tile
		hashes []Hash
	}
	var tiles []loaded
	tile := func(t Tile) ([]Hash, error) {
		for _, l := range tiles {
			if l.t == t {
				return l.hashes, nil
			}
		}
		hashes, err := read(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", t, err)
		}
		if len(hashes) != t.Width {
			return nil, fmt.Errorf("reading %s: got %d hashes, want %d", t, len(hashes), t.Width)
		}
		tiles = append(tiles, loaded{t, hashes})
		return hashes, nil
	}
	out := make([]Hash, 0, len(ids))
	for _, id := range ids {
		// The node stands `up` levels above the hashes of its tile and covers
		// 1<<up of them.
		level, up := int(id.Level/TileHeight), id.Level%TileHeight
		first := id.Index << up
		t := Tile{Level: level, Index: first / TileWidth}
		t.Width = TileWidthAt(level, t.Index, size)
		at := int(first % TileWidth)
		if at+1<<up > t.Width {
			return nil, fmt.Errorf("node %d at level %d is not complete in a tree of size %d", id.Index, id.Level, size)
		}
		hashes, err := tile(t)
		if err != nil {
			return nil, err
		}
		out = append(out, HashTile(hashes[at:at+1<<up]))
	}
	return out, nil
}
