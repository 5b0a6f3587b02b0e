package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lacunalog/lacuna/merkle"
)

// sumdbTiles reads tiles for the client code of the Go checksum database, which
// checks each of them against the root before it believes it.
type sumdbTiles struct {
	ctx   context.Context
	s     *site
	cache map[string][]byte
}

func (r *sumdbTiles) Height() int { return merkle.TileHeight }

func (r *sumdbTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		// Its paths begin with the height, tlog-tiles' do not.
		path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		if _, ok := r.cache[path]; !ok {
			b, err := r.s.fetch(r.ctx, path)
			if err != nil {
				return nil, err
			}
			r.cache[path] = b
		}
		data[i] = r.cache[path]
	}
	return data, nil
}

func (r *sumdbTiles) SaveTiles([]tlog.Tile, [][]byte) {}

// sumdbTree opens the checkpoint with note and reads its text as the checksum
// database's own, which begins with a fixed line instead of an origin.
func sumdbTree(ctx context.Context, s *site) (tlog.Tree, error) {
	signed, err := s.fetch(ctx, "checkpoint")
	if err != nil {
		return tlog.Tree{}, err
	}
	v, err := note.NewVerifier(s.vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return tlog.Tree{}, err
	}
	body, ok := strings.CutPrefix(n.Text, origin+"\n")
	if !ok {
		return tlog.Tree{}, errors.New("another origin")
	}
	return tlog.ParseTree([]byte("go.sum database tree\n" + body))
}

// checkSumdb reads the whole log with golang.org/x/mod/sumdb: every tile is
// checked against the root and every entry against its tile.
func checkSumdb(t *testing.T, s *site) error {
	ctx := t.Context()
	tree, err := sumdbTree(ctx, s)
	if err != nil {
		return err
	}
	if tree.N != int64(s.size) {
		return fmt.Errorf("size is %d", tree.N)
	}
	tiles := &sumdbTiles{ctx, s, map[string][]byte{}}
	hashes := tlog.TileHashReader(tree, tiles)
	root, err := tlog.TreeHash(tree.N, hashes)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return errors.New("another root")
	}
	for first := int64(0); first < tree.N; first += merkle.TileWidth {
		width := min(merkle.TileWidth, tree.N-first)
		index := make([]int64, width)
		for i := range index {
			index[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		want, err := hashes.ReadHashes(index)
		if err != nil {
			return err
		}
		// There is no reader of bundles in that module, so the path and the
		// framing are written out here once more.
		path := (tlog.Tile{H: 8, L: -1, N: first / merkle.TileWidth, W: int(width)}).Path()
		b, err := s.fetch(ctx, "tile/entries/"+strings.TrimPrefix(path, "tile/8/data/"))
		if err != nil {
			return err
		}
		for i := range width {
			if len(b) < 2 || len(b) < 2+int(b[0])<<8+int(b[1]) {
				return fmt.Errorf("bundle of entry %d is cut short", first+i)
			}
			n := int(b[0])<<8 + int(b[1])
			entry := b[2 : 2+n]
			b = b[2+n:]
			if tlog.RecordHash(entry) != want[i] {
				return fmt.Errorf("entry %d differs from its tile", first+i)
			}
			if !bytes.Equal(entry, s.entry(uint64(first+i))) {
				return fmt.Errorf("entry %d is not what was logged", first+i)
			}
		}
		if len(b) > 0 {
			return errors.New("bytes after a bundle")
		}
	}
	return nil
}

// Proofs of ours, computed from the tiles of the site, are those that sumdb
// computes; and it refuses them with one bit changed.
func testSumdbProofs(t *testing.T, s *site) {
	ctx := t.Context()
	tree, err := sumdbTree(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	hashes := tlog.TileHashReader(tree, &sumdbTiles{ctx, s, map[string][]byte{}})
	for _, i := range someIndexes(s.size) {
		ours, err := merkle.InclusionProof(ctx, i, s.size, s.readTile)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := tlog.ProveRecord(tree.N, int64(i), hashes)
		if err != nil {
			t.Fatal(err)
		}
		if !sameHashes(ours, theirs) {
			t.Errorf("inclusion of %d: ours is %v, theirs %v", i, ours, theirs)
		}
		leaf := tlog.RecordHash(s.entry(i))
		if err := tlog.CheckRecord(theirs, tree.N, tree.Hash, int64(i), leaf); err != nil {
			t.Errorf("inclusion of %d: %v", i, err)
		}
		leaf[0] ^= 1
		if tlog.CheckRecord(theirs, tree.N, tree.Hash, int64(i), leaf) == nil {
			t.Errorf("inclusion of %d: a changed leaf was accepted", i)
		}

		old := i + 1
		ours, err = merkle.ConsistencyProof(ctx, old, s.size, s.readTile)
		if err != nil {
			t.Fatal(err)
		}
		tp, err := tlog.ProveTree(tree.N, int64(old), hashes)
		if err != nil {
			t.Fatal(err)
		}
		if !sameHashes(ours, tp) {
			t.Errorf("consistency from %d: ours is %v, theirs %v", old, ours, tp)
		}
		oldRoot, err := merkle.RootFromTiles(ctx, old, s.readTile)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckTree(tp, tree.N, tree.Hash, int64(old), tlog.Hash(oldRoot)); err != nil {
			t.Errorf("consistency from %d: %v", old, err)
		}
		oldRoot[0] ^= 1
		if tlog.CheckTree(tp, tree.N, tree.Hash, int64(old), tlog.Hash(oldRoot)) == nil {
			t.Errorf("consistency from %d: another old root was accepted", old)
		}
	}
}

// A checkpoint that x/mod has signed is one to us.
func TestSumdbNotes(t *testing.T) {
	skey, vkey, err := note.GenerateKey(seedReader(9), origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := merkle.VerifierOf(skey); err != nil || got != vkey {
		t.Errorf("public key %q, %v, want %q", got, err, vkey)
	}
	root := tlog.RecordHash([]byte("root"))
	signed, err := note.Sign(&note.Note{Text: origin + "\n" + strconv.Itoa(12) + "\n" + root.String() + "\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := merkle.OpenCheckpoint(signed, origin, v)
	if err != nil || c.Size != 12 || c.Root != merkle.Hash(root) {
		t.Errorf("opened as %+v, %v", c, err)
	}
	ours, err := merkle.SignCheckpoint(c, signer)
	if err != nil || !bytes.Equal(ours, signed) {
		t.Errorf("signed as %q, %v, want %q", ours, err, signed)
	}
}

// someIndexes returns indexes of entries at the edges of everything.
func someIndexes(size uint64) []uint64 {
	var all []uint64
	for _, i := range []uint64{0, 1, 2, 3, 127, 128, 254, 255, 256, 257, 511, 512, 1000, 65279, 65280, 65534, 65535, 65536, 65537, 69887, 69888, 69998, 69999} {
		if i < size {
			all = append(all, i)
		}
	}
	return all
}

func sameHashes[H ~[32]byte](ours []merkle.Hash, theirs []H) bool {
	if len(ours) != len(theirs) {
		return false
	}
	for i := range ours {
		if ours[i] != merkle.Hash(theirs[i]) {
			return false
		}
	}
	return true
}
