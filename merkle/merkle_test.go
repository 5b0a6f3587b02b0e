package merkle_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// A memLog keeps the hashes of every tile of a small log, as the writer of a
// real one would.
type memLog struct {
	r      merkle.Range
	leaves [][]byte
	levels [8][]merkle.Hash // hashes of the nodes at tree level 8·L
}

func (l *memLog) append(entry []byte) {
	l.leaves = append(l.leaves, entry)
	l.r.Append(merkle.LeafHash(entry), func(level uint, _ uint64, h merkle.Hash) {
		if level%merkle.TileHeight == 0 {
			l.levels[level/merkle.TileHeight] = append(l.levels[level/merkle.TileHeight], h)
		}
	})
}

func (l *memLog) readTile(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) {
	from, to := t.Index*merkle.TileWidth, t.Index*merkle.TileWidth+uint64(t.Width)
	if t.Width < 1 || to > uint64(len(l.levels[t.Level])) {
		return nil, errors.New("no such tile")
	}
	return l.levels[t.Level][from:to], nil
}

// newMemLog returns a log of n entries of 34 bytes.
func newMemLog(n int) *memLog {
	l := &memLog{}
	for i := range n {
		l.append(testEntry(i))
	}
	return l
}

// testEntry is entry i: a commitment in its shape, two bytes and a hash.
func testEntry(i int) []byte {
	h := sha256.Sum256([]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
	return append([]byte{1, 0}, h[:]...)
}

func TestAllocations(t *testing.T) {
	short, long := make([]byte, 34), make([]byte, merkle.MaxEntry)
	var h merkle.Hash
	for name, f := range map[string]func(){
		"LeafHash":      func() { h = merkle.LeafHash(short) },
		"LeafHash long": func() { h = merkle.LeafHash(long) },
		"NodeHash":      func() { h = merkle.NodeHash(h, h) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	var r merkle.Range
	visit := func(_ uint, _ uint64, x merkle.Hash) { h = x }
	for range 1 << 10 {
		r.Append(h, visit)
	}
	if n := testing.AllocsPerRun(1000, func() { r.Append(h, visit) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
	entries := [][]byte{{1}, {2}, {3}, {4}, {5}}
	r.AppendEntries(entries, visit)
	if n := testing.AllocsPerRun(1000, func() { r.AppendEntries(entries, visit) }); n != 0 {
		t.Errorf("AppendEntries allocates %v times", n)
	}
}

// TestHashes holds leaves of every short length, nodes and tiles against
// crypto/sha256, hashed with the processor's instructions and without.
func TestHashes(t *testing.T) {
	check := func(t *testing.T) {
		rng := rand.NewChaCha8([32]byte{7})
		entries := make([][]byte, 300)
		want := make([]merkle.Hash, len(entries))
		for n := range entries {
			entries[n] = make([]byte, n)
			rng.Read(entries[n])
			want[n] = sha256.Sum256(append([]byte{0}, entries[n]...))
			if got := merkle.LeafHash(entries[n]); got != want[n] {
				t.Errorf("leaf hash of %d bytes is %v, want %v", n, got, want[n])
			}
		}
		rand.New(rng).Shuffle(len(entries), func(i, j int) {
			entries[i], entries[j] = entries[j], entries[i]
			want[i], want[j] = want[j], want[i]
		})
		for _, n := range []int{1, 2, 3, 33, 256} {
			var b []byte
			for _, e := range entries[:n] {
				var err error
				if b, err = merkle.AppendBundleEntry(b, e); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := merkle.BundleHashes(b, n); err != nil || !slices.Equal(got, want[:n]) {
				t.Errorf("leaf hashes of a bundle of %d differ (%v)", n, err)
			}
			if _, err := merkle.BundleHashes(b[:len(b)-1], n); err == nil {
				t.Errorf("a bundle of %d that is cut has leaf hashes", n)
			}
		}
		for width := merkle.TileWidth; width > 0; width /= 2 {
			level := want[:width]
			tile := merkle.HashTile(level)
			for len(level) > 1 {
				above := make([]merkle.Hash, len(level)/2)
				for i := range above {
					above[i] = sha256.Sum256(slices.Concat([]byte{1}, level[2*i][:], level[2*i+1][:]))
					if got := merkle.NodeHash(level[2*i], level[2*i+1]); got != above[i] {
						t.Errorf("node hash is %v, want %v", got, above[i])
					}
				}
				level = above
			}
			if tile != level[0] {
				t.Errorf("hash of a tile is %v, want %v", tile, level[0])
			}
		}
	}
	t.Run("fast", func(t *testing.T) {
		if !merkle.Fast() {
			t.Skip("no instructions for SHA-256, or they are not to be used")
		}
		check(t)
	})
	t.Run("slowly", func(t *testing.T) {
		defer merkle.Slowly()()
		check(t)
	})
}

func BenchmarkAppend(b *testing.B) {
	entry := testEntry(1)
	var r merkle.Range
	var last merkle.Hash
	visit := func(_ uint, _ uint64, h merkle.Hash) { last = h }
	b.ReportAllocs()
	for b.Loop() {
		r.Append(merkle.LeafHash(entry), visit)
	}
	_ = last
}

func BenchmarkAppendEntries(b *testing.B) {
	entries := make([][]byte, 256)
	for i := range entries {
		entries[i] = testEntry(i)
	}
	var r merkle.Range
	var last merkle.Hash
	visit := func(_ uint, _ uint64, h merkle.Hash) { last = h }
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(entries) == 0 { // one entry is one operation
			r.AppendEntries(entries, visit)
		}
	}
	_ = last
}

func BenchmarkInclusionProof(b *testing.B) {
	const size = 1 << 20
	l := newMemLog(size)
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		if _, err := merkle.InclusionProof(b.Context(), i*7919%size, size, l.readTile); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyProof(b *testing.B) {
	p, v := testProof(b, 777, 1<<16, nil)
	entry := testEntry(777)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Verify(entry, v); err != nil {
			b.Fatal(err)
		}
	}
}
