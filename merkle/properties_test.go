package merkle_test

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"pgregory.net/rapid"

	"github.com/lacunalog/lacuna/merkle"
)

func drawHash(t *rapid.T, label string) merkle.Hash {
	return merkle.Hash(rapid.SliceOfN(rapid.Byte(), merkle.HashSize, merkle.HashSize).Draw(t, label))
}

// Proofs of random entries and sizes verify; with any one bit changed they do not.
func TestPropertyProofs(t *testing.T) {
	const most = 20_000
	l := newMemLog(most)
	rapid.Check(t, func(t *rapid.T) {
		ctx := t.Context()
		size := rapid.Uint64Range(2, most).Draw(t, "size")
		index := rapid.Uint64Range(0, size-1).Draw(t, "index")
		root, err := merkle.RootFromTiles(ctx, size, l.readTile)
		if err != nil {
			t.Fatal(err)
		}
		leaf := merkle.LeafHash(l.leaves[index])
		proof, err := merkle.InclusionProof(ctx, index, size, l.readTile)
		if err != nil {
			t.Fatal(err)
		}
		if err := merkle.VerifyInclusion(index, size, leaf, proof, root); err != nil {
			t.Fatal(err)
		}
		flip(t, append([]*merkle.Hash{&leaf, &root}, pointers(proof)...), func() error {
			return merkle.VerifyInclusion(index, size, leaf, proof, root)
		})

		old := rapid.Uint64Range(1, size-1).Draw(t, "old size")
		oldRoot, err := merkle.RootFromTiles(ctx, old, l.readTile)
		if err != nil {
			t.Fatal(err)
		}
		proof, err = merkle.ConsistencyProof(ctx, old, size, l.readTile)
		if err != nil {
			t.Fatal(err)
		}
		if err := merkle.VerifyConsistency(old, size, proof, oldRoot, root); err != nil {
			t.Fatal(err)
		}
		flip(t, append([]*merkle.Hash{&oldRoot, &root}, pointers(proof)...), func() error {
			return merkle.VerifyConsistency(old, size, proof, oldRoot, root)
		})
		// A proof is of these sizes and no others of another shape.
		if err := merkle.VerifyConsistency(old, size, append(proof, root), oldRoot, root); err == nil {
			t.Fatal("a hash too many was accepted")
		}
	})
}

// flip changes one bit in one of the hashes, expects verify to refuse, and
// changes it back.
func flip(t *rapid.T, hashes []*merkle.Hash, verify func() error) {
	h := rapid.SampledFrom(hashes).Draw(t, "hash")
	bit := rapid.IntRange(0, 8*merkle.HashSize-1).Draw(t, "bit")
	h[bit/8] ^= 1 << (bit % 8)
	if verify() == nil {
		t.Fatal("accepted with a changed bit")
	}
	h[bit/8] ^= 1 << (bit % 8)
}

func pointers(hashes []merkle.Hash) []*merkle.Hash {
	p := make([]*merkle.Hash, len(hashes))
	for i := range hashes {
		p[i] = &hashes[i]
	}
	return p
}

// Our compact range and that of transparency-dev/merkle stay the same, node by
// node, from any size on.
func TestPropertyRange(t *testing.T) {
	factory := &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(0, merkle.MaxSize-1000).Draw(t, "size")
		var hashes []merkle.Hash
		var slice [][]byte
		for range compact.RangeSize(0, size) {
			h := drawHash(t, "hash")
			hashes, slice = append(hashes, h), append(slice, bytes.Clone(h[:]))
		}
		ours, err := merkle.NewRange(size, hashes)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := factory.NewRange(0, size, slice)
		if err != nil {
			t.Fatal(err)
		}
		type node struct {
			level uint
			index uint64
			hash  merkle.Hash
		}
		for range rapid.IntRange(1, 20).Draw(t, "entries") {
			leaf := drawHash(t, "leaf")
			var got, want []node
			ours.Append(leaf, func(level uint, index uint64, h merkle.Hash) { got = append(got, node{level, index, h}) })
			if err := theirs.Append(bytes.Clone(leaf[:]), func(id compact.NodeID, h []byte) {
				want = append(want, node{id.Level, id.Index, merkle.Hash(h)})
			}); err != nil {
				t.Fatal(err)
			}
			root, err := theirs.GetRootHash(nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) || ours.Root() != merkle.Hash(root) || ours.Size() != theirs.End() {
				t.Fatalf("at size %d the two ranges differ", ours.Size())
			}
		}
	})
}

