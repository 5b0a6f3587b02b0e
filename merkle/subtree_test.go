package merkle_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// subtreeProof is SUBTREE_PROOF(start, end, D[0:n]) as the draft of Merkle Tree
// Certificates defines it, section 4.4.1, with from for where D begins.
func (r *reference) subtreeProof(start, end, from, to int, known bool) []merkle.Hash {
	if start == from && end == to {
		if known {
			return nil
		}
		return []merkle.Hash{r.mth(from, to)}
	}
	k := from + split(to-from)
	switch {
	case end <= k:
		return append(r.subtreeProof(start, end, from, k, known), r.mth(k, to))
	case k <= start:
		return append(r.subtreeProof(start, end, k, to, known), r.mth(from, k))
	}
	return append(r.subtreeProof(k, end, k, to, false), r.mth(from, k))
}

// isSubtree is the definition: start is a multiple of the smallest power of two
// that is not smaller than the width.
func isSubtree(start, end int) bool {
	p := 1
	for p < end-start {
		p *= 2
	}
	return start < end && start%p == 0
}

func TestVerifySubtree(t *testing.T) {
	const most = 70
	l := newMemLog(most)
	ref := newReference(l.leaves)
	for size := 1; size <= most; size += 1 + size/20 {
		root := ref.mth(0, size)
		for start := range size {
			for end := start + 1; end <= size; end++ {
				s, e, n := uint64(start), uint64(end), uint64(size)
				if err := merkle.CheckSubtree(s, e, n); (err == nil) != isSubtree(start, end) {
					t.Fatalf("[%d, %d): %v", start, end, err)
				}
				if !isSubtree(start, end) {
					continue
				}
				sub, proof := ref.mth(start, end), ref.subtreeProof(start, end, 0, size, true)
				if err := merkle.VerifySubtree(s, e, n, proof, sub, root); err != nil {
					t.Fatal(err)
				}
				if start == 0 && end < size && !slices.Equal(proof, ref.proof(end, size)) {
					t.Fatalf("[0, %d) in %d is not the consistency proof", end, size)
				}
				wrong := sub
				wrong[0] ^= 1
				if end-start < size {
					var mismatch *merkle.RootMismatchError
					if err := merkle.VerifySubtree(s, e, n, proof, wrong, root); !errors.As(err, &mismatch) {
						t.Fatalf("[%d, %d) in %d with another subtree: %v", start, end, size, err)
					}
				}
				if merkle.VerifySubtree(s, e, n, proof, sub, wrong) == nil ||
					merkle.VerifySubtree(s, e, n, append(slices.Clone(proof), root), sub, root) == nil {
					t.Fatalf("[%d, %d) in %d with another root or one hash more", start, end, size)
				}
				for i := range proof {
					bad := slices.Clone(proof)
					bad[i][31] ^= 1
					if merkle.VerifySubtree(s, e, n, bad, sub, root) == nil || merkle.VerifySubtree(s, e, n, slices.Delete(bad, i, i+1), sub, root) == nil {
						t.Fatalf("[%d, %d) in %d: hash %d is not looked at", start, end, size, i)
					}
				}
			}
		}
	}
	for _, x := range [][3]uint64{{0, 0, 0}, {0, 0, 1}, {1, 1, 1}, {1, 0, 1}, {0, 2, 1}, {0, 1, 1 << 63}, {1 << 63, 1<<63 + 1, 1<<63 + 1}, {1, 3, 3}} {
		if merkle.VerifySubtree(x[0], x[1], x[2], nil, merkle.EmptyRoot(), merkle.EmptyRoot()) == nil {
			t.Errorf("[%d, %d) in %d is accepted", x[0], x[1], x[2])
		}
	}
}

func TestSubtreeSignature(t *testing.T) {
	w := testCosigner(t, 1, testWitness, merkle.CosignatureMLDSA44)
	root := merkle.LeafHash(nil)
	line, err := w.SignSubtree(testOrigin, 256, 300, root)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifySubtreeLine(line, testOrigin, 256, 300, root, w.VKey()); err != nil {
		t.Error(err)
	}
	// The control: the signature is of these leaves, under this key.
	other := testCosigner(t, 2, testWitness, merkle.CosignatureMLDSA44)
	if verifySubtreeLine(line, testOrigin, 256, 301, root, w.VKey()) == nil || verifySubtreeLine(line, testOrigin, 256, 300, root, other.VKey()) == nil {
		t.Error("verifies for other leaves or under another key")
	}
	ed := testCosigner(t, 1, testWitness, merkle.CosignatureEd25519)
	if _, err := ed.SignSubtree(testOrigin, 256, 300, root); err == nil {
		t.Error("an Ed25519 key signs a subtree")
	}
	for name, f := range map[string]func() ([]byte, error){
		"no subtree":  func() ([]byte, error) { return w.SignSubtree(testOrigin, 255, 300, root) },
		"empty":       func() ([]byte, error) { return w.SignSubtree(testOrigin, 256, 256, root) },
		"no origin":   func() ([]byte, error) { return w.SignSubtree("", 256, 300, root) },
		"long origin": func() ([]byte, error) { return w.SignSubtree(strings.Repeat("o", 256), 256, 300, root) },
	} {
		if line, err := f(); err == nil {
			t.Errorf("%s: signed as %q", name, line)
		}
	}
}
