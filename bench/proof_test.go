package bench_test

import (
	"context"
	"testing"

	"github.com/lacunalog/lacuna/bench"
	"github.com/lacunalog/lacuna/merkle"
)

// BenchmarkProof makes and verifies inclusion proofs of random leaves in a log of
// a million.
func BenchmarkProof(b *testing.B) {
	ctx := context.Background()
	f, err := bench.NewForest(ctx, b.TempDir(), 1_000_000)
	if err != nil {
		b.Fatal(err)
	}
	defer closing(b, f)
	b.Run("make", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := f.Prove(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		index, proof, err := f.Prove(ctx)
		if err != nil {
			b.Fatal(err)
		}
		leaf, err := f.Leaf(ctx, index)
		if err != nil {
			b.Fatal(err)
		}
		h := merkle.LeafHash(leaf)
		b.ReportAllocs()
		for b.Loop() {
			if err := f.Verify(index, h, proof); err != nil {
				b.Fatal(err)
			}
		}
	})
}
