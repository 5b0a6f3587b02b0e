package certificate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// blinds is a PRF for tests.
func blinds(label string) func(uint64) [32]byte {
	key := fixed(label)
	return func(i uint64) [32]byte {
		mac := hmac.New(sha256.New, key[:])
		mac.Write(binary.BigEndian.AppendUint64(nil, i))
		return [32]byte(mac.Sum(nil))
	}
}

// split is the largest power of two below n.
func split(n uint64) uint64 {
	k := uint64(1)
	for 2*k < n {
		k *= 2
	}
	return k
}

// slowSet computes the root of an erased set as RFC 6962 defines its trees, from above.
func slowSet(g uint32, size uint64, erased func(uint64) bool, blind func(uint64) [32]byte) SumNode {
	var block func(from, to uint64) Digest
	block = func(from, to uint64) Digest {
		h := sha256.New()
		if to-from == 1 {
			bit := byte(0)
			if erased(from) {
				bit = 1
			}
			v := blind(from)
			h.Write([]byte{2})
			binary.Write(h, binary.BigEndian, uint64(g))
			binary.Write(h, binary.BigEndian, from)
			h.Write([]byte{bit})
			h.Write(v[:])
			return Digest(h.Sum(nil))
		}
		k := split(to - from)
		l, r := block(from, from+k), block(from+k, to)
		h.Write([]byte{3})
		h.Write(l[:])
		h.Write(r[:])
		return Digest(h.Sum(nil))
	}
	var sum func(from, to uint64) SumNode
	sum = func(from, to uint64) SumNode {
		if to-from == 1 {
			first, last := from*4096, min(to*4096, size)
			n := SumNode{Hash: block(first, last)}
			for i := first; i < last; i++ {
				if erased(i) {
					n.Count++
				}
			}
			return n
		}
		k := split(to - from)
		return slowRoot([]SumNode{sum(from, from+k), sum(from+k, to)})
	}
	if size == 0 {
		return SumNode{Hash: sha256.Sum256(nil)}
	}
	return sum(0, (size+4095)/4096)
}

// drawSet draws an erased set of a few blocks, the last one rarely whole.
func drawSet(t *rapid.T) (*ErasedSet, func(uint64) bool, func(uint64) [32]byte) {
	size := rapid.SampledFrom([]uint64{0, 1, 2, 3, 5, 100, 1000, 4095, 4097, 2*4096 + 5}).Draw(t, "size")
	every := rapid.Uint64Range(1, 9).Draw(t, "every")
	erased := func(i uint64) bool { return i%every == every/2 }
	blind := blinds(rapid.SampledFrom([]string{"one", "two"}).Draw(t, "key"))
	s, err := NewErasedSet(uint32(rapid.IntRange(1, 3).Draw(t, "g")), size, erased, blind)
	if err != nil {
		t.Fatal(err)
	}
	return s, erased, blind
}

func TestErasedSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, erased, blind := drawSet(t)
		if want := slowSet(s.Generation(), s.Size(), erased, blind); s.Root() != want.Hash || s.Total() != want.Count {
			t.Fatalf("root %v of %d, want %v of %d", s.Root(), s.Total(), want.Hash, want.Count)
		}
		if s.Size() == 0 {
			if _, err := s.Prove(0); err == nil {
				t.Fatal("a proof in a log of no leaves")
			}
			return
		}
		var i uint64
		for _, i = range rapid.SliceOfN(rapid.Uint64Range(0, s.Size()-1), 1, 4).Draw(t, "leaves") {
			p, err := s.Prove(i)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := p.Verify(s.Generation(), s.Size(), s.Total(), s.Root()); err != nil || got != erased(i) {
				t.Fatalf("leaf %d: %v, %v", i, got, err)
			}
		}
		b, err := s.ProveBlock(i / BlockLeaves)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Verify(s.Generation(), s.Size(), s.Total(), s.Root()); err != nil || b.Erased(i) != erased(i) {
			t.Fatalf("block of leaf %d: %v", i, err)
		}
	})
}

// TestBitProofRefuses changes one thing in a proof that holds.
func TestBitProofRefuses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, _, _ := drawSet(t)
		if s.Size() == 0 {
			return
		}
		p, err := s.Prove(rapid.Uint64Range(0, s.Size()-1).Draw(t, "leaf"))
		if err != nil {
			t.Fatal(err)
		}
		g, size, total, root := s.Generation(), s.Size(), s.Total(), s.Root()
		switch rapid.IntRange(0, 11).Draw(t, "change") {
		case 0:
			p.Erased = !p.Erased
		case 1:
			p.Index++
		case 2:
			p.Blind[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		case 3:
			p.Count++
		case 4:
			p.Path = append(p.Path, Digest{})
		case 5:
			p.Blocks = append(p.Blocks, SumNode{})
		case 6:
			g++
		case 7:
			total++
		case 8:
			root[0] ^= 1
		case 9:
			if len(p.Path) == 0 {
				return
			}
			p.Path = p.Path[1:]
		case 10:
			if len(p.Blocks) == 0 {
				return
			}
			// Moved from one node to another, so that the total stays.
			if p.Blocks[0].Count == 0 {
				return
			}
			p.Blocks[0].Count--
			p.Count++
		default:
			if len(p.Path) == 0 {
				return
			}
			p.Path[rapid.IntRange(0, len(p.Path)-1).Draw(t, "node")][0] ^= 1
		}
		if _, err := p.Verify(g, size, total, root); err == nil {
			t.Fatalf("a changed proof of leaf %d of %d verifies", p.Index, size)
		}
	})
}

// TestErasedSetCounts has an operator who counts what there is not: the tree is built over counts of
// their own, and leads to the root that they publish.
func TestErasedSetCounts(t *testing.T) {
	blind := blinds("counts")
	s, err := NewErasedSet(2, 2*BlockLeaves, func(i uint64) bool { return i == 1 }, blind)
	if err != nil {
		t.Fatal(err)
	}
	// More erased leaves in the second block than it has.
	more := s.levels[0][1]
	more.Count = BlockLeaves + 1
	root, err := sumNode(s.levels[0][0], more)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Prove(0)
	if err != nil {
		t.Fatal(err)
	}
	p.Blocks[0] = more
	if _, err := p.Verify(2, s.Size(), root.Count, root.Hash); err == nil {
		t.Error("a block with more erased leaves than leaves")
	}
	// None where one is shown, and a count that wraps around.
	for _, n := range []uint64{0, ^uint64(0)} {
		p, _ := s.Prove(1)
		if p.Count = n; n == 0 {
			root, err = sumNode(SumNode{Count: n, Hash: s.levels[0][0].Hash}, s.levels[0][1])
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.Verify(2, s.Size(), n, root.Hash); err == nil {
			t.Errorf("a block with %d erased leaves that shows one", n)
		}
	}
	// A proof of the block shows that its count is not that of its bits.
	lie := s.levels[0][0]
	lie.Count = 9
	if root, err = sumNode(lie, s.levels[0][1]); err != nil {
		t.Fatal(err)
	}
	p, _ = s.Prove(1)
	p.Count = 9
	if _, err := p.Verify(2, s.Size(), 9, root.Hash); err != nil {
		t.Errorf("one bit shows that the block's count is not that of its bits: %v", err)
	}
	b, err := s.ProveBlock(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Verify(2, s.Size(), 9, root.Hash); err == nil {
		t.Error("the count of a block that is not that of its bits")
	}
	b.Bits = b.Bits[1:]
	if err := b.Verify(2, s.Size(), s.Total(), s.Root()); err == nil {
		t.Error("a block with bits cut off")
	}
}
