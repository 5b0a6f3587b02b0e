package log_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/merkle/log"
)

// TestLevel0: the tables that flushes leave in level 0 are stacked on each other only
// so high, since every read looks into each layer. Tables that reach into the one
// before and no further are stacked as high as there are flushes, and the engine does
// not mind, because no key lies in many of them: tombstones of chunks did that.
func TestLevel0(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a third of a gigabyte")
	}
	o := options(t)
	o.Spaces = []byte("es")
	l := create(t, "log", o)
	defer l.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	envelope := make([]byte, 620)
	most := 0
	for range 26 {
		// What lies beside a compaction is taken along where it is small: envelopes are not.
		for left := 22_000; left > 0; {
			es := make([]log.Entry, 500+rng.IntN(2500))
			left -= len(es)
			for i := range es {
				name := binary.BigEndian.AppendUint64([]byte("s"), rng.Uint64())
				es[i] = log.Entry{Leaf: name, Rows: []log.Row{{Key: name, Value: name}, {Key: []byte("e"), Value: envelope, Place: log.KeyIndex}}}
			}
			if _, err := l.Append(t.Context(), es); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.Flush(l); err != nil {
			t.Fatal(err)
		}
		most = max(most, l.Stats().L0Sublevels)
	}
	if most > 16 {
		t.Errorf("level 0 had %d layers", most)
	}

	// The envelopes, which are nearly everything, go down; if they stayed, then the
	// engine would think that it has to write all of it twice.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		s := l.Stats()
		if s.CompactionDebt < s.DiskBytes {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the engine owes %d MiB of compactions with %d MiB on the disk", s.CompactionDebt>>20, s.DiskBytes>>20)
		}
	}
}
