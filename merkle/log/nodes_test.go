package log_test

import (
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// TestProofsFromMemory: what proofs remember of tiles gives the same proofs as the
// tiles themselves, the first time and again, while the log grows, at sizes that it
// had before, and when it was opened anew. There are full tiles at two levels, and
// partial ones with several parts.
func TestProofsFromMemory(t *testing.T) {
	o := options(t)
	l := create(t, "log", o)
	w := newWriter(1)
	sizes := []uint64{255, 256, 4095, 65_536, 65_537}
	for i, more := range []int{65_600, 700, 20_150, 90} {
		for ; more > 0; more -= 4096 {
			es := make([]log.Entry, min(more, 4096))
			for i := range es {
				es[i].Leaf = w.bytes(34)
			}
			if _, err := l.Append(t.Context(), es); err != nil {
				t.Fatal(err)
			}
		}
		sizes = append(sizes, l.Head().Size)
		sameProofs(t, l, sizes)
		if i == 2 {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = open(t, "log", o)
			sameProofs(t, l, sizes)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// sameProofs compares a log's proofs with those of its tiles.
func sameProofs(t *testing.T, l *log.Log, sizes []uint64) {
	t.Helper()
	for _, size := range sizes {
		read := merkle.AtSize(l.Head().Size, l.ReadTile)
		for n := range uint64(64) {
			i := n * size / 64
			if n == 63 {
				i = size - 1 // at the right edge
			}
			want, err := merkle.InclusionProof(t.Context(), i, size, read)
			if err != nil {
				t.Fatal(err)
			}
			got, err := l.InclusionProof(t.Context(), i, size)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("leaf %d in %d: the proof differs from that of the tiles (%v)", i, size, err)
			}
			if i == 0 {
				continue
			}
			if want, err = merkle.ConsistencyProof(t.Context(), i, size, read); err != nil {
				t.Fatal(err)
			}
			if got, err = l.ConsistencyProof(t.Context(), i, size); err != nil || !slices.Equal(got, want) {
				t.Fatalf("from %d to %d: the proof differs from that of the tiles (%v)", i, size, err)
			}
		}
	}
}

// TestRememberedTiles: two tiles that share a place are never taken for each other.
func TestRememberedTiles(t *testing.T) {
	for _, pair := range log.SharedPlaces() {
		if !log.Forgets(pair[0], pair[1]) {
			t.Errorf("after tile %v, tile %v is remembered too", pair[1], pair[0])
		}
	}
}
