package merkle_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// The worked examples of https://c2sp.org/tlog-tiles and their neighbours.
func TestTilesOf(t *testing.T) {
	for _, c := range []struct {
		size uint64
		want string // count of full tiles and width of the partial one, per level
	}{
		{0, ""},
		{1, "0+1"},
		{255, "0+255"},
		{256, "1+0 0+1"},
		{257, "1+1 0+1"},
		{65535, "255+255 0+255"},
		{65536, "256+0 1+0 0+1"},
		{70000, "273+112 1+17 0+1"},
	} {
		full, partial := map[int]int{}, map[int]int{}
		levels := 0
		var last merkle.Tile
		for tile := range merkle.TilesOf(c.size) {
			if tile.Width == merkle.TileWidth {
				if tile.Index != uint64(full[tile.Level]) {
					t.Errorf("size %d: %v out of order", c.size, tile)
				}
				full[tile.Level]++
			} else {
				partial[tile.Level] = tile.Width
			}
			if tile.Level < last.Level {
				t.Errorf("size %d: %v comes after %v", c.size, tile, last)
			}
			if w := merkle.TileWidthAt(tile.Level, tile.Index, c.size); w != tile.Width {
				t.Errorf("size %d: TileWidthAt says %d for %v", c.size, w, tile)
			}
			last, levels = tile, tile.Level+1
		}
		var got []string
		for level := range levels {
			got = append(got, fmt.Sprintf("%d+%d", full[level], partial[level]))
			edge := uint64(full[level])
			if partial[level] > 0 {
				edge++
			}
			if w := merkle.TileWidthAt(level, edge, c.size); w != 0 {
				t.Errorf("size %d: level %d has a tile %d of width %d", c.size, level, edge, w)
			}
		}
		if s := fmt.Sprint(got); s != "["+c.want+"]" {
			t.Errorf("size %d: tiles are %s, want [%s]", c.size, s, c.want)
		}
	}
	for _, level := range []int{-1, 8, 63, 64} {
		if w := merkle.TileWidthAt(level, 0, merkle.MaxSize); w != 0 {
			t.Errorf("level %d has a tile of width %d", level, w)
		}
	}
	if w := merkle.TileWidthAt(7, 0, merkle.MaxSize); w != 127 {
		t.Errorf("the largest log has a level-7 tile of width %d, want 127", w)
	}
	for tile := range merkle.TilesOf(merkle.MaxSize) {
		if tile.Index == 3 {
			break // stopping early must work
		}
	}
}

// Every hash in every tile is what the specification says it is.
func TestTileHashes(t *testing.T) {
	const size = 70000
	l := newMemLog(size)
	ref := newReference(l.leaves)
	for tile := range merkle.TilesOf(size) {
		hashes, err := l.readTile(t.Context(), tile)
		if err != nil {
			t.Fatal(err)
		}
		span := 1 << (merkle.TileHeight * tile.Level)
		for i, h := range hashes {
			from := (int(tile.Index)*merkle.TileWidth + i) * span
			if h != ref.mth(from, from+span) {
				t.Fatalf("hash %d of %v is not MTH(D[%d:%d])", i, tile, from, from+span)
			}
		}
		from := int(tile.Index) * merkle.TileWidth * span
		if got, want := merkle.HashTile(hashes), ref.mth(from, from+tile.Width*span); got != want {
			t.Fatalf("root of %v is %v, want %v", tile, got, want)
		}
		again, err := merkle.ParseTile(merkle.AppendTile(nil, hashes), tile.Width)
		if err != nil || !slices.Equal(again, hashes) {
			t.Fatalf("%v does not survive its bytes: %v", tile, err)
		}
	}
	if merkle.HashTile(nil) != merkle.EmptyRoot() {
		t.Error("the root of no hashes is not the empty root")
	}
}

