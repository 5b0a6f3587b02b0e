package log_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// TestMarkerAfterManifest cuts the power while the marker of a new manifest has a
// name and the directory is not synced. Whichever names have become durable, the
// log opens.
func TestMarkerAfterManifest(t *testing.T) {
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	l := create(t, "log", o)
	w := newWorld()
	acked, err := appendSome(l, "x", 3)
	if err != nil {
		t.Fatal(err)
	}
	w.ack(acked...)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var cuts []*logtest.Disk
	marked := false
	d.Before(func(op logtest.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if marked && op.Kind == logtest.Sync && op.Path == "log" {
			for seed := range uint64(16) {
				cuts = append(cuts, d.Crash(50, rand.New(rand.NewPCG(seed, 1))))
			}
		}
		marked = !(op.Kind == logtest.Sync && op.Path == "log") &&
			(marked || op.Kind == logtest.Create && strings.Contains(op.Path, "marker.manifest"))
		return nil
	})
	l = open(t, "log", o)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	d.Before(nil)
	if len(cuts) == 0 {
		t.Fatal("no marker was made")
	}
	for i, cut := range cuts {
		if err := opens(t, cut, "log", w); err != nil {
			t.Errorf("cut %d: %v", i, err)
		}
	}
}
