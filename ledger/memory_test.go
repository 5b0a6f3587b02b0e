package ledger

import "testing"

// The limit leaves room for garbage however much is alive: a collector at its limit
// does nothing but collect.
func TestLimitFor(t *testing.T) {
	for live := range int64(1 << 10) {
		live <<= 20
		limit := limitFor(uint64(live))
		if limit < memoryLimit || limit < live+24<<20 {
			t.Fatalf("%d MiB alive: limit %d MiB", live>>20, limit>>20)
		}
		if live <= cachesLive && limit != memoryLimit {
			t.Fatalf("%d MiB alive: limit %d MiB, where %d are enough", live>>20, limit>>20, memoryLimit>>20)
		}
	}
}
