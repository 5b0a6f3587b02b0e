package log_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/merkle/log"
)

// placesOf counts the results of shuffling entries with these orders.
func placesOf(n int, orders ...uint64) map[string]int {
	es := make([]log.Entry, len(orders))
	for i := range es {
		es[i].Order = orders[i]
	}
	counts := map[string]int{}
	for range n {
		counts[fmt.Sprint(log.PlaceOf(es))]++
	}
	return counts
}

// TestShuffle counts all orders of a few entries. Each allowed one must come,
// none too rarely, and no other. With the numbers below a fair shuffle fails
// less than once in 10^12 runs.
func TestShuffle(t *testing.T) {
	for _, test := range []struct {
		orders []uint64
		want   int // number of orders that are allowed
	}{
		{[]uint64{0}, 1},
		{[]uint64{5}, 1},
		{[]uint64{0, 0}, 2},
		{[]uint64{0, 0, 0, 0}, 24},
		{[]uint64{1, 2, 3, 4}, 24},
		{[]uint64{7, 7, 7, 7}, 1},
		{[]uint64{1, 1, 2, 2}, 6},
		{[]uint64{1, 0, 1, 0}, 12},
		{[]uint64{2, 1, 2, 1, 2}, 10},
	} {
		const each = 400
		counts := placesOf(each*test.want, test.orders...)
		if len(counts) != test.want {
			t.Errorf("orders %v: %d different results, want %d", test.orders, len(counts), test.want)
		}
		for places, n := range counts {
			if n < each/2 || n > each*3/2 && test.want > 1 {
				t.Errorf("orders %v: result %s came %d times, want about %d", test.orders, places, n, each)
			}
		}
	}
}

// TestShuffleKeepsOrder draws larger groups.
func TestShuffleKeepsOrder(t *testing.T) {
	w := newWriter(1)
	for range 200 {
		es := make([]log.Entry, w.IntN(700))
		for i := range es {
			es[i].Order = uint64(w.IntN(30))
		}
		places := log.PlaceOf(es)
		last := map[uint64]uint32{}
		for i, p := range places {
			if o := es[i].Order; o != 0 {
				if before, ok := last[o]; ok && p < before {
					t.Fatalf("entry %d of order %d was moved before an earlier one", i, o)
				}
				last[o] = p
			}
		}
		sorted := slices.Sorted(slices.Values(places))
		for i, p := range sorted {
			if int(p) != i {
				t.Fatalf("places are not 0 to %d", len(es)-1)
			}
		}
	}
}

// TestCompareKeys: the front of a key decides nothing that the whole of it does not.
func TestCompareKeys(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	key := func() []byte {
		k := make([]byte, 1+rng.IntN(12))
		for i := range k[1:] {
			k[1+i] = []byte{0, 0, 1, 255}[rng.IntN(4)]
		}
		return k
	}
	for range 100_000 {
		x, y := key(), key()
		if got, want := log.CompareKeys(x, y), bytes.Compare(x, y); got != want {
			t.Fatalf("%x and %x: %d, want %d", x, y, got, want)
		}
	}
}
