package merkle_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// A reference is RFC 6962 as it is written: recursive, with the names of the
// RFC. Nothing here is shared with the code under test, hashing included. It
// remembers subtrees, which are the same in every larger tree.
type reference struct {
	leaves [][]byte
	memo   map[[2]int]merkle.Hash
}

func newReference(leaves [][]byte) *reference {
	return &reference{leaves, map[[2]int]merkle.Hash{}}
}

// split is the k of the RFC: the largest power of two smaller than n.
func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}

// mth is MTH(D[from:to]), section 2.1.
func (r *reference) mth(from, to int) merkle.Hash {
	switch to - from {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0x00}, r.leaves[from]...))
	}
	if h, ok := r.memo[[2]int{from, to}]; ok {
		return h
	}
	k := split(to - from)
	left, right := r.mth(from, from+k), r.mth(from+k, to)
	h := merkle.Hash(sha256.Sum256(slices.Concat([]byte{0x01}, left[:], right[:])))
	r.memo[[2]int{from, to}] = h
	return h
}

// path is PATH(m, D[from:to]), section 2.1.1.
func (r *reference) path(m, from, to int) []merkle.Hash {
	if to-from == 1 {
		return nil
	}
	k := split(to - from)
	if m < k {
		return append(r.path(m, from, from+k), r.mth(from+k, to))
	}
	return append(r.path(m-k, from+k, to), r.mth(from, from+k))
}

// proof is PROOF(m, D[0:n]), section 2.1.2, for 0 < m < n.
func (r *reference) proof(m, n int) []merkle.Hash {
	return r.subproof(m, 0, n, true)
}

func (r *reference) subproof(m, from, to int, known bool) []merkle.Hash {
	if m == to-from {
		if known {
			return nil
		}
		return []merkle.Hash{r.mth(from, to)}
	}
	k := split(to - from)
	if m <= k {
		return append(r.subproof(m, from, from+k, known), r.mth(from+k, to))
	}
	return append(r.subproof(m-k, from+k, to, false), r.mth(from, from+k))
}

