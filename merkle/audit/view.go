package audit

import (
	"context"
	"fmt"

	"github.com/lacunalog/lacuna/merkle"
)

// levels is how many levels of tiles a log can have.
const levels = 8

// A view is the tree below one head, read from a source and verified downward
// from the root. It is used by one goroutine at a time.
type view struct {
	src  Source
	head head
	// keep takes over tiles that were verified; nil to keep nothing.
	keep keeper
	// edge has the partial tile of each level, empty where there is none. They
	// hold the roots of all perfect subtrees that make up the tree.
	edge [levels][]merkle.Hash
	// last has the full tile of each level that was read last: going through the
	// tree from left to right, each is read once.
	last [levels]struct {
		index  uint64
		hashes []merkle.Hash
	}
}

// A keeper stores files that have been verified, and has those that it stored
// earlier. What it returns is verified again.
type keeper interface {
	// stored returns a file, or nothing.
	stored(path string, limit int) []byte
	// put stores a file. It may be called by many goroutines, with a path only
	// by one at a time.
	put(path string, b []byte) error
}

// newView reads the right edge of the tree. If it does not fold into the root of
// the head, the error is a *MismatchError that names what is wrong.
func newView(ctx context.Context, src Source, h head) (*view, error) {
	v := &view{src: src, head: h}
	for l := range levels {
		index := h.Size >> (merkle.TileHeight * (uint(l) + 1))
		if w := merkle.TileWidthAt(l, index, h.Size); w > 0 {
			hashes, err := fetchTile(ctx, src, merkle.Tile{Level: l, Index: index, Width: w})
			if err != nil {
				return nil, err
			}
			v.edge[l] = hashes
		}
	}
	root, err := merkle.RootFromTiles(ctx, h.Size, func(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) {
		return v.edge[t.Level], nil
	})
	if err != nil {
		return nil, err
	}
	if root != h.Root {
		return nil, v.blame(ctx, root)
	}
	return v, nil
}

// keepIn makes the view keep what it verifies from now on. Before it is known
// that the head follows the one before it, nothing may be kept: the files of a
// fork verify, too.
func (v *view) keepIn(k keeper) {
	v.keep = k
	for l := range v.last {
		v.last[l].hashes = nil // read again, to be kept
	}
}

// edgeTile names the partial tile of a level.
func (v *view) edgeTile(level int) merkle.Tile {
	return merkle.Tile{Level: level, Index: v.head.Size >> (merkle.TileHeight * (uint(level) + 1)), Width: len(v.edge[level])}
}

// above returns the hash that stands for a full tile one level up.
func (v *view) above(ctx context.Context, level int, index uint64) (merkle.Hash, error) {
	parent, at := index/merkle.TileWidth, index%merkle.TileWidth
	if merkle.TileWidthAt(level+1, parent, v.head.Size) < merkle.TileWidth {
		return v.edge[level+1][at], nil
	}
	hashes, err := v.full(ctx, level+1, parent)
	if err != nil {
		return merkle.Hash{}, err
	}
	return hashes[at], nil
}

// full returns a full tile of a level above the lowest, verified.
func (v *view) full(ctx context.Context, level int, index uint64) ([]merkle.Hash, error) {
	last := &v.last[level]
	if last.hashes != nil && last.index == index {
		return last.hashes, nil
	}
	want, err := v.above(ctx, level, index)
	if err != nil {
		return nil, err
	}
	hashes, err := obtainTile(ctx, v.src, v.keep, level, index, want)
	if err != nil {
		return nil, err
	}
	last.index, last.hashes = index, hashes
	return hashes, nil
}

// tiles is a merkle.TileReader of verified tiles, for proofs and roots of this
// tree and of those that it grew from.
func (v *view) tiles(ctx context.Context, t merkle.Tile) ([]merkle.Hash, error) {
	return merkle.AtSize(v.head.Size, func(ctx context.Context, t merkle.Tile) ([]merkle.Hash, error) {
		if t.Width < merkle.TileWidth {
			return v.edge[t.Level], nil
		}
		return v.full(ctx, t.Level, t.Index)
	})(ctx, t)
}

// rootAt returns the root of the first entries of the tree.
func (v *view) rootAt(ctx context.Context, size uint64) (merkle.Hash, error) {
	return merkle.RootFromTiles(ctx, size, v.tiles)
}

// obtainTile returns a full tile whose hash is known, and keeps it.
func obtainTile(ctx context.Context, src Source, keep keeper, level int, index uint64, want merkle.Hash) ([]merkle.Hash, error) {
	t := merkle.Tile{Level: level, Index: index, Width: merkle.TileWidth}
	if keep != nil {
		if b := keep.stored(t.Path(), maxTile); b != nil {
			if hashes, err := merkle.ParseTile(b, t.Width); err == nil && merkle.HashTile(hashes) == want {
				return hashes, nil
			}
		}
	}
	hashes, err := fetchTile(ctx, src, t)
	if err != nil {
		return nil, err
	}
	if got := merkle.HashTile(hashes); got != want {
		return nil, tileMismatch(t, got, want)
	}
	if keep != nil {
		if err := keep.put(t.Path(), merkle.AppendTile(nil, hashes)); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

func tileMismatch(t merkle.Tile, got, want merkle.Hash) error {
	return &MismatchError{Place: t.Path(), What: fmt.Sprintf("it hashes to %s, the tree under the head has %s there", got, want)}
}
