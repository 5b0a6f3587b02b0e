package log_test

import (
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// TestProofsFromMemory: what proofs remember of tiles gives the same proofs as the
// tiles themselves, the first time and again, while the log grows, and at sizes
// that it had before. There is a full tile at two levels.
func TestProofsFromMemory(t *testing.T) {
	l := create(t, "log", options(t))
	w := newWriter(1)
	grow := func(n int) {
		for ; n > 0; n -= 4096 {
			es := make([]log.Entry, min(n, 4096))
			for i := range es {
				es[i].Leaf = w.bytes(34)
			}
			if _, err := l.Append(t.Context(), es); err != nil {
				t.Fatal(err)
			}
		}
	}
	sizes := []uint64{255, 256, 4095, 65_536, 65_537}
	for _, more := range []int{65_600, 700} {
		grow(more)
		sizes = append(sizes, l.Head().Size)
		for _, size := range sizes {
			read := merkle.AtSize(l.Head().Size, l.ReadTile)
			for i := uint64(0); i < size; i += 1 + size/61 {
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
	if err := l.Close(); err != nil {
		t.Fatal(err)
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
