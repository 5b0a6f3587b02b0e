package audit

import (
	"context"
	"fmt"

	"github.com/lacunalog/lacuna/merkle"
)

// blame is called when the right edge does not fold into the root of the head,
// and finds out which file is wrong: a tile that disagrees with what lies below
// it, while that agrees with what lies below itself. If all tiles agree, the
// head is one of another tree.
func (v *view) blame(ctx context.Context, folded merkle.Hash) error {
	for l := levels - 1; l >= 0; l-- {
		if len(v.edge[l]) == 0 {
			continue
		}
		if err := v.blameTile(ctx, v.edgeTile(l), v.edge[l]); err != nil {
			return err
		}
	}
	return &MismatchError{Place: "checkpoint",
		What: fmt.Sprintf("it is signed for size %d and root %s, the tiles lead to root %s", v.head.Size, v.head.Root, folded)}
}

// blameTile compares a tile with what it was made from.
func (v *view) blameTile(ctx context.Context, t merkle.Tile, hashes []merkle.Hash) error {
	if t.Level == 0 {
		_, leaves, err := fetchBundle(ctx, v.src, t.Index, t.Width)
		if err != nil {
			return err
		}
		for i := range leaves {
			if leaves[i] != hashes[i] {
				return &MismatchError{Place: t.Path(), What: fmt.Sprintf("hash %d is not that of entry %d in %s",
					i, t.Index*merkle.TileWidth+uint64(i), merkle.EntriesPath(t.Index, t.Width))}
			}
		}
		return nil
	}
	for i, want := range hashes {
		child := merkle.Tile{Level: t.Level - 1, Index: t.Index*merkle.TileWidth + uint64(i), Width: merkle.TileWidth}
		below, err := fetchTile(ctx, v.src, child)
		if err != nil {
			return err
		}
		if merkle.HashTile(below) == want {
			continue
		}
		if err := v.blameTile(ctx, child, below); err != nil {
			return err
		}
		return &MismatchError{Place: t.Path(), What: fmt.Sprintf("hash %d is not that of %s, which agrees with what lies below it", i, child.Path())}
	}
	return nil
}
