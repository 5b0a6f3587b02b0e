package log_test

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/lacunalog/lacuna/merkle/log"
)

// BenchmarkAppend measures appends of one entry (a 34-byte leaf, an envelope row
// of 300 bytes, one row under a random key) by so many callers, on the disk below
// the temporary directory. Every append is synced.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchmarkAppend(b, callers, 1) })
	}
	b.Run("callers=4/batch=512", func(b *testing.B) { benchmarkAppend(b, 4, 512) })
}

func benchmarkAppend(b *testing.B, callers, batch int) {
	o := options(b)
	o.FS = vfs.Default
	l := create(b, b.TempDir(), o)
	defer func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	}()
	envelope := make([]byte, 300)
	rand.Read(envelope)
	var left atomic.Int64
	left.Store(int64(b.N))
	took := make([][]time.Duration, callers)
	ctx := context.Background()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			rng := mrand.New(mrand.NewPCG(uint64(c), 1))
			order := uint64(c + 1)
			for left.Add(-int64(batch)) > -int64(batch) {
				es := make([]log.Entry, batch)
				for i := range es {
					es[i] = benchEntry(rng, envelope, order)
				}
				start := time.Now()
				t, err := l.Enqueue(es)
				if err == nil {
					err = t.Wait(ctx)
				}
				if err != nil {
					b.Error(err)
					return
				}
				took[c] = append(took[c], time.Since(start))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(took...)
	slices.Sort(all)
	b.ReportMetric(float64(len(all)*batch)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
}

// benchEntry makes what the ledger makes for an event, without the cryptography:
// the random bytes come from a fast generator.
func benchEntry(rng *mrand.Rand, envelope []byte, order uint64) log.Entry {
	buf := make([]byte, 34+21+8)
	leaf, key, val := buf[:34:34], buf[34:55:55], buf[55:]
	leaf[0] = 1
	for i := 2; i < 34; i += 8 {
		x := rng.Uint64()
		for j := range 8 {
			leaf[i+j] = byte(x >> (8 * j))
		}
	}
	copy(key, "s\x00\x00\x00\x01")
	copy(key[5:], leaf[2:18])
	return log.Entry{
		Leaf:  leaf,
		Order: order,
		Rows: []log.Row{
			{Key: envelopeKey, Value: envelope, Place: log.KeyIndex},
			{Key: key, Value: val, Place: log.ValueMask},
			{Key: tagKey, Value: key[5:], Place: log.Gather},
		},
	}
}

var envelopeKey, tagKey = []byte("e\x00\x00\x00\x01"), []byte("q")
