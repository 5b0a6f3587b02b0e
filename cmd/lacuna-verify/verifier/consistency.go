package verifier

import (
	"context"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/merkle"
)

// compare compares two signed heads.
func compare(o options, t *receipt.Trust, f *files) ([]byte, int, error) {
	older, err := f.read(o.older, maxHead)
	if err != nil {
		return nil, exitUsage, fmt.Errorf("reading the old head: %w", err)
	}
	newer, err := f.read(o.newer, maxHead)
	if err != nil {
		return nil, exitUsage, fmt.Errorf("reading the new head: %w", err)
	}
	var proof receipt.GrowthProof
	switch {
	case o.proof != "":
		if proof.File, err = f.read(o.proof, maxHead); err != nil {
			return nil, exitUsage, fmt.Errorf("reading the proof: %w", err)
		}
	case o.tiles != "":
		proof.Tiles = f.tiles(o.tiles)
	}
	g, err := t.Compare(context.Background(), older, newer, proof)
	if errors.Is(err, receipt.ErrNoProof) {
		return nil, exitUsage, &hinted{err, "--proof FILE, or --tiles FOLDER with a static copy of the log"}
	}
	if err != nil {
		return nil, exitUsage, fmt.Errorf("computing the proof from %s: %w", o.tiles, err)
	}
	code := exitOK
	if !g.Verified {
		code = exitFailed
	}
	// Where the proof shows a fork it is part of the evidence.
	if o.out != "" && (g.Verified || g.Failure.Stage == receipt.StageFork) {
		if err := f.create(o.out, receipt.AppendProof(nil, g.Proof)); err != nil {
			return nil, exitError, fmt.Errorf("writing the proof: %w", err)
		}
	}
	if o.json {
		b, err := growthJSON(g)
		return b, code, err
	}
	return growthText(g, o.explain), code, nil
}

// tiles reads the tiles of a static copy of a log. A partial tile that is not there is
// cut from a wider one: the log has grown since, and the first hashes are the same.
func (f *files) tiles(folder string) merkle.TileReader {
	return func(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) {
		for w := t.Width; w <= merkle.TileWidth; w++ {
			wide := merkle.Tile{Level: t.Level, Index: t.Index, Width: w}
			b, ok, err := f.exists(folder+"/"+wide.Path(), merkle.TileWidth*merkle.HashSize)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			hashes, err := merkle.ParseTile(b, w)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", wide.Path(), err)
			}
			return hashes[:t.Width], nil
		}
		return nil, errors.New("there is no such tile")
	}
}
