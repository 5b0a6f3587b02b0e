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

// A TileNode names a node of the tree by the tile it stands in: it is the root of
// the 1<<Height hashes of the tile from number At on, a multiple of their count.
// Height is at most 7; what stands higher is a hash of the next level's tile.
type TileNode struct {
	Tile       Tile
	At, Height int
}

// A NodeReader returns the hash of a node. It is for those who know more than the
// hashes of a tile: to compute a node from these takes up to 127 hashes, and a
// proof has one node for each height of each tile on its way. Otherwise it is what
// a [TileReader] is.
type NodeReader func(ctx context.Context, n TileNode) (Hash, error)

// InclusionProof computes the proof that leaf index is in the tree of the given
// size (RFC 6962, section 2.1.1). It believes the tiles; whether they belong to
// a checkpoint is what [VerifyInclusion] finds out.
func InclusionProof(ctx context.Context, index, size uint64, read TileReader) ([]Hash, error) {
	return InclusionProofFrom(ctx, index, size, nodesOf(read))
}

// InclusionProofFrom is InclusionProof for a reader of nodes.
func InclusionProofFrom(ctx context.Context, index, size uint64, read NodeReader) ([]Hash, error) {
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
	return ConsistencyProofFrom(ctx, oldSize, newSize, nodesOf(read))
}

// ConsistencyProofFrom is ConsistencyProof for a reader of nodes.
func ConsistencyProofFrom(ctx context.Context, oldSize, newSize uint64, read NodeReader) ([]Hash, error) {
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
	hashes, err := fetchNodes(ctx, compact.RangeNodes(0, size, nil), size, nodesOf(read))
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
func fetchProof(ctx context.Context, nodes proof.Nodes, size uint64, read NodeReader) ([]Hash, error) {
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

// nodesOf computes nodes from tiles. Each tile is read once: neighbouring nodes of
// a proof lie in few tiles.
func nodesOf(read TileReader) NodeReader {
	type loaded struct {
		t      Tile
		hashes []Hash
	}
	var tiles []loaded
	tile := func(ctx context.Context, t Tile) ([]Hash, error) {
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
	return func(ctx context.Context, n TileNode) (Hash, error) {
		hashes, err := tile(ctx, n.Tile)
		if err != nil {
			return Hash{}, err
		}
		return HashTile(hashes[n.At : n.At+1<<n.Height]), nil
	}
}

// fetchNodes returns the hashes of complete nodes of a tree of this size.
func fetchNodes(ctx context.Context, ids []compact.NodeID, size uint64, read NodeReader) ([]Hash, error) {
	out := make([]Hash, 0, len(ids))
	for _, id := range ids {
		// The node stands Height levels above the hashes of its tile.
		n := TileNode{Height: int(id.Level % TileHeight)}
		first := id.Index << n.Height
		n.Tile = Tile{Level: int(id.Level / TileHeight), Index: first / TileWidth}
		n.Tile.Width = TileWidthAt(n.Tile.Level, n.Tile.Index, size)
		n.At = int(first % TileWidth)
		if n.At+1<<n.Height > n.Tile.Width {
			return nil, fmt.Errorf("node %d at level %d is not complete in a tree of size %d", id.Index, id.Level, size)
		}
		h, err := read(ctx, n)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}
