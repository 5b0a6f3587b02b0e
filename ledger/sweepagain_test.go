package ledger_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
)

// TestSweepListsOnce interrupts a sweep while it lists who is alive, in lots. Somebody who
// was listed is erased before it is begun again, and others meanwhile. Neither how often
// a list row was written nor how many there are says how many events any of them had.
func TestSweepListsOnce(t *testing.T) {
	for _, reopen := range []bool{false, true} {
		t.Run(fmt.Sprintf("reopened %v", reopen), func(t *testing.T) {
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			const people, events, lot = 40, 600, 50
			crowd(t, l, events, people)
			erase := func(from, to int) {
				t.Helper()
				for i := from; i < to; i++ {
					if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: fmt.Sprintf("p-%d", i), Everything: true}); err != nil {
						t.Error(err)
					}
				}
			}
			erase(0, 5)
			ledger.SetListRows(l, lot)
			ctx, cancel := context.WithCancel(t.Context())
			_, err := l.Sweep(ctx, ledger.SweepOptions{Progress: func(stage string, done, total uint64) {
				if stage == "lists" && done > total/2 {
					cancel()
				}
			}})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("the sweep was not interrupted: %v", err)
			}
			next := func() (n uint64) {
				for k := range rowsOf(t, l, 's') {
					if binary.BigEndian.Uint32([]byte(k[1:])) == 2 {
						n++
					}
				}
				return n
			}
			if n := next(); n < events/4 || n > events*3/4 {
				t.Fatalf("the interrupted sweep listed %d of %d events: this shows nothing", n, events)
			}
			var disk []byte // what a later process does not append to
			if reopen {
				w.close(l)
				disk = logFiles(t, w)
				l = w.open()
				ledger.SetListRows(l, lot)
			}
			crowd(t, l, people-5, people) // also about who was erased, under new keys
			erase(5, 15)
			calls := 0
			done, err := l.Sweep(t.Context(), ledger.SweepOptions{Progress: func(stage string, done, total uint64) {
				if stage == "lists" && calls < 5 && done > uint64(calls)*total/10 {
					calls++
					erase(14+calls, 15+calls)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			if calls != 5 {
				t.Fatalf("%d people were erased meanwhile: this shows nothing", calls)
			}
			if want := uint64(5 * events / people); done.Record.Erased != want {
				t.Errorf("%d entries are swept, want %d", done.Record.Erased, want)
			}
			if lists, want := next(), l.Log().Head().Size-done.Record.Erased; lists != want {
				t.Errorf("%d list rows beside %d entries that the sweep record does not call erased: the difference is of somebody", lists, want)
			}
			disk = append(disk, logFiles(t, w)...)
			writtenOnce(t, rowsOf(t, l, 's'), disk)
			sweepRest(t, l)
			for i := 20; i < people; i++ {
				if es, err := l.Timeline(t.Context(), fmt.Sprintf("p-%d", i)); err != nil || len(es) < events/people {
					t.Errorf("%d events of somebody who stays, %v", len(es), err)
				}
			}
		})
	}
}
