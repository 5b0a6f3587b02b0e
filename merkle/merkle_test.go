package merkle_test

import (
	"context"
	"crypto/sha256"
	"errors"
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