// checkTree compares everything that can be computed of a log at one size with
// the reference, for the given leaves and older sizes, and verifies it.
func checkTree(t *testing.T, l *memLog, ref *reference, size int, at []int) {
	t.Helper()
	ctx := t.Context()
	root, err := merkle.RootFromTiles(ctx, uint64(size), l.readTile)
	if err != nil {
		t.Fatal(err)
	}
	if want := ref.mth(0, size); root != want {
		t.Fatalf("root of %d entries is %v, want %v", size, root, want)
	}
	for _, i := range at {
		got, err := merkle.InclusionProof(ctx, uint64(i), uint64(size), l.readTile)
		if err != nil {
			t.Fatal(err)
		}
		if want := ref.path(i, 0, size); !slices.Equal(got, want) {
			t.Fatalf("inclusion proof of %d in %d is %v, want %v", i, size, got, want)
		}
		if err := merkle.VerifyInclusion(uint64(i), uint64(size), merkle.LeafHash(l.leaves[i]), got, root); err != nil {
			t.Fatal(err)
		}
		// An older size, from 1 to size.
		old := i + 1
		got, err = merkle.ConsistencyProof(ctx, uint64(old), uint64(size), l.readTile)
		if err != nil {
			t.Fatal(err)
		}
		if want := ref.proof(old, size); !slices.Equal(got, want) {
			t.Fatalf("consistency proof from %d to %d is %v, want %v", old, size, got, want)
		}
		if err := merkle.VerifyConsistency(uint64(old), uint64(size), got, ref.mth(0, old), root); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReferenceSmall(t *testing.T) {
	most := 300
	if runtime.GOOS == "js" {
		most = 100 // a tenth of the work, where hashing is ten times slower
	}
	l := newMemLog(most)
	ref := newReference(l.leaves)
	var all []int
	for size := range most + 1 {
		checkTree(t, l, ref, size, all)
		all = append(all, size)
	}
}

func TestReferenceLarge(t *testing.T) {
	const most = 100_000
	l := newMemLog(most)
	ref := newReference(l.leaves)
	rnd := rand.New(rand.NewPCG(6962, 1))
	sizes := []int{65535, 65536, 65537, 70000, most}
	for range 20 {
		sizes = append(sizes, 1+rnd.IntN(most))
	}
	for _, size := range sizes {
		at := []int{0, size - 1, size / 2, (size - 1) &^ 0xff}
		for range 40 {
			at = append(at, rnd.IntN(size))
		}
		checkTree(t, l, ref, size, at)
	}
}

// Range is checked at every size, node by node.
func TestReferenceRange(t *testing.T) {
	const most = 1000
	l := newMemLog(most)
	ref := newReference(l.leaves)
	var r merkle.Range
	for size := range most {
		if r.Size() != uint64(size) || r.Root() != ref.mth(0, size) {
			t.Fatalf("size %d: range has size %d and root %v, want %v", size, r.Size(), r.Root(), ref.mth(0, size))
		}
		again, err := merkle.NewRange(r.Size(), r.Hashes())
		if err != nil {
			t.Fatal(err)
		}
		if again.Root() != r.Root() || r.Clone().Root() != r.Root() {
			t.Fatalf("size %d: a copied range has another root", size)
		}
		var visited []string
		r.Append(merkle.LeafHash(l.leaves[size]), func(level uint, index uint64, h merkle.Hash) {
			from, to := int(index)<<level, int(index+1)<<level
			if h != ref.mth(from, to) {
				t.Fatalf("node %d at level %d is %v, want %v", index, level, h, ref.mth(from, to))
			}
			visited = append(visited, fmt.Sprint(level, index))
		})
		var want []string
		for level := 0; (size+1)%(1<<level) == 0 && level < 64; level++ {
			want = append(want, fmt.Sprint(level, size>>level))
		}
		if !slices.Equal(visited, want) {
			t.Fatalf("entry %d completes nodes %v, want %v", size, visited, want)
		}
		// A copy does not follow.
		if again.Size() != uint64(size) || again.Root() != ref.mth(0, size) {
			t.Fatalf("size %d: a copy changed with its original", size)
		}
	}
}

func TestNewRangeRefusesWrongCount(t *testing.T) {
	for _, c := range []struct {
		size uint64
		n    int
	}{{0, 1}, {1, 0}, {1, 2}, {255, 7}, {256, 2}, {1 << 63, 1}} {
		if _, err := merkle.NewRange(c.size, make([]merkle.Hash, c.n)); err == nil {
			t.Errorf("a range of size %d with %d hashes was accepted", c.size, c.n)
		}
	}
}

// The log of RFC 6962's own test leaves, as every CT implementation knows it.
func TestKnownRoots(t *testing.T) {
	leaves := []string{"", "\x00", "\x10", "\x20\x21", "\x30\x31", "\x40\x41\x42\x43", "\x50\x51\x52\x53\x54\x55\x56\x57",
		"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"}
	roots := []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	var r merkle.Range
	for size, want := range roots {
		root := r.Root()
		if got := fmt.Sprintf("%x", root[:]); got != want {
			t.Errorf("root of size %d is %s, want %s", size, got, want)
		}
		if size < len(leaves) {
			r.Append(merkle.LeafHash([]byte(leaves[size])), nil)
		}
	}
	if merkle.EmptyRoot() != new(merkle.Range).Root() {
		t.Error("the empty range does not have the empty root")
	}
}

func TestLeafHashLengths(t *testing.T) {
	entry := make([]byte, merkle.MaxEntry)
	for i := range entry {
		entry[i] = byte(i * 7)
	}
	for _, n := range []int{0, 1, 34, 63, 64, 254, 255, 256, 257, 4096, merkle.MaxEntry} {
		want := merkle.Hash(sha256.Sum256(append([]byte{0}, entry[:n]...)))
		if got := merkle.LeafHash(entry[:n]); got != want {
			t.Errorf("leaf hash of %d bytes is %v, want %v", n, got, want)
		}
	}
}
