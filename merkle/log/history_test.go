package log_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/lacunalog/lacuna/merkle/log"
)

// histories is how many random histories a test runs through.
func histories(t testing.TB, normally int) int {
	s := os.Getenv("LACUNA_TEST_HISTORIES")
	if s == "" {
		return normally
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("LACUNA_TEST_HISTORIES: %v", err)
	}
	return max(normally, n/10)
}

// A writer makes random entries and changes.
type writer struct {
	*rand.Rand
	n    int      // leaves made so far, so that no two are equal
	keys [][]byte // of plain rows made so far
}

func newWriter(seed int) *writer {
	return &writer{Rand: rand.New(rand.NewPCG(uint64(seed), 2))}
}

func (w *writer) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.Uint32())
	}
	return b
}

func (w *writer) entry() log.Entry {
	w.n++
	e := log.Entry{Leaf: fmt.Appendf(nil, "leaf %d", w.n), Order: uint64(w.IntN(4))}
	if w.IntN(200) == 0 {
		e.Leaf = append(e.Leaf, w.bytes(w.IntN(60_000))...)
	}
	e.Rows = append(e.Rows,
		log.Row{Key: []byte("e\x01"), Value: w.bytes(w.IntN(40)), Place: log.KeyIndex},
		log.Row{Key: append([]byte("s\x01"), w.bytes(16)...), Value: w.bytes(8), Place: log.ValueMask},
		log.Row{Key: []byte{gatherSpace, byte(w.IntN(2))}, Value: w.bytes(16), Place: log.Gather},
	)
	if w.IntN(4) == 0 {
		e.Rows = append(e.Rows, w.plain())
	}
	return e
}

// plain is a row under a key that may have been used before.
func (w *writer) plain() log.Row {
	if len(w.keys) == 0 || w.IntN(3) > 0 {
		w.keys = append(w.keys, append([]byte{"kp\xff"[w.IntN(3)]}, w.bytes(1+w.IntN(4))...))
	}
	return log.Row{Key: w.keys[w.IntN(len(w.keys))], Value: w.bytes(w.IntN(20))}
}

func (w *writer) change() log.Change {
	var c log.Change
	if w.IntN(2) == 0 {
		a := []byte{'k', byte(w.IntN(256))}
		c.DeleteRange = append(c.DeleteRange, [2][]byte{a, {'k', a[1], byte(w.IntN(200)), 1}})
	}
	for range w.IntN(4) {
		c.Set = append(c.Set, w.plain())
	}
	if len(c.Set) == 0 {
		c.Set = append(c.Set, w.plain())
	}
	return c
}

func (w *writer) batch() []log.Entry {
	n := 1
	switch w.IntN(8) {
	case 0:
		n = 1 + w.IntN(600)
	case 1, 2:
		n = 1 + w.IntN(20)
	}
	es := make([]log.Entry, n)
	for i := range es {
		es[i] = w.entry()
	}
	return es
}

// TestHistory runs random histories of appends, changes and openings against the
// reference, and checks everything after every few steps. Calls are enqueued
// several at a time without waiting, so that groups of all kinds come about.
func TestHistory(t *testing.T) {
	for seed := range histories(t, 5) {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			o := options(t)
			l := create(t, "log", o)
			ref, w := newReference(), newWriter(seed)
			steps := 12
			if slow {
				steps = 3
			}
			for range steps {
				run(t, l, ref, w, 1+w.IntN(30))
				if w.IntN(3) > 0 {
					continue
				}
				checkLog(t, l, ref)
				before := l.Head()
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l = open(t, "log", o)
				if got := l.Head(); !slices.Equal(got.Signed, before.Signed) {
					t.Fatalf("head after reopening:\n%s\nbefore:\n%s", got.Signed, before.Signed)
				}
			}
			checkLog(t, l, ref)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// run enqueues so many random calls, waits for all, and tells the reference in
// the order of the queue.
func run(t testing.TB, l *log.Log, ref *reference, w *writer, calls int) {
	t.Helper()
	var pending []pendingCall
	for range calls {
		pending = append(pending, enqueue(t, l, w))
	}
	for _, p := range pending {
		if err := p.ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.note(t, ref)
	}
}

// A pendingCall is one that was enqueued, with what it was.
type pendingCall struct {
	ticket  *log.Ticket
	entries []log.Entry
	change  log.Change
}

func enqueue(t testing.TB, l *log.Log, w *writer) pendingCall {
	t.Helper()
	if w.IntN(6) == 0 {
		c := w.change()
		ticket, err := l.EnqueueChange(c)
		if err != nil {
			t.Fatal(err)
		}
		return pendingCall{ticket: ticket, change: c}
	}
	es := w.batch()
	ticket, err := l.Enqueue(es)
	if err != nil {
		t.Fatal(err)
	}
	return pendingCall{ticket: ticket, entries: es}
}

// note tells the reference about a call that was acknowledged.
func (p *pendingCall) note(t testing.TB, ref *reference) {
	t.Helper()
	if p.entries == nil {
		ref.change(p.change)
		return
	}
	last := map[uint64]uint64{} // Order -> index
	for i, e := range p.entries {
		index := p.ticket.Index(i)
		ref.entry(t, e, index)
		if before, ok := last[e.Order]; ok && e.Order != 0 && index < before {
			t.Fatalf("entry %d of a call has index %d, an earlier one of the same order %d", i, index, before)
		}
		last[e.Order] = index
	}
}
