package log_test

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
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

// BenchmarkEngine is the floor for BenchmarkAppend with one caller: the same rows
// in a batch of the engine, synced, without a queue, a tree or a signature.
func BenchmarkEngine(b *testing.B) {
	db, err := pebble.Open(b.TempDir(), &pebble.Options{
		FormatMajorVersion: pebble.FormatWALSyncChunks, MemTableSize: 16 << 20, MemTableStopWritesThreshold: 6,
		Logger: quiet{},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	rng := mrand.New(mrand.NewPCG(1, 1))
	envelope := make([]byte, 300)
	rand.Read(envelope)
	b.ReportAllocs()
	i := uint64(0)
	for b.Loop() {
		e := benchEntry(rng, envelope, 1)
		batch := db.NewBatch()
		for _, r := range e.Rows {
			if err := batch.Set(indexKey(string(r.Key), i), r.Value, nil); err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Set(indexKey("c", i), e.Leaf, nil); err != nil {
			b.Fatal(err)
		}
		if err := batch.Commit(pebble.Sync); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "entries/s")
}

type quiet struct{}

func (quiet) Infof(string, ...any)      {}
func (quiet) Errorf(string, ...any)     {}
func (quiet) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// benchLeaves is the size of the log that the reading benchmarks use.
func benchLeaves(b *testing.B) int {
	n := 1 << 20
	if s := os.Getenv("LACUNA_BENCH_LEAVES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	return n
}

// BenchmarkRead measures reads, proofs and opening on a log of a million entries,
// or as many as LACUNA_BENCH_LEAVES says.
func BenchmarkRead(b *testing.B) {
	o := options(b)
	o.FS = vfs.Default
	dir := b.TempDir()
	l := create(b, dir, o)
	rng := mrand.New(mrand.NewPCG(1, 1))
	envelope := make([]byte, 300)
	rand.Read(envelope)
	n := benchLeaves(b)
	for done := 0; done < n; done += 4096 {
		es := make([]log.Entry, 4096)
		for i := range es {
			es[i] = benchEntry(rng, envelope, 0)
		}
		if _, err := l.Append(b.Context(), es); err != nil {
			b.Fatal(err)
		}
	}
	ctx := b.Context()
	size := l.Head().Size
	b.Run("Leaf", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := l.Leaf(ctx, rng.Uint64N(size)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := l.Get(ctx, indexKey(string(envelopeKey), rng.Uint64N(size))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("InclusionProof", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := l.InclusionProof(ctx, rng.Uint64N(size), size); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ConsistencyProof", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := l.ConsistencyProof(ctx, 1+rng.Uint64N(size), size); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Fsck", func(b *testing.B) {
		for b.Loop() {
			if err := l.Fsck(ctx, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			l := open(b, dir, o)
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
