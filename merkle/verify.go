package merkle

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// A RootMismatchError says that a proof is well formed but leads elsewhere:
// either the proof, the leaf or the root is not what it is said to be.
type RootMismatchError struct {
	// What names the root that differed: "root", "old root", "new root" or
	// "subtree root".
	What string
	// Expected is the root that was given, Calculated the one that the proof
	// leads to.
	Expected, Calculated Hash
}

func (e *RootMismatchError) Error() string {
	return fmt.Sprintf("%s differs: the proof leads to %s, expected %s", e.What, e.Calculated, e.Expected)
}

// VerifyInclusion checks that the leaf with that hash is entry number index of
// the tree of the given size and root (RFC 6962, section 2.1.1). If the proof
// leads to another root, the error is a *[RootMismatchError].
func VerifyInclusion(index, size uint64, leaf Hash, hashes []Hash, root Hash) error {
	err := verifyInclusion(index, size, leaf, hashes, root)
	if err != nil {
		return fmt.Errorf("verifying inclusion of entry %d in tree of size %d: %w", index, size, err)
	}
	return nil
}

func verifyInclusion(index, size uint64, leaf Hash, hashes []Hash, root Hash) error {
	if size > MaxSize {
		return fmt.Errorf("size is larger than %d", uint64(MaxSize))
	}
	if index >= size {
		return fmt.Errorf("index is beyond size: %d >= %d", index, size)
	}
	// The nodes beside the path are first those below the point where it meets the
	// right edge of the tree, on either side, and then those on its left above it.
	inner := bits.Len64(index ^ (size - 1))
	border := bits.OnesCount64(index >> inner)
	if got, want := len(hashes), inner+border; got != want {
		return fmt.Errorf("wrong proof size %d, want %d", got, want)
	}
	h := leaf
	for i, beside := range hashes {
		if i < inner && index>>i&1 == 0 {
			h = NodeHash(h, beside)
		} else {
			h = NodeHash(beside, h)
		}
	}
	return compare("root", h, root)
}

// VerifyConsistency checks that the tree of oldSize with oldRoot is a prefix of
// the tree of newSize with newRoot (RFC 6962, section 2.1.2). If the proof leads
// to other roots, the error is a *[RootMismatchError] that names the first that
// differs. An empty tree is a prefix of every tree, but its root must be the
// right one.
func VerifyConsistency(oldSize, newSize uint64, hashes []Hash, oldRoot, newRoot Hash) error {
	err := verifyConsistency(oldSize, newSize, hashes, oldRoot, newRoot)
	if err != nil {
		return fmt.Errorf("verifying consistency of tree sizes %d and %d: %w", oldSize, newSize, err)
	}
	return nil
}

func verifyConsistency(oldSize, newSize uint64, hashes []Hash, oldRoot, newRoot Hash) error {
	if newSize > MaxSize {
		return fmt.Errorf("size is larger than %d", uint64(MaxSize))
	}
	if oldSize == 0 {
		if err := compare("old root", EmptyRoot(), oldRoot); err != nil {
			return err
		}
	}
	err := proof.VerifyConsistency(rfc6962.DefaultHasher, oldSize, newSize, byteSlices(hashes), oldRoot[:], newRoot[:])
	if mismatch, ok := errors.AsType[proof.RootMismatchError](err); ok {
		expected, calculated := Hash(mismatch.ExpectedRoot), Hash(mismatch.CalculatedRoot)
		what := "new root"
		if oldSize != newSize && expected == oldRoot {
			what = "old root"
		}
		return &RootMismatchError{What: what, Expected: expected, Calculated: calculated}
	}
	return err
}

func compare(what string, calculated, expected Hash) error {
	if calculated != expected {
		return &RootMismatchError{What: what, Expected: expected, Calculated: calculated}
	}
	return nil
}

func byteSlices(hashes []Hash) [][]byte {
	b := make([][]byte, len(hashes))
	for i := range hashes {
		b[i] = hashes[i][:]
	}
	return b
}
