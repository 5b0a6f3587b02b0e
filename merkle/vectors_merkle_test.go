package merkle_test

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func makeMerkleVectors(t *testing.T, l *memLog) merkleVectors {
	ref := newReference(l.leaves)
	v := merkleVectors{
		About: []string{
			"Test vectors for docs/spec/log.md. Hashes are base64, other bytes are hexadecimal.",
			"Entry number i of the log is 34 bytes: 01 00, then SHA-256 of i as four bytes, big-endian.",
			"roots: of this log at each size. tiles: all tiles of this log at tiles_of_size, each with the root of the subtree over its hashes, the partial ones with their hashes.",
			"paths and bad_paths: index is text because not every JSON reader holds 64 bits. bundles: width entries, nothing before or after.",
			"inclusion and consistency: where valid is false, verification must fail.",
		},
		TilesOf: 70000,
	}
	for _, e := range [][]byte{{}, {0}, []byte("L123456"), testEntry(0), testEntry(1), testEntry(69999), bytes.Repeat([]byte{0xa5}, 300)} {
		v.Leaves = append(v.Leaves, leafVector{e, merkle.LeafHash(e)})
	}
	for _, n := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 256, 257, 511, 512, 1000, 65535, 65536, 65537, 70000} {
		v.Roots = append(v.Roots, rootVector{uint64(n), ref.mth(0, n)})
	}
	for tile := range merkle.TilesOf(v.TilesOf) {
		hashes, err := l.readTile(t.Context(), tile)
		if err != nil {
			t.Fatal(err)
		}
		x := tileVector{Path: tile.Path(), Level: tile.Level, Index: tile.Index, Width: tile.Width, Root: merkle.HashTile(hashes)}
		if tile.Width < merkle.TileWidth {
			x.Hashes = hashes
		}
		v.Tiles = append(v.Tiles, x)
	}
	for _, tile := range []merkle.Tile{
		{Level: 0, Index: 0, Width: 256}, {Level: 0, Index: 999, Width: 1}, {Level: 1, Index: 1000, Width: 255},
		{Level: 2, Index: 1234067, Width: 256}, {Level: 5, Index: 1234067, Width: 112}, {Level: 63, Index: 1<<64 - 1, Width: 256},
	} {
		v.Paths = append(v.Paths, pathVector{tile.Path(), false, tile.Level, decimal(tile.Index), tile.Width})
		v.Paths = append(v.Paths, pathVector{merkle.EntriesPath(tile.Index, tile.Width), true, 0, decimal(tile.Index), tile.Width})
	}
	v.BadPaths = []string{
		"", "checkpoint", "tile/0", "tile/0/", "/tile/0/000", "tile/00/000", "tile/64/000", "tile/-1/000", "tile/data/000",
		"tile/0/0", "tile/0/0000", "tile/0/x000/067", "tile/0/001/000", "tile/0/x001", "tile/0/x001/x000", "tile/0/000/",
		"tile/0/000.p", "tile/0/000.p/0", "tile/0/000.p/01", "tile/0/000.p/256", "tile/0/000.p/1/", "tile/0/../000",
		"tile/0/x018/x446/x744/x073/x709/x551/616", "tile/entries/0/000",
	}

	bundle := func(entries ...[]byte) (b hexBytes) {
		for _, e := range entries {
			b, _ = merkle.AppendBundleEntry(b, e)
		}
		return b
	}
	e0, e1 := testEntry(0), testEntry(1)
	two := bundle(e0, e1)
	v.Bundles = []bundleVector{
		{"two entries", true, two, 2, []hexBytes{e0, e1}},
		{"entries of several lengths", true, bundle([]byte("a"), nil, e0), 3, []hexBytes{[]byte("a"), {}, e0}},
		{"one entry too few", false, two, 3, nil},
		{"one entry too many", false, two, 1, nil},
		{"cut short", false, two[:len(two)-1], 2, nil},
		{"a byte left over", false, append(slices.Clone(two), 0), 2, nil},
		{"half a length", false, two[:1], 1, nil},
		{"length in the other byte order", false, append(hexBytes{34, 0}, e0...), 1, nil},
		{"no entries", false, nil, 0, nil},
		{"257 entries", false, bundle(make([][]byte, 257)...), 257, nil},
	}

	for _, x := range [][2]int{{0, 1}, {0, 2}, {1, 2}, {2, 3}, {4, 7}, {6, 7}, {0, 256}, {255, 256}, {256, 257}, {300, 1000}, {999, 1000},
		{65535, 65536}, {65536, 65537}, {12345, 70000}, {65536, 70000}, {69999, 70000}} {
		v.Inclusion = append(v.Inclusion, inclusionVector{
			fmt.Sprintf("entry %d of %d", x[0], x[1]), true, uint64(x[0]), uint64(x[1]),
			merkle.LeafHash(l.leaves[x[0]]), ref.path(x[0], 0, x[1]), ref.mth(0, x[1]),
		})
	}
	for _, x := range falseClaims(claim{index: 300, size: 1000, leaf: merkle.LeafHash(l.leaves[300]), proof: ref.path(300, 0, 1000), root: ref.mth(0, 1000)}) {
		v.Inclusion = append(v.Inclusion, inclusionVector{"entry 300 of 1000, " + x.what, false, x.index, x.size, x.leaf, x.proof, x.root})
	}
	for i := range v.Inclusion {
		if v.Inclusion[i].Proof == nil {
			v.Inclusion[i].Proof = []merkle.Hash{} // an empty list, not null
		}
	}

	v.Consistency = makeConsistencyVectors(ref)
	return v
}

