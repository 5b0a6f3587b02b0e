package merkle_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
	"github.com/lacunalog/lacuna/merkle"
)

// A hexBytes is written as hexadecimal text.
type hexBytes []byte

func (b hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b), nil }

func (b *hexBytes) UnmarshalText(t []byte) (err error) {
	*b, err = hex.AppendDecode(nil, t)
	return err
}

// vectorFile holds a file of vectors against what would be written, and reads it into a
// value of the same type: the vectors are run knowing nothing but the file.
func vectorFile[T any](t *testing.T, name string, want T) T {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(vectors.Same(t, name, want)))
	d.DisallowUnknownFields()
	var got T
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

// expect reports a vector whose outcome is not the one it states.
func expect(t *testing.T, valid bool, name string, err error) {
	t.Helper()
	if (err == nil) != valid {
		t.Errorf("%s: %v, want valid: %t", name, err, valid)
	}
}

type (
	leafVector struct {
		Entry hexBytes    `json:"entry"`
		Hash  merkle.Hash `json:"hash"`
	}
	rootVector struct {
		Size uint64      `json:"size"`
		Root merkle.Hash `json:"root"`
	}
	tileVector struct {
		Path   string        `json:"path"`
		Level  int           `json:"level"`
		Index  uint64        `json:"index"`
		Width  int           `json:"width"`
		Root   merkle.Hash   `json:"root"`
		Hashes []merkle.Hash `json:"hashes,omitempty"`
	}
	pathVector struct {
		Path    string `json:"path"`
		Entries bool   `json:"entries"`
		Level   int    `json:"level"`
		Index   string `json:"index"`
		Width   int    `json:"width"`
	}
	bundleVector struct {
		Name    string     `json:"name"`
		Valid   bool       `json:"valid"`
		Bundle  hexBytes   `json:"bundle"`
		Width   int        `json:"width"`
		Entries []hexBytes `json:"entries,omitempty"`
	}
	inclusionVector struct {
		Name  string        `json:"name"`
		Valid bool          `json:"valid"`
		Index uint64        `json:"index"`
		Size  uint64        `json:"size"`
		Leaf  merkle.Hash   `json:"leaf_hash"`
		Proof []merkle.Hash `json:"proof"`
		Root  merkle.Hash   `json:"root"`
	}
	consistencyVector struct {
		Name    string        `json:"name"`
		Valid   bool          `json:"valid"`
		OldSize uint64        `json:"old_size"`
		NewSize uint64        `json:"new_size"`
		Proof   []merkle.Hash `json:"proof"`
		OldRoot merkle.Hash   `json:"old_root"`
		NewRoot merkle.Hash   `json:"new_root"`
	}
	merkleVectors struct {
		About       []string            `json:"about"`
		Leaves      []leafVector        `json:"leaves"`
		Roots       []rootVector        `json:"roots"`
		TilesOf     uint64              `json:"tiles_of_size"`
		Tiles       []tileVector        `json:"tiles"`
		Paths       []pathVector        `json:"paths"`
		BadPaths    []string            `json:"bad_paths"`
		Bundles     []bundleVector      `json:"bundles"`
		Inclusion   []inclusionVector   `json:"inclusion"`
		Consistency []consistencyVector `json:"consistency"`
	}
)

func TestMerkleVectors(t *testing.T) {
	const most = 70000
	l := newMemLog(most)
	v := vectorFile(t, "merkle.json", makeMerkleVectors(t, l))

	for _, x := range v.Leaves {
		if h := merkle.LeafHash(x.Entry); h != x.Hash {
			t.Errorf("leaf %x hashes to %v, want %v", []byte(x.Entry), h, x.Hash)
		}
	}
	var r merkle.Range
	for _, x := range v.Roots {
		for r.Size() < x.Size {
			r.Append(merkle.LeafHash(testEntry(int(r.Size()))), nil)
		}
		if r.Root() != x.Root {
			t.Errorf("root of size %d is %v, want %v", x.Size, r.Root(), x.Root)
		}
	}
	var tiles []merkle.Tile
	for _, x := range v.Tiles {
		tile := merkle.Tile{Level: x.Level, Index: x.Index, Width: x.Width}
		tiles = append(tiles, tile)
		if tile.Path() != x.Path || x.Hashes != nil && merkle.HashTile(x.Hashes) != x.Root {
			t.Errorf("%s: path or root differ", x.Path)
		}
		if hashes, err := l.readTile(t.Context(), tile); err != nil || merkle.HashTile(hashes) != x.Root {
			t.Errorf("%s: %v", x.Path, err)
		}
	}
	if all := slices.Collect(merkle.TilesOf(v.TilesOf)); !slices.Equal(tiles, all) {
		t.Errorf("size %d has tiles %v, want %v", v.TilesOf, all, tiles)
	}
	for _, x := range v.Paths {
		tile, entries, err := merkle.ParsePath(x.Path)
		if err != nil || entries != x.Entries || tile.Level != x.Level || decimal(tile.Index) != x.Index || tile.Width != x.Width {
			t.Errorf("%s: %+v, %t, %v", x.Path, tile, entries, err)
		}
	}
	for _, p := range v.BadPaths {
		_, _, err := merkle.ParsePath(p)
		expect(t, false, p, err)
	}
	for _, x := range v.Bundles {
		entries, err := merkle.SplitBundle(x.Bundle, x.Width)
		expect(t, x.Valid, x.Name, err)
		if !slices.EqualFunc(entries, x.Entries, func(a []byte, b hexBytes) bool { return bytes.Equal(a, b) }) {
			t.Errorf("%s: entries differ", x.Name)
		}
	}
	for _, x := range v.Inclusion {
		expect(t, x.Valid, x.Name, merkle.VerifyInclusion(x.Index, x.Size, x.Leaf, x.Proof, x.Root))
	}
	for _, x := range v.Consistency {
		expect(t, x.Valid, x.Name, merkle.VerifyConsistency(x.OldSize, x.NewSize, x.Proof, x.OldRoot, x.NewRoot))
	}
}
