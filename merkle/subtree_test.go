package merkle_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// subtreeProof is SUBTREE_SUBPROOF(start, end, D[from:to], known) of
// draft-ietf-plants-merkle-tree-certs-03, section 4.4.1.
func (r *reference) subtreeProof(start, end, from, to int, known bool) []merkle.Hash {
	n := to - from
	if start == 0 && end == n {
		if known {
			return nil
		}
		return []merkle.Hash{r.mth(from, to)}
	}
	k := split(n)
	switch {
	case end <= k:
		return append(r.subtreeProof(start, end, from, from+k, known), r.mth(from+k, to))
	case k <= start:
		return append(r.subtreeProof(start-k, end-k, from+k, to, known), r.mth(from, from+k))
	}
	return append(r.subtreeProof(0, end-k, from+k, to, false), r.mth(from, from+k))
}

// Every subtree of every tree up to this size, and for each the damages that
// must be noticed.
func TestSubtree(t *testing.T) {
	const most = 40
	leaves := make([][]byte, most)
	for i := range leaves {
		leaves[i] = fmt.Appendf(nil, "leaf %d", i)
	}
	r := newReference(leaves)
	for size := 1; size <= most; size++ {
		root := r.mth(0, size)
		for end := 1; end <= size; end++ {
			for start := range end {
				power := 1
				for power < end-start {
					power *= 2
				}
				verify := func(hashes []merkle.Hash, sub, root merkle.Hash) error {
					return merkle.VerifySubtree(uint64(start), uint64(end), uint64(size), hashes, sub, root)
				}
				if start%power != 0 {
					if merkle.CheckSubtree(uint64(start), uint64(end), uint64(size)) == nil {
						t.Fatalf("[%d,%d) is taken for a subtree", start, end)
					}
					continue
				}
				sub := r.mth(start, end)
				hashes := r.subtreeProof(start, end, 0, size, true)
				if err := verify(hashes, sub, root); err != nil {
					t.Fatal(err)
				}
				if start == 0 {
					if want := r.proof(end, size); !slices.Equal(hashes, want) {
						t.Fatalf("[0,%d) of %d: not the proof of RFC 6962", end, size)
					}
				}
				for i := range hashes {
					bad := slices.Clone(hashes)
					bad[i][7] ^= 1
					if _, ok := errors.AsType[*merkle.RootMismatchError](verify(bad, sub, root)); !ok {
						t.Fatalf("[%d,%d) of %d: hash %d may be any", start, end, size, i)
					}
				}
				other := merkle.LeafHash([]byte("another"))
				for what, err := range map[string]error{
					"another subtree": verify(hashes, other, root),
					"another root":    verify(hashes, sub, other),
					"a hash more":     verify(append(slices.Clone(hashes), other), sub, root),
				} {
					if err == nil {
						t.Fatalf("[%d,%d) of %d: accepts %s", start, end, size, what)
					}
				}
				if len(hashes) > 0 && (verify(hashes[1:], sub, root) == nil || verify(hashes[:len(hashes)-1], sub, root) == nil) {
					t.Fatalf("[%d,%d) of %d: accepts a hash less", start, end, size)
				}
			}
		}
	}
	for _, bad := range [][3]uint64{{0, 0, 4}, {3, 2, 4}, {0, 5, 4}, {0, 1, 0}, {0, 1 << 63, 1 << 63}} {
		if merkle.CheckSubtree(bad[0], bad[1], bad[2]) == nil {
			t.Errorf("[%d,%d) of %d is taken for a subtree", bad[0], bad[1], bad[2])
		}
	}
	if err := merkle.CheckSubtree(1<<62, merkle.MaxSize, merkle.MaxSize); err != nil {
		t.Error(err)
	}
}

// A subtree that begins with the first leaf is signed like a checkpoint without
// a time, so that the verifier of checkpoints accepts it; another one is not.
func TestSignSubtree(t *testing.T) {
	skey, vkey, err := merkle.GenerateCosigner(seedReader(9), "witness.example/w", merkle.CosignatureMLDSA44)
	if err != nil {
		t.Fatal(err)
	}
	c, err := merkle.NewCosigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	head := merkle.Checkpoint{Origin: "log.example", Size: 16, Root: merkle.LeafHash(nil)}
	text := head.Text()
	cosigned := func(line []byte) error {
		_, cs, err := merkle.Cosignatures([]byte(text+"\n"+string(line)), v)
		if err == nil && (len(cs) != 1 || cs[0].Time != 0) {
			t.Errorf("cosignatures are %v", cs)
		}
		return err
	}
	line, err := c.SignSubtree(head.Origin, 0, head.Size, head.Root)
	if err != nil {
		t.Fatal(err)
	}
	if err := cosigned(line); err != nil {
		t.Error(err)
	}
	if line, err = c.SignSubtree(head.Origin, 16, 32, head.Root); err != nil {
		t.Fatal(err)
	}
	if cosigned(line) == nil {
		t.Error("a subtree from the middle passes for a checkpoint")
	}
	if _, err := c.SignSubtree(head.Origin, 8, 24, head.Root); err == nil {
		t.Error("signs what is no subtree")
	}
	skey, _, err = merkle.GenerateCosigner(seedReader(9), "witness.example/w", merkle.CosignatureEd25519)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = merkle.NewCosigner(skey); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SignSubtree(head.Origin, 0, 16, head.Root); err == nil {
		t.Error("an Ed25519 key signs a subtree")
	}
}
