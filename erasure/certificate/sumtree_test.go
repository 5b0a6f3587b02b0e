package certificate

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// slowRoot computes the root of a sum tree straight from its definition.
func slowRoot(leaves []SumNode) SumNode {
	if len(leaves) == 1 {
		return leaves[0]
	}
	l, r := slowRoot(leaves[:len(leaves)/2]), slowRoot(leaves[len(leaves)/2:])
	h := sha256.New()
	h.Write([]byte{0x04})
	binary.Write(h, binary.BigEndian, l.Count)
	h.Write(l.Hash[:])
	binary.Write(h, binary.BigEndian, r.Count)
	h.Write(r.Hash[:])
	return SumNode{Count: l.Count + r.Count, Hash: Digest(h.Sum(nil))}
}

func drawLeaves(t *rapid.T, size int) []SumNode {
	leaves := make([]SumNode, size)
	for i := range leaves {
		leaves[i].Count = rapid.Uint64Range(0, 1<<40).Draw(t, "count")
		copy(leaves[i].Hash[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
	}
	return leaves
}

func TestSumTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := 1 << rapid.IntRange(0, 5).Draw(t, "levels")
		leaves := drawLeaves(t, size)
		levels, err := SumTree(leaves)
		if err != nil {
			t.Fatal(err)
		}
		root := levels[len(levels)-1][0]
		if want := slowRoot(leaves); root != want {
			t.Fatalf("root %v, want %v", root, want)
		}
		i := rapid.IntRange(0, size-1).Draw(t, "leaf")
		path := SumPath(levels, i)
		got, err := SumRoot(leaves[i], i, size, path)
		if err != nil || got != root {
			t.Fatalf("the path of leaf %d of %d leads to %v, %v", i, size, got, err)
		}

		// One bit, anywhere, leads elsewhere: another count, another hash, another place.
		leaf, at := leaves[i], i
		switch what := rapid.IntRange(0, 3).Draw(t, "change"); {
		case what == 0:
			leaf.Count++
		case what == 1:
			leaf.Hash[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		case len(path) == 0:
			return
		case what == 2:
			n := rapid.IntRange(0, len(path)-1).Draw(t, "node")
			if rapid.Bool().Draw(t, "which") {
				path[n].Count++
			} else {
				path[n].Hash[0] ^= 1
			}
		default:
			at = (i + rapid.IntRange(1, size-1).Draw(t, "by")) % size
			if leaves[at] == leaves[i] {
				return
			}
		}
		if got, err := SumRoot(leaf, at, size, path); err == nil && got.Hash == root.Hash && size > 1 {
			t.Fatal("a changed path still leads to the root")
		}
	})
}

// TestSumTreeSplit moves a count from one leaf to its neighbour: the total stays, the root must not.
func TestSumTreeSplit(t *testing.T) {
	leaves := make([]SumNode, 64)
	leaves[4].Count, leaves[5].Count = 3, 4
	a, err := SumTree(leaves)
	if err != nil {
		t.Fatal(err)
	}
	moved := append([]SumNode(nil), leaves...)
	moved[4].Count, moved[5].Count = 4, 3
	b, err := SumTree(moved)
	if err != nil {
		t.Fatal(err)
	}
	ra, rb := a[6][0], b[6][0]
	if ra.Count != 7 || rb.Count != 7 || ra.Hash == rb.Hash {
		t.Errorf("roots %v and %v, want one total and two hashes", ra, rb)
	}
}

func TestSumTreeRefuses(t *testing.T) {
	for _, n := range []int{0, 3, 63} {
		if _, err := SumTree(make([]SumNode, n)); err == nil {
			t.Errorf("a tree of %d leaves", n)
		}
	}
	// Counts must not wrap: a huge one beside a small one would make a small total.
	leaves := []SumNode{{Count: maxExact}, {Count: 1}}
	if _, err := SumTree(leaves); err == nil {
		t.Error("counts wrap")
	}
	if _, err := SumRoot(SumNode{Count: 1}, 0, 2, []SumNode{{Count: ^uint64(0)}}); err == nil {
		t.Error("counts on a path wrap")
	}
	for _, c := range []struct{ i, size, path int }{{0, 64, 5}, {0, 64, 7}, {64, 64, 6}, {-1, 64, 6}, {0, 63, 6}, {0, 0, 0}} {
		if _, err := SumRoot(SumNode{}, c.i, c.size, make([]SumNode, c.path)); err == nil {
			t.Errorf("leaf %d of %d with a path of %d", c.i, c.size, c.path)
		}
	}
}

func TestSumSize(t *testing.T) {
	for n, want := range map[int]int{0: 64, 1: 64, 64: 64, 65: 128, 1000: 1024} {
		if got := SumSize(n); got != want {
			t.Errorf("%d requests in a tree of %d leaves, want %d", n, got, want)
		}
	}
}
