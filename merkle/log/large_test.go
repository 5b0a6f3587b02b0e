package log_test

import (
	"testing"

	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// TestLargeLeaves fills a bundle half with the longest leaves there are. The row
// of the full bundle is larger than a commit group, and than what the engine
// takes into its write buffer.
func TestLargeLeaves(t *testing.T) {
	if slow {
		t.Skip("moves gigabytes")
	}
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	l := create(t, "log", o)
	ref, w := newReference(), newWriter(1)
	for range 26 {
		es := manyLeaves(10)
		for i := range es {
			es[i].Leaf = make([]byte, 16+i%2*65519)
			copy(es[i].Leaf, w.bytes(16))
		}
		index, err := l.Append(t.Context(), es)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range index {
			ref.entry(t, es[i], x)
		}
	}
	// Torn down in the middle of it all.
	o.FS = d.Crash(0, nil).FS()
	l2 := open(t, "log", o)
	checkLog(t, l2, ref)
	if err := l2.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
