package log

import (
	"github.com/lacunalog/lacuna/merkle"
)

// maxLevels is the number of tile levels that a tree of 2^63 leaves can have.
const maxLevels = 8

// An edge is the right edge of the tree at one size: the hashes of the partial
// tile of each level, and the leaves of the partial bundle. From it follow the
// root, and every partial tile that a reader can ask for and that is not the
// beginning of a full one.
//
// The slices only ever grow. A copy of the struct is therefore a snapshot that
// can be read while the original goes on: it sees the bytes below its own
// lengths, which nobody writes again.
type edge struct {
	size uint64
	// tiles[l] has the hashes of level l from the last multiple of 256 on.
	tiles [maxLevels][]merkle.Hash
	// parts[l] has the nodes above the parts of tiles[l] that are complete.
	parts [maxLevels][]merkle.Hash
	// bundle has the leaves size&^255 to size-1 in the form of a bundle.
	bundle []byte
}

// An edgeWriter extends an edge.
type edgeWriter struct {
	edge
	rng *merkle.Range
	// full is called for each tile of level 1 and up, and bundle for each
	// bundle, that has just become full.
	fullTile   func(level int, index uint64, hashes []merkle.Hash)
	fullBundle func(index uint64, bundle []byte)
	visit      func(level uint, index uint64, h merkle.Hash)
	// remember is called with the nodes above the parts of a tile that is full.
	remember func(*remembered)
}

func newEdgeWriter(e edge) (*edgeWriter, error) {
	w := &edgeWriter{edge: e}
	w.visit = w.node
	var err error
	w.rng, err = e.compactRange()
	return w, err
}

// append adds leaves of 1 to 65,535 bytes each.
func (w *edgeWriter) append(leaves [][]byte) {
	for len(leaves) > 0 {
		// No further than to the end of a bundle, which is taken when its last leaf is
		// a node.
		n := min(len(leaves), merkle.TileWidth-int(w.size%merkle.TileWidth))
		for _, leaf := range leaves[:n] {
			w.bundle = append(w.bundle, byte(len(leaf)>>8), byte(len(leaf)))
			w.bundle = append(w.bundle, leaf...)
		}
		w.size += uint64(n)
		w.rng.AppendEntries(leaves[:n], w.visit)
		leaves = leaves[n:]
	}
}

// node is called for every complete node of the tree, from the leaf upward.
// Only every eighth level stands in tiles.
func (w *edgeWriter) node(level uint, index uint64, h merkle.Hash) {
	l := int(level / merkle.TileHeight)
	switch level % merkle.TileHeight {
	case 0:
	case partHeight:
		w.part(l, index, h)
		return
	default:
		return
	}
	t := w.tiles[l]
	if t == nil {
		t = make([]merkle.Hash, 0, merkle.TileWidth)
	}
	t = append(t, h)
	if len(t) < merkle.TileWidth {
		w.tiles[l] = t
		return
	}
	// Snapshots may still hold the old slices, so the next tile gets new ones.
	w.tiles[l] = nil
	if l == 0 {
		full := w.bundle
		w.bundle = make([]byte, 0, len(full))
		w.fullBundle(index/merkle.TileWidth, full)
		return
	}
	w.fullTile(l, index/merkle.TileWidth, t)
}

// part takes the node above a part of a tile. That of the last comes when the tile
// has become full.
func (w *edgeWriter) part(level int, index uint64, h merkle.Hash) {
	p := w.parts[level]
	if p == nil {
		p = make([]merkle.Hash, 0, parts)
	}
	p = append(p, h)
	if len(p) < parts {
		w.parts[level] = p
		return
	}
	w.parts[level] = nil
	if w.remember != nil {
		w.remember(&remembered{level, index / parts, [parts]merkle.Hash(p)})
	}
}

// compactRange returns the compact range of the tree. All its nodes lie in the
// partial tiles of the right edge.
func (e *edge) compactRange() (*merkle.Range, error) {
	var hashes []merkle.Hash
	for l := maxLevels - 1; l >= 0; l-- {
		t := e.tiles[l]
		for w := merkle.TileWidth / 2; w > 0; w /= 2 {
			if len(t) >= w {
				hashes = append(hashes, merkle.HashTile(t[:w]))
				t = t[w:]
			}
		}
	}
	return merkle.NewRange(e.size, hashes)
}

// width returns how many hashes the partial tile of a level has.
func (e *edge) width(level int) int {
	return int(e.size >> (level * merkle.TileHeight) % merkle.TileWidth)
}