// What appends many entries at once makes the nodes that Append makes one by one,
// each level from left to right and after the level below.
func TestPropertyAppendEntries(t *testing.T) {
	type node struct {
		level uint
		index uint64
		hash  merkle.Hash
	}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.Uint64Range(0, 300), rapid.Uint64Range(0, merkle.MaxSize-3000)).Draw(t, "size")
		hashes := make([]merkle.Hash, compact.RangeSize(0, size))
		for i := range hashes {
			hashes[i] = drawHash(t, "hash")
		}
		many, err := merkle.NewRange(size, hashes)
		if err != nil {
			t.Fatal(err)
		}
		single := many.Clone()
		for range rapid.IntRange(1, 4).Draw(t, "calls") {
			entries := make([][]byte, rapid.OneOf(rapid.IntRange(0, 9), rapid.IntRange(0, 600)).Draw(t, "entries"))
			random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
			longest := rapid.SampledFrom([]int{34, 70, 256, 400}).Draw(t, "longest")
			for i := range entries {
				entries[i] = make([]byte, random.IntN(longest+1))
				for j := range entries[i] {
					entries[i][j] = byte(random.Uint32())
				}
			}
			var got, want []node
			many.AppendEntries(entries, func(level uint, index uint64, h merkle.Hash) { got = append(got, node{level, index, h}) })
			for _, e := range entries {
				single.Append(merkle.LeafHash(e), func(level uint, index uint64, h merkle.Hash) { want = append(want, node{level, index, h}) })
			}
			if merkle.Fast() {
				slices.SortStableFunc(want, func(a, b node) int { return cmp.Compare(a.level, b.level) })
			}
			if !slices.Equal(got, want) || many.Size() != single.Size() || !slices.Equal(many.Hashes(), single.Hashes()) {
				t.Fatalf("%d entries at size %d: not what Append makes", len(entries), single.Size()-uint64(len(entries)))
			}
		}
	})
}

func TestPropertyPaths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tile := merkle.Tile{
			Level: rapid.IntRange(0, 63).Draw(t, "level"),
			Index: rapid.Uint64().Draw(t, "index"),
			Width: rapid.IntRange(1, merkle.TileWidth).Draw(t, "width"),
		}
		got, entries, err := merkle.ParsePath(tile.Path())
		if err != nil || entries || got != tile {
			t.Fatalf("%+v became %q, then %+v, %t, %v", tile, tile.Path(), got, entries, err)
		}
		tile.Level = 0
		p := merkle.EntriesPath(tile.Index, tile.Width)
		got, entries, err = merkle.ParsePath(p)
		if err != nil || !entries || got != tile {
			t.Fatalf("%+v became %q, then %+v, %t, %v", tile, p, got, entries, err)
		}
	})
}

func TestPropertyBundles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 50), 1, merkle.TileWidth).Draw(t, "entries")
		var b []byte
		for _, e := range entries {
			b, _ = merkle.AppendBundleEntry(b, e)
		}
		got, err := merkle.SplitBundle(b, len(entries))
		if err != nil || !slices.EqualFunc(got, entries, bytes.Equal) {
			t.Fatalf("%d entries became %d, %v", len(entries), len(got), err)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if _, err := merkle.SplitBundle(b[:cut], len(entries)); err == nil {
			t.Fatalf("%d of %d bytes were accepted", cut, len(b))
		}
	})
}

// What is signed comes back from OpenCheckpoint, and ParseProof returns what
// Marshal wrote.
func TestPropertyTexts(t *testing.T) {
	s, v, _ := testKey(t, 1, testOrigin)
	line := rapid.StringMatching(`[^\x00-\x1f]{1,80}`)
	rapid.Check(t, func(t *rapid.T) {
		c := merkle.Checkpoint{
			Origin:     line.Filter(func(s string) bool { return len(s) <= 255 }).Draw(t, "origin"),
			Size:       rapid.Uint64Range(1, merkle.MaxSize).Draw(t, "size"),
			Root:       drawHash(t, "root"),
			Extensions: rapid.SliceOfN(line, 0, 3).Draw(t, "extensions"),
		}
		signed, err := merkle.SignCheckpoint(c, s)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := merkle.OpenCheckpoint(signed, c.Origin, v)
		if err != nil || opened.Text() != c.Text() {
			t.Fatalf("%q became %q, %v", c.Text(), opened.Text(), err)
		}
		p := &merkle.Proof{
			Extra:      rapid.SliceOf(rapid.Byte()).Draw(t, "extra"),
			Index:      rapid.Uint64Range(0, c.Size-1).Draw(t, "index"),
			Checkpoint: signed,
		}
		for range rapid.IntRange(0, 63).Draw(t, "hashes") {
			p.Hashes = append(p.Hashes, c.Root)
		}
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := merkle.ParseProof(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Extra, p.Extra) || got.Index != p.Index || !slices.Equal(got.Hashes, p.Hashes) || !bytes.Equal(got.Checkpoint, signed) {
			t.Fatalf("%+v became %+v", p, got)
		}
	})
}
