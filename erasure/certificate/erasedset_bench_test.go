package certificate

import "testing"

func BenchmarkErasedSet(b *testing.B) {
	blind := func(i uint64) [32]byte { return [32]byte{byte(i)} }
	for b.Loop() {
		if _, err := NewErasedSet(2, 1<<17, func(i uint64) bool { return i%7 == 0 }, blind); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<17), "ns/leaf")
}
