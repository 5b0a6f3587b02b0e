package log

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/lacunalog/lacuna/merkle"
)

// Full tiles of level 0 are not stored, and a proof needs nodes of every height in
// each tile on its way: computed from nothing, that is 255 hashes for each tile and
// 256 more for the leaves of a bundle. So a log remembers eight nodes of each tile:
// those that cover 32 hashes, a part. Below them a proof reads one part of the row
// and hashes 32 leaves; above them it hashes what is remembered. The sequencer,
// which computes every node once, remembers them as tiles become full; those of
// before it was opened are found when a proof first goes through.
//
// What is remembered never changes, because only full tiles are; the edge has the same
// of those that are not. A tile has one place, which the newest one with the same place
// takes: bundles that stand beside each other never share one.
const (
	partHeight = 5
	partWidth  = 1 << partHeight
	parts      = merkle.TileWidth / partWidth

	// 288 bytes each: 9 MB for the bundles of 8 million leaves, half a megabyte for
	// the tiles above half a billion.
	rememberedBundles = 1 << 15
	rememberedTiles   = 1 << 11
)

type nodes struct {
	bundles [rememberedBundles]atomic.Pointer[remembered]
	tiles   [rememberedTiles]atomic.Pointer[remembered]
}

type remembered struct {
	level int
	index uint64
	part  [parts]merkle.Hash // the node above each part of the tile
}

func (s *nodes) place(level int, index uint64) *atomic.Pointer[remembered] {
	if level == 0 {
		return &s.bundles[index%rememberedBundles]
	}
	// Levels are strewn, so that their first tiles do not share a place.
	return &s.tiles[(index+uint64(level-1)*1031)%rememberedTiles]
}

func (s *nodes) get(level int, index uint64) *remembered {
	r := s.place(level, index).Load()
	if r == nil || r.level != level || r.index != index {
		return nil
	}
	return r
}

func (s *nodes) put(r *remembered) { s.place(r.level, r.index).Store(r) }

// A prover reads the nodes of one proof. Its method node is a [merkle.NodeReader],
// to be used by one goroutine.
type prover struct {
	*Snapshot

	// The part that was read last: a proof asks for several nodes of it.
	level, part int
	index       uint64
	hashes      []merkle.Hash
}

func (p *prover) node(ctx context.Context, n merkle.TileNode) (merkle.Hash, error) {
	if err := p.ready(ctx); err != nil {
		return merkle.Hash{}, err
	}
	t, width := n.Tile, 1<<n.Height
	if have := merkle.TileWidthAt(t.Level, t.Index, p.v.edge.size); have < merkle.TileWidth {
		if n.At+width > have {
			return merkle.Hash{}, fmt.Errorf("%s: %w", t, ErrNotFound)
		}
		if n.Height >= partHeight {
			return merkle.HashTile(p.v.edge.parts[t.Level][n.At/partWidth : (n.At+width)/partWidth]), nil
		}
		return merkle.HashTile(p.v.edge.tiles[t.Level][n.At : n.At+width]), nil
	}
	if n.Height >= partHeight {
		r, _, err := p.tile(t.Level, t.Index)
		if err != nil {
			return merkle.Hash{}, err
		}
		return merkle.HashTile(r.part[n.At/partWidth : (n.At+width)/partWidth]), nil
	}
	if err := p.read(t.Level, t.Index, n.At/partWidth); err != nil {
		return merkle.Hash{}, err
	}
	at := n.At % partWidth
	return merkle.HashTile(p.hashes[at : at+width]), nil
}

// tile returns what is remembered of a full tile. Where that was nothing, it also
// returns the hashes of the tile, which had to be read.
func (p *prover) tile(level int, index uint64) (r *remembered, all []merkle.Hash, err error) {
	if r := p.log.nodes.get(level, index); r != nil {
		return r, nil, nil
	}
	if all, err = (rowReader{p.v.snap}).fullTile(level, index); err != nil {
		return nil, nil, err
	}
	r = &remembered{level: level, index: index}
	for i := range r.part {
		r.part[i] = merkle.HashTile(all[i*partWidth : (i+1)*partWidth])
	}
	p.log.nodes.put(r)
	return r, all, nil
}

// read reads one part of a full tile.
func (p *prover) read(level int, index uint64, part int) error {
	if p.hashes != nil && p.level == level && p.index == index && p.part == part {
		return nil
	}
	_, all, err := p.tile(level, index)
	switch {
	case err != nil:
	case all != nil:
		p.hashes = all[part*partWidth : (part+1)*partWidth]
	default:
		p.hashes, err = rowReader{p.v.snap}.partOfTile(level, index, part)
	}
	p.level, p.index, p.part = level, index, part
	return err
}
