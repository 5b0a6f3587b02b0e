package merkle_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// The vectors of transparency-dev/merkle, see the README beside them. What is
// not 32 bytes long cannot become a Hash, and counts as refused.

func readVectors[T any](t *testing.T, name string) map[string]T {
	t.Helper()
	b, err := os.ReadFile("testdata/transparency-dev-merkle/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors map[string]T
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != 98 {
		t.Fatalf("%d vectors, want 98", len(vectors))
	}
	return vectors
}

func toHash(b []byte) (merkle.Hash, error) {
	if len(b) != merkle.HashSize {
		return merkle.Hash{}, fmt.Errorf("%d bytes are not a hash", len(b))
	}
	return merkle.Hash(b), nil
}

func toHashes(bs ...[]byte) ([]merkle.Hash, error) {
	hashes := make([]merkle.Hash, len(bs))
	for i, b := range bs {
		var err error
		if hashes[i], err = toHash(b); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

func TestUpstreamInclusion(t *testing.T) {
	type vector struct {
		LeafIdx, TreeSize uint64
		Root, LeafHash    []byte
		Proof             [][]byte
		WantErr           bool
	}
	accepted := 0
	for name, v := range readVectors[vector](t, "inclusion") {
		err := func() error {
			ends, err := toHashes(v.LeafHash, v.Root)
			if err != nil {
				return err
			}
			proof, err := toHashes(v.Proof...)
			if err != nil {
				return err
			}
			return merkle.VerifyInclusion(v.LeafIdx, v.TreeSize, ends[0], proof, ends[1])
		}()
		if (err != nil) != v.WantErr {
			t.Errorf("%s: %v, want an error: %t", name, err, v.WantErr)
		}
		if err == nil {
			accepted++
		}
	}
	if accepted != 6 {
		t.Errorf("%d accepted, want 6", accepted)
	}
}

func TestUpstreamConsistency(t *testing.T) {
	type vector struct {
		Size1, Size2 uint64
		Root1, Root2 []byte
		Proof        [][]byte
		WantErr      bool
	}
	accepted := 0
	for name, v := range readVectors[vector](t, "consistency") {
		if name == "consistency/additional/sizes-are-equal-one-and-proof-is-empty.json" {
			// The only valid one whose roots are text ("don't care 2"). It is
			// about equality, so any hash will do.
			v.Root1 = append(v.Root1, make([]byte, merkle.HashSize-len(v.Root1))...)
			v.Root2 = append(v.Root2, make([]byte, merkle.HashSize-len(v.Root2))...)
		}
		err := func() error {
			roots, err := toHashes(v.Root1, v.Root2)
			if err != nil {
				return err
			}
			proof, err := toHashes(v.Proof...)
			if err != nil {
				return err
			}
			return merkle.VerifyConsistency(v.Size1, v.Size2, proof, roots[0], roots[1])
		}()
		if (err != nil) != v.WantErr {
			t.Errorf("%s: %v, want an error: %t", name, err, v.WantErr)
		}
		if err == nil {
			accepted++
		}
	}
	if accepted != 6 {
		t.Errorf("%d accepted, want 6", accepted)
	}
}

// Newer versions of transparency-dev/merkle refuse to verify consistency with
// an empty tree, since it shows nothing about the newer one. A client that
// starts at an empty log, and a witness that is told "old 0", do need an answer:
// it is yes, provided that the empty tree's root is the right one.
func TestConsistencyWithEmpty(t *testing.T) {
	some := merkle.LeafHash(nil)
	for _, c := range []struct {
		name             string
		newSize          uint64
		proof            []merkle.Hash
		oldRoot, newRoot merkle.Hash
		ok               bool
	}{
		{"empty to empty", 0, nil, merkle.EmptyRoot(), merkle.EmptyRoot(), true},
		{"empty to one", 1, nil, merkle.EmptyRoot(), some, true},
		{"wrong old root", 1, nil, some, some, false},
		{"wrong new root of an empty tree", 0, nil, merkle.EmptyRoot(), some, false},
		{"two wrong roots of an empty tree", 0, nil, some, some, false},
		{"proof not empty", 1, []merkle.Hash{some}, merkle.EmptyRoot(), some, false},
	} {
		if err := merkle.VerifyConsistency(0, c.newSize, c.proof, c.oldRoot, c.newRoot); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