func TestParseTileRefuses(t *testing.T) {
	for _, c := range []struct{ bytes, width int }{{0, 0}, {32, 0}, {31, 1}, {33, 1}, {8192, 255}, {8224, 257}, {0, 1}, {32, -1}} {
		if _, err := merkle.ParseTile(make([]byte, c.bytes), c.width); err == nil {
			t.Errorf("%d bytes were accepted as a tile of width %d", c.bytes, c.width)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		tile    merkle.Tile
		path    string
		entries string
	}{
		{merkle.Tile{Level: 0, Index: 0, Width: 256}, "tile/0/000", "tile/entries/000"},
		{merkle.Tile{Level: 0, Index: 273, Width: 112}, "tile/0/273.p/112", "tile/entries/273.p/112"},
		{merkle.Tile{Level: 1, Index: 999, Width: 1}, "tile/1/999.p/1", ""},
		{merkle.Tile{Level: 0, Index: 1000, Width: 256}, "tile/0/x001/000", "tile/entries/x001/000"},
		{merkle.Tile{Level: 0, Index: 1234067, Width: 256}, "tile/0/x001/x234/067", "tile/entries/x001/x234/067"},
		{merkle.Tile{Level: 0, Index: 1067, Width: 255}, "tile/0/x001/067.p/255", "tile/entries/x001/067.p/255"},
		{merkle.Tile{Level: 63, Index: 1<<64 - 1, Width: 256}, "tile/63/x018/x446/x744/x073/x709/x551/615", ""},
	} {
		if got := c.tile.Path(); got != c.path || c.tile.String() != c.path {
			t.Errorf("path is %s, want %s", got, c.path)
		}
		got, entries, err := merkle.ParsePath(c.path)
		if err != nil || entries || got != c.tile {
			t.Errorf("%s: got %+v, %t, %v", c.path, got, entries, err)
		}
		if c.entries == "" {
			continue
		}
		if got := merkle.EntriesPath(c.tile.Index, c.tile.Width); got != c.entries {
			t.Errorf("entries path is %s, want %s", got, c.entries)
		}
		got, entries, err = merkle.ParsePath(c.entries)
		if err != nil || !entries || got != c.tile {
			t.Errorf("%s: got %+v, %t, %v", c.entries, got, entries, err)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, p := range []string{
		"", "/", "tile", "tile/", "tile/0", "tile/0/", "/tile/0/000", "tile//000", "tiles/0/000", "checkpoint",
		"tile/00/000", "tile/64/000", "tile/-1/000", "tile/+1/000", "tile/ 1/000", "tile/x/000", "tile/data/000", "tile/Entries/000",
		"tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/001000", "tile/0/x000/067", "tile/0/x000/x001/067", "tile/0/001/000",
		"tile/0/x001", "tile/0/x001/", "tile/0/x001/x000", "tile/0/X001/000", "tile/0/000/", "tile/0//000", "tile/0/0 0", "tile/0/0+1", "tile/0/-01", "tile/0/0_1",
		"tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/00", "tile/0/000.p/01", "tile/0/000.p/256", "tile/0/000.p/257",
		"tile/0/000.p/-1", "tile/0/000.p/1/", "tile/0/000.p/1.p/1", "tile/0/000.P/1", "tile/0/000.p/1 ", "tile/0/000\n", "tile/0/../000", "tile/0/٠٠٠",
		"tile/0/x018/x446/x744/x073/x709/x551/616", "tile/0/x001/x018/x446/x744/x073/x709/x551/615",
		"tile/0/x999/x999/x999/x999/x999/x999/999", "tile/entries", "tile/entries/", "tile/entries/0/000",
	} {
		if tile, entries, err := merkle.ParsePath(p); err == nil {
			t.Errorf("%q was accepted as %+v, entries %t", p, tile, entries)
		}
	}
}

func TestBundles(t *testing.T) {
	entries := [][]byte{testEntry(1), {}, []byte("x"), make([]byte, merkle.MaxEntry)}
	var b []byte
	var err error
	for _, e := range entries {
		if b, err = merkle.AppendBundleEntry(b, e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := merkle.SplitBundle(b, len(entries))
	if err != nil || !slices.EqualFunc(got, entries, slices.Equal) {
		t.Fatalf("entries do not survive their bundle: %v", err)
	}
	// Appending to one entry must not reach into the next.
	_ = append(got[0], 0xff)
	if got[1] = b[36:38]; got[1][0] != 0 {
		t.Error("an entry of a bundle has room to grow into its neighbour")
	}
	if _, err := merkle.AppendBundleEntry(b, make([]byte, merkle.MaxEntry+1)); err == nil {
		t.Error("an entry of 65,536 bytes was accepted")
	}
	for name, c := range map[string]struct {
		b     []byte
		width int
	}{
		"one too few":         {b, len(entries) + 1},
		"one too many":        {b, len(entries) - 1},
		"cut short":           {b[:len(b)-1], len(entries)},
		"a byte too long":     {append(slices.Clone(b), 0), len(entries)},
		"half a length":       {b[:1], 1},
		"nothing":             {nil, 1},
		"no entries":          {nil, 0},
		"negative":            {nil, -1},
		"more than in a tile": {make([]byte, 2*257), 257},
	} {
		if _, err := merkle.SplitBundle(c.b, c.width); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for range merkle.BundleEntries(b, len(entries)) {
		break // stopping early must work
	}
}

// A computation stops at the first tile that cannot be had or is not what was
// asked for, says which, and never reads a tile the log does not have, nor one
// twice.
func TestTileReaderErrors(t *testing.T) {
	const size = 70000
	l := newMemLog(size)
	lost := errors.New("disk is on fire")
	for name, c := range map[string]struct {
		read merkle.TileReader
		is   error
	}{
		"error": {func(context.Context, merkle.Tile) ([]merkle.Hash, error) { return nil, lost }, lost},
		"short": {func(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) {
			return make([]merkle.Hash, t.Width-1), nil
		}, nil},
		"long": {func(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) {
			return make([]merkle.Hash, t.Width+1), nil
		}, nil},
	} {
		_, err1 := merkle.InclusionProof(t.Context(), 5, size, c.read)
		_, err2 := merkle.ConsistencyProof(t.Context(), 5, size, c.read)
		_, err3 := merkle.RootFromTiles(t.Context(), size, c.read)
		for i, err := range []error{err1, err2, err3} {
			if err == nil || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%s, %d: %v", name, i, err)
			}
		}
	}
	for _, f := range []func(merkle.TileReader) error{
		func(r merkle.TileReader) error {
			_, err := merkle.InclusionProof(t.Context(), 69999, size, r)
			return err
		},
		func(r merkle.TileReader) error {
			_, err := merkle.ConsistencyProof(t.Context(), 65537, size, r)
			return err
		},
		func(r merkle.TileReader) error { _, err := merkle.RangeFromTiles(t.Context(), size, r); return err },
	} {
		seen := map[merkle.Tile]bool{}
		err := f(func(ctx context.Context, tile merkle.Tile) ([]merkle.Hash, error) {
			if seen[tile] || tile.Width != merkle.TileWidthAt(tile.Level, tile.Index, size) {
				t.Errorf("%v was asked for again, or does not exist", tile)
			}
			seen[tile] = true
			return l.readTile(ctx, tile)
		})
		if err != nil || len(seen) > 5 {
			t.Errorf("%v, after %d tiles", err, len(seen))
		}
	}
	for name, f := range map[string]func() error{
		"index beyond size":   func() error { _, err := merkle.InclusionProof(t.Context(), 10, 10, l.readTile); return err },
		"sizes reversed":      func() error { _, err := merkle.ConsistencyProof(t.Context(), 11, 10, l.readTile); return err },
		"inclusion too large": func() error { _, err := merkle.InclusionProof(t.Context(), 1, 1<<63, l.readTile); return err },
		"old size too large":  func() error { _, err := merkle.ConsistencyProof(t.Context(), 1, 1<<63, l.readTile); return err },
		"root too large":      func() error { _, err := merkle.RootFromTiles(t.Context(), 1<<63, l.readTile); return err },
	} {
		if f() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A log of 70,000 entries that keeps only its newest tiles can still be looked
// at as it was at every earlier size.
func TestAtSize(t *testing.T) {
	const size = 70000
	l := newMemLog(size)
	ref := newReference(l.leaves)
	read := merkle.AtSize(size, func(ctx context.Context, tile merkle.Tile) ([]merkle.Hash, error) {
		if tile.Width != merkle.TileWidthAt(tile.Level, tile.Index, size) {
			t.Errorf("%v is not a tile of size %d", tile, size)
		}
		return l.readTile(ctx, tile)
	})
	for _, old := range []int{0, 1, 255, 256, 300, 65535, 65536, 69999, 70000} {
		root, err := merkle.RootFromTiles(t.Context(), uint64(old), read)
		if err != nil || root != ref.mth(0, old) {
			t.Errorf("root of size %d is %v, %v", old, root, err)
		}
	}
	if _, err := merkle.RootFromTiles(t.Context(), size+1, read); err == nil {
		t.Error("a larger log was read")
	}
	lost := errors.New("lost")
	for name, bad := range map[string]merkle.TileReader{
		"error": func(context.Context, merkle.Tile) ([]merkle.Hash, error) { return nil, lost },
		"short": func(context.Context, merkle.Tile) ([]merkle.Hash, error) { return nil, nil },
	} {
		if _, err := merkle.RootFromTiles(t.Context(), 5, merkle.AtSize(size, bad)); err == nil || name == "error" && !errors.Is(err, lost) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