func makeConsistencyVectors(ref *reference) []consistencyVector {
	var all []consistencyVector
	for _, x := range [][2]int{{0, 0}, {0, 7}, {1, 1}, {7, 7}, {1, 2}, {3, 7}, {4, 7}, {6, 7}, {255, 256}, {256, 257}, {256, 512}, {300, 1000},
		{65535, 65536}, {65536, 70000}, {65537, 70000}, {69999, 70000}} {
		c := consistencyVector{fmt.Sprintf("from %d to %d", x[0], x[1]), true, uint64(x[0]), uint64(x[1]), []merkle.Hash{}, ref.mth(0, x[0]), ref.mth(0, x[1])}
		if 0 < x[0] && x[0] < x[1] {
			c.Proof = append(c.Proof, ref.proof(x[0], x[1])...)
		}
		all = append(all, c)
	}
	some := merkle.LeafHash([]byte("another log"))
	bad := func(m, n int, what string, change func(*consistencyVector)) {
		c := consistencyVector{fmt.Sprintf("from %d to %d, %s", m, n, what), false, uint64(m), uint64(n), []merkle.Hash{}, ref.mth(0, m), ref.mth(0, n)}
		if 0 < m && m < n {
			c.Proof = append(c.Proof, ref.proof(m, n)...)
		}
		change(&c)
		all = append(all, c)
	}
	bad(0, 7, "old root is not that of an empty log", func(c *consistencyVector) { c.OldRoot = some })
	bad(0, 7, "proof not empty", func(c *consistencyVector) { c.Proof = append(c.Proof, some) })
	bad(0, 0, "new root is not that of an empty log", func(c *consistencyVector) { c.NewRoot = some })
	bad(7, 7, "roots differ", func(c *consistencyVector) { c.NewRoot = some })
	bad(7, 7, "proof not empty", func(c *consistencyVector) { c.Proof = append(c.Proof, some) })
	bad(300, 1000, "old root changed", func(c *consistencyVector) { c.OldRoot[0] ^= 1 })
	bad(300, 1000, "new root changed", func(c *consistencyVector) { c.NewRoot[0] ^= 1 })
	bad(300, 1000, "roots swapped", func(c *consistencyVector) { c.OldRoot, c.NewRoot = c.NewRoot, c.OldRoot })
	bad(300, 1000, "sizes swapped", func(c *consistencyVector) { c.OldSize, c.NewSize = c.NewSize, c.OldSize })
	bad(300, 1000, "old size one less", func(c *consistencyVector) { c.OldSize-- })
	bad(300, 1000, "new size doubled", func(c *consistencyVector) { c.NewSize *= 2 })
	bad(300, 1000, "no proof", func(c *consistencyVector) { c.Proof = c.Proof[:0] })
	bad(300, 1000, "first hash missing", func(c *consistencyVector) { c.Proof = c.Proof[1:] })
	bad(300, 1000, "last hash missing", func(c *consistencyVector) { c.Proof = c.Proof[:len(c.Proof)-1] })
	bad(300, 1000, "old root prepended", func(c *consistencyVector) { c.Proof = append([]merkle.Hash{c.OldRoot}, c.Proof...) })
	bad(300, 1000, "new root appended", func(c *consistencyVector) { c.Proof = append(c.Proof, c.NewRoot) })
	bad(300, 1000, "hash changed", func(c *consistencyVector) { c.Proof[3][31] ^= 1 })
	bad(256, 512, "old root prepended, as for a size that is no power of two", func(c *consistencyVector) { c.Proof = append([]merkle.Hash{c.OldRoot}, c.Proof...) })
	return all
}
