package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle/log"
)

// crowd records so many events, in turn about so many people p-0, p-1, …
func crowd(t testing.TB, l *ledger.Ledger, events, people int) {
	t.Helper()
	var batch []*event.Event
	for i := range events {
		batch = append(batch, parse(t, fmt.Sprintf(`{"type":"processing.performed","subject":"p-%d","purpose":"chat-service","operation":"answer"}`, i%people)))
	}
	for _, o := range l.RecordAll(t.Context(), batch) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
}

// TestListsInLots: from however many lots, every key lists what it lists row by row.
func TestListsInLots(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	crowd(t, l, 700, 60)
	for i := range 9 {
		crowd(t, l, 1, i+1)
	}
	want, err := ledger.ListsByRow(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	events := 0
	for _, list := range want {
		slices.Sort(list)
		events += len(list)
	}
	if size := int(l.Log().Head().Size); events != size || len(want) < 60 {
		t.Fatalf("%d keys list %d of %d entries: this shows nothing", len(want), events, size)
	}
	for _, most := range []uint64{1 << 20, 400, 100, 11} {
		got, lots, err := ledger.ListsInLots(t.Context(), l, most)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Errorf("%d lots: %d keys list anything, want %d", lots, len(got), len(want))
		}
		for ref, list := range got {
			if slices.Sort(list); !slices.Equal(list, want[ref]) {
				t.Fatalf("%d lots: a key lists %d, want %d", lots, list, want[ref])
			}
		}
	}
	for _, bad := range []string{"value", "key"} {
		key := []byte("s\x00\x00\x00\x01\x80" + strings.Repeat("\x00", 15))
		row := log.Row{Key: key, Value: make([]byte, ledger.ListBody)}
		if bad == "value" {
			row.Value = row.Value[1:]
		} else {
			row.Key = append(row.Key, 0)
		}
		if err := l.Log().Apply(t.Context(), log.Change{Set: []log.Row{row}}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ledger.ListsInLots(t.Context(), l, 100); err != nil {
			t.Errorf("a row with a %s of another length stops everybody: %v", bad, err)
		}
		remove(t, l, string(row.Key))
	}
}

// TestSweepInLots sweeps with memory for some of the rows only, while people are
// erased. No list row is written twice: one that was would be one of somebody who was
// erased meanwhile, and so would say how many events they had.
func TestSweepInLots(t *testing.T) {
	for _, most := range []uint64{1 << 20, 200, 50} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			const people, events = 40, 600
			crowd(t, l, events, people)
			erase := func(from, to int) {
				for i := from; i < to; i++ {
					if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: fmt.Sprintf("p-%d", i), Everything: true}); err != nil {
						t.Error(err)
					}
				}
			}
			erase(0, 5)
			ledger.SetListRows(l, most)
			calls := 0
			done, err := l.Sweep(t.Context(), ledger.SweepOptions{Progress: func(stage string, done, total uint64) {
				if stage == "lists" && calls < 10 && done > uint64(calls)*total/20 {
					calls++
					erase(4+calls, 5+calls)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			if calls != 10 {
				t.Fatalf("%d people were erased meanwhile: this shows nothing", calls)
			}
			if want := uint64(5 * events / people); done.Record.Erased != want {
				t.Errorf("%d entries are swept, want %d", done.Record.Erased, want)
			}
			rows := rowsOf(t, l, 's')
			if len(rows) < events-int(done.Record.Erased) {
				t.Fatalf("%d list rows", len(rows))
			}
			writtenOnce(t, rows, logFiles(t, w))
			r := sweepRest(t, l)
			if want := uint64(15 * events / people); r.Swept != want {
				t.Errorf("%d entries are swept, want %d", r.Swept, want)
			}
			for i := 15; i < people; i++ {
				if es, err := l.Timeline(t.Context(), fmt.Sprintf("p-%d", i)); err != nil || len(es) != events/people {
					t.Errorf("%d events of somebody who stays, %v", len(es), err)
				}
			}
		})
	}
}

// sweepRest sweeps what was erased behind the cut of the last sweep, and verifies the whole.
func sweepRest(t *testing.T, l *ledger.Ledger) *ledger.SweptReport {
	t.Helper()
	if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := l.VerifySwept(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Problems {
		t.Error(p)
	}
	return r
}

// writtenOnce fails where the disk has the key of a list row more than once.
func writtenOnce(t *testing.T, rows map[string][]byte, disk []byte) {
	t.Helper()
	for k := range rows {
		if n := bytes.Count(disk, []byte(k)); n > 1 {
			t.Fatalf("a list row was written %d times", n)
		}
	}
}

// logFiles returns the write-ahead logs of a disk.
func logFiles(t testing.TB, w *world) []byte {
	t.Helper()
	fs, dir := w.disk.FS(), filepath.Join(w.dir, "log")
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range names {
		if filepath.Ext(name) != ".log" {
			continue
		}
		f, err := fs.Open(fs.PathJoin(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// TestListEnd: the end of a list is found from wherever it is looked for. Where somebody
// has left the cache it is looked for where it was; who is new, or one with an event, has none.
func TestListEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	const most = 40
	for n := 1; n <= most; n += 1 + n/4 {
		person := fmt.Sprintf("p-%d", n)
		for range n {
			must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, person)
		}
		ledger.Evict(l, person)
		for guess := uint64(1); guess <= 2*most; guess++ {
			ends, guesses, err := ledger.ListEnds(t.Context(), l, person, guess)
			if err != nil {
				t.Fatal(err)
			}
			if len(ends) != 1 || ends[0] != uint64(n) {
				t.Fatalf("looked for from %d, a list of %d ends at %d", guess, n, ends)
			}
			if guesses[0] != uint64(n) {
				t.Fatalf("a list of %d is looked for from %d", n, guesses[0])
			}
		}
	}
}
