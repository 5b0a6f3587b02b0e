package log_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// cosignedAt returns the earliest and the latest time of a head's cosignatures.
func cosignedAt(t testing.TB, h log.Head, ws ...*memoryWitness) (first, last uint64) {
	t.Helper()
	var keys []merkle.Verifier
	for _, w := range ws {
		keys = append(keys, w.key.Verifier())
	}
	_, cs, err := merkle.Cosignatures(h.Signed, keys...)
	if err != nil || len(cs) != len(ws) {
		t.Fatalf("%d cosignatures, %v", len(cs), err)
	}
	for _, c := range cs {
		if first == 0 || c.Time < first {
			first = c.Time
		}
		last = max(last, c.Time)
	}
	return first, last
}

// TestPublishAgain: witnesses are asked for an unchanged head again. Its first
// cosignatures stay what is shown, and what says that its entries were there; its
// last ones say until when the next entry was not.
func TestPublishAgain(t *testing.T) {
	w1, w2 := newWitness(t, "one"), newWitness(t, "two")
	o := withWitnesses(options(t), 2, w1, w2)
	o.Publishing.Refresh = time.Nanosecond
	l := create(t, "log", o)
	if _, err := appendSome(l, "a", 3); err != nil {
		t.Fatal(err)
	}
	shown := publish(t, l)
	_, published := cosignedAt(t, shown, w1, w2)
	around := func(index uint64) (covering, before log.Head) {
		t.Helper()
		covering, before, err := l.Covering(t.Context(), index)
		if err != nil {
			t.Fatal(err)
		}
		return covering, before
	}
	later := func(seconds uint64, fail error) {
		t.Helper()
		w1.set(func(w *memoryWitness) { w.late = seconds })
		w2.set(func(w *memoryWitness) { w.late, w.fail = seconds, fail })
		publish(t, l)
		if h := checkPublished(t, l, o, 3); !bytes.Equal(h.Signed, shown.Signed) {
			t.Errorf("after %d seconds another head is shown", seconds)
		}
	}
	later(1000, nil)
	later(2000, errDown) // too few: the answers before stay
	later(2000, errDown)
	if _, err := appendSome(l, "b", 1); err != nil {
		t.Fatal(err)
	}
	check := func(from uint64) {
		t.Helper()
		covering, _ := around(0)
		if _, last := cosignedAt(t, covering, w1, w2); last != published || covering.Size != 3 {
			t.Errorf("entry 0 was there at %d, want %d", last, published)
		}
		_, before := around(3)
		if first, _ := cosignedAt(t, before, w1, w2); first < published+from || first > published+from+100 || before.Size != 3 {
			t.Errorf("entry 3 was not there at %d, want %d", first, published+from)
		}
	}
	check(1000)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// The next process knows it, and one that publishes an unchanged head asks anyway.
	o.Publishing.Refresh = -1
	l = open(t, "log", o)
	check(1000)
	w2.set(func(w *memoryWitness) { w.fail = nil })
	publish(t, l) // of size 4
	asked := w1.times()
	publish(t, l)
	if w1.times() != asked {
		t.Error("asked again, although it should never")
	}
	if err := l.Fsck(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w1.set(func(w *memoryWitness) { w.late = 3000 })
	w2.set(func(w *memoryWitness) { w.late = 3000 })
	l = open(t, "log", o)
	publish(t, l)
	if _, err := appendSome(l, "c", 1); err != nil {
		t.Fatal(err)
	}
	if _, before := around(4); before.Size != 4 {
		t.Errorf("before entry 4: size %d", before.Size)
	} else if first, _ := cosignedAt(t, before, w1, w2); first < published+3000 {
		t.Errorf("a process that published an unchanged head has kept cosignatures of %d", first)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// The controls: cosignatures of another head, and none.
	for _, b := range [][]byte{shown.Signed, []byte("rot")} {
		if err := log.EditRows("log", o, map[string][]byte{string(log.LatestKey(4)): b}); err != nil {
			t.Fatal(err)
		}
		l = open(t, "log", o)
		if _, _, err := l.Covering(t.Context(), 4); err == nil {
			t.Error("cosignatures of another head bound a time")
		}
		if err := l.Fsck(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "published head 4") {
			t.Errorf("fsck of cosignatures of another head: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
