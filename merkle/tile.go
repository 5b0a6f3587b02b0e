package merkle

import (
	"fmt"
	"iter"
)

const (
	// TileHeight is how many levels of the tree one tile spans.
	TileHeight = 8
	// TileWidth is the number of hashes in a full tile, and of entries in a
	// full bundle.
	TileWidth = 1 << TileHeight
	// maxTileLevel is the highest level a path may name. Trees end far below:
	// a level-7 tile that holds one hash stands for 2^56 entries.
	maxTileLevel = 63
)

// A Tile names one tile of a log: Width hashes, from index Index·256 on, of the
// nodes at tree level 8·Level. A tile of 256 hashes is full and will never
// change; a narrower one is partial and stands at the right edge of a log of
// some size. The next level up holds hashes of full tiles only.
type Tile struct {
	Level int
	Index uint64
	Width int // 1 to 256
}

// String returns the path of the tile.
func (t Tile) String() string { return t.Path() }

// TileWidthAt returns how many hashes the tile at (level, index) has in a log
// of the given size. It is 0 when the log has no such tile.
func TileWidthAt(level int, index, size uint64) int {
	if level < 0 || level >= 64/TileHeight {
		return 0
	}
	n := size >> (uint(level) * TileHeight) // hashes on this level
	switch full := n / TileWidth; {
	case index < full:
		return TileWidth
	case index == full:
		return int(n % TileWidth)
	default:
		return 0
	}
}

// TilesOf yields every tile of a log of the given size, from level 0 upward and
// left to right: the full ones and, at the right edge of each level, a partial
// one if it is not empty. For entry bundles take the tiles of level 0.
func TilesOf(size uint64) iter.Seq[Tile] {
	return func(yield func(Tile) bool) {
		for level := 0; size > 0; level++ {
			full := size / TileWidth
			for i := range full {
				if !yield(Tile{level, i, TileWidth}) {
					return
				}
			}
			if w := int(size % TileWidth); w > 0 && !yield(Tile{level, full, w}) {
				return
			}
			size = full
		}
	}
}

// HashTile returns the root of the subtree over the given hashes, which are
// those of one tile, left to right. Of a full tile this is the hash that stands
// one level up. A partial tile must not be hashed upward: its hash only makes
// sense inside the computation of a root. HashTile of nothing is [EmptyRoot].
func HashTile(hashes []Hash) Hash {
	switch n := len(hashes); {
	case n == 1:
		return hashes[0]
	case n > 1 && n <= TileWidth && n&(n-1) == 0:
		return hashPerfect(hashes)
	}
	var r Range
	for _, h := range hashes {
		r.Append(h, nil)
	}
	return r.Root()
}

// hashPerfect hashes a power of two of hashes, from 2 to a full tile, without
// allocating: proofs consist of little else.
func hashPerfect(hashes []Hash) Hash {
	var level [TileWidth / 2]Hash
	nodeHashes(level[:], hashes)
	for n := len(hashes) / 2; n > 1; n /= 2 {
		nodeHashes(level[:], level[:n])
	}
	return level[0]
}

// AppendTile appends the bytes of a tile, which are its hashes one after
// another, to b.
func AppendTile(b []byte, hashes []Hash) []byte {
	for i := range hashes {
		b = append(b, hashes[i][:]...)
	}
	return b
}

// ParseTile returns the hashes of a tile of the given width from its bytes.
func ParseTile(b []byte, width int) ([]Hash, error) {
	if width < 1 || width > TileWidth {
		return nil, fmt.Errorf("tile: width %d, want 1 to %d", width, TileWidth)
	}
	if len(b) != width*HashSize {
		return nil, fmt.Errorf("tile: %d bytes, want %d for %d hashes", len(b), width*HashSize, width)
	}
	hashes := make([]Hash, width)
	for i := range hashes {
		hashes[i] = Hash(b[i*HashSize:])
	}
	return hashes, nil
}
