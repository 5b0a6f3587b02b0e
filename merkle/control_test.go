package merkle_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// An inclusionVerifier is VerifyInclusion or something that pretends to be it.
type inclusionVerifier func(index, size uint64, leaf merkle.Hash, proof []merkle.Hash, root merkle.Hash) error

// A claim is one call of an inclusion verifier.
type claim struct {
	what        string
	index, size uint64
	leaf        merkle.Hash
	proof       []merkle.Hash
	root        merkle.Hash
}

// falseClaims returns variations of a true claim, none of which is true.
func falseClaims(c claim) []claim {
	var all []claim
	add := func(what string, change func(*claim)) {
		n := c
		n.what, n.proof = what, slices.Clone(c.proof)
		change(&n)
		all = append(all, n)
	}
	add("other index", func(c *claim) { c.index ^= 1 })
	add("index 256 further", func(c *claim) { c.index += 256 })
	add("index beyond the tree", func(c *claim) { c.index = c.size })
	add("empty tree", func(c *claim) { c.size = 0 })
	add("leaf changed", func(c *claim) { c.leaf[0] ^= 1 })
	add("root changed", func(c *claim) { c.root[31] ^= 1 })
	add("root is the leaf", func(c *claim) { c.root = c.leaf })
	add("no proof", func(c *claim) { c.proof = nil })
	add("first hash missing", func(c *claim) { c.proof = c.proof[1:] })
	add("last hash missing", func(c *claim) { c.proof = c.proof[:len(c.proof)-1] })
	add("root appended", func(c *claim) { c.proof = append(c.proof, c.root) })
	add("leaf prepended", func(c *claim) { c.proof = append([]merkle.Hash{c.leaf}, c.proof...) })
	add("reversed", func(c *claim) { slices.Reverse(c.proof) })
	add("inner node as leaf", func(c *claim) { c.leaf, c.proof = merkle.NodeHash(c.leaf, c.proof[0]), c.proof[1:] })
	for i := range c.proof {
		add("hash changed", func(c *claim) { c.proof[i][i%32] ^= 0x80 })
	}
	return all
}

// caught counts the false claims that a verifier refuses.
func caught(verify inclusionVerifier, claims []claim) (n int) {
	for _, c := range claims {
		if verify(c.index, c.size, c.leaf, c.proof, c.root) != nil {
			n++
		}
	}
	return n
}

// Without this test, a suite of false claims that nothing could ever accept
// would look the same as a verifier that works. So the claims are also put to
// verifiers that are wrong in ways real ones have been.
func TestNegativeControl(t *testing.T) {
	l := newMemLog(1000)
	const index, size = 300, 1000
	proof, err := merkle.InclusionProof(t.Context(), index, size, l.readTile)
	if err != nil {
		t.Fatal(err)
	}
	truth := claim{"true", index, size, merkle.LeafHash(l.leaves[index]), proof, l.r.Root()}
	claims := falseClaims(truth)

	for name, broken := range map[string]inclusionVerifier{
		"accepts everything": func(uint64, uint64, merkle.Hash, []merkle.Hash, merkle.Hash) error { return nil },
		"does not compare the root": func(index, size uint64, leaf merkle.Hash, proof []merkle.Hash, root merkle.Hash) error {
			_, err := walk(index, size, leaf, proof)
			return err
		},
		"does not check the length": func(index, size uint64, leaf merkle.Hash, proof []merkle.Hash, root merkle.Hash) error {
			got, _ := walk(index, size, leaf, proof)
			if got != root {
				return errors.New("other root")
			}
			return nil
		},
	} {
		if err := broken(truth.index, truth.size, truth.leaf, truth.proof, truth.root); err != nil {
			t.Errorf("a verifier that %s refuses the truth: %v", name, err)
		}
		if n := caught(broken, claims); n == len(claims) {
			t.Errorf("a verifier that %s was not found out", name)
		}
	}

	if err := merkle.VerifyInclusion(truth.index, truth.size, truth.leaf, truth.proof, truth.root); err != nil {
		t.Errorf("the truth: %v", err)
	}
	for _, c := range claims {
		err := merkle.VerifyInclusion(c.index, c.size, c.leaf, c.proof, c.root)
		if err == nil {
			t.Errorf("%s: accepted", c.what)
		}
	}
}

// walk computes a root as RFC 9162, section 2.1.3.2, does, which also accepts
// proofs of nodes and of other lengths unless the last step is checked.
func walk(index, size uint64, leaf merkle.Hash, proof []merkle.Hash) (merkle.Hash, error) {
	fn, sn := index, size-1
	h := leaf
	for _, p := range proof {
		if fn&1 == 1 || fn == sn {
			h = merkle.NodeHash(p, h)
			for fn&1 == 0 && fn != 0 {
				fn >>= 1
				sn >>= 1
			}
		} else {
			h = merkle.NodeHash(h, p)
		}
		fn >>= 1
		sn >>= 1
	}
	if sn != 0 {
		return h, errors.New("wrong length")
	}
	return h, nil
}

// The error says which root differed and how.
func TestRootMismatch(t *testing.T) {
	l := newMemLog(20)
	ref := newReference(l.leaves)
	old, root := ref.mth(0, 13), ref.mth(0, 20)
	proof := ref.proof(13, 20)
	wrong := merkle.LeafHash([]byte("wrong"))
	for _, c := range []struct {
		err                  error
		what                 string
		expected, calculated merkle.Hash
	}{
		{merkle.VerifyInclusion(3, 20, merkle.LeafHash(l.leaves[3]), ref.path(3, 0, 20), wrong), "root", wrong, root},
		{merkle.VerifyConsistency(13, 20, proof, wrong, root), "old root", wrong, old},
		{merkle.VerifyConsistency(13, 20, proof, old, wrong), "new root", wrong, root},
		{merkle.VerifyConsistency(13, 20, proof, wrong, wrong), "old root", wrong, old},
		{merkle.VerifyConsistency(20, 20, nil, root, wrong), "new root", wrong, root},
		{merkle.VerifyConsistency(0, 20, nil, wrong, root), "old root", wrong, merkle.EmptyRoot()},
	} {
		e, ok := errors.AsType[*merkle.RootMismatchError](c.err)
		if !ok || e.What != c.what || e.Expected != c.expected || e.Calculated != c.calculated {
			t.Errorf("got %v, want %s: calculated %v, expected %v", c.err, c.what, c.calculated, c.expected)
		}
	}
	if err := merkle.VerifyInclusion(3, 1<<63, wrong, nil, wrong); err == nil {
		t.Error("a tree of 2^63 entries was accepted")
	}
	if err := merkle.VerifyConsistency(1<<63, 1<<63, nil, wrong, wrong); err == nil {
		t.Error("a tree of 2^63 entries was accepted")
	}
}
