package ledger_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
)

// TestSweepUnderLoad sweeps again and again while others record, repeat requests, read,
// prove and erase. Whoever was answered finds what they were answered, at once and at
// the index they were told, in whatever generation it is.
func TestSweepUnderLoad(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	var stop atomic.Bool
	var sweeping, others sync.WaitGroup
	sweeps := 0
	sweeping.Go(func() {
		for !stop.Load() || sweeps < 3 {
			if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
				t.Errorf("sweep %d: %v", sweeps, err)
				return
			}
			sweeps++
		}
	})
	for writer := range 4 {
		others.Go(func() {
			index := map[string]uint64{}
			for i := range rounds {
				for _, person := range []string{fmt.Sprintf("mine-%d", writer), fmt.Sprintf("goes-%d-%d", writer, i)} {
					id := fmt.Sprintf("id-%s-%d", person, i)
					text := fmt.Sprintf(`{"type":"processing.performed","id":%q,"subject":%q,"purpose":"chat-service","operation":"answer"}`, id, person)
					rec, err := l.Record(t.Context(), parse(t, text))
					if err != nil {
						t.Errorf("recording: %v", err)
						return
					}
					index[text] = rec[0].Index
					e, err := l.Get(t.Context(), rec[0].Index)
					if err != nil || e.Event.Str("id") != id {
						t.Errorf("entry %d: %v, %v", rec[0].Index, e.Event, err)
					}
				}
				es, err := l.Timeline(t.Context(), fmt.Sprintf("mine-%d", writer))
				if err != nil || len(es) != i+1 {
					t.Errorf("%d events after %d: %v", len(es), i+1, err)
					return
				}
				for text, at := range index { // one of them, again
					rec, err := l.Record(t.Context(), parse(t, text))
					if err != nil || rec[0].Index != at || !rec[0].Replayed {
						t.Errorf("a request that was entry %d, again: %+v, %v", at, rec, err)
					}
					break
				}
				if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: fmt.Sprintf("goes-%d-%d", writer, i)}); err != nil {
					t.Errorf("erasing: %v", err)
					return
				}
				for text := range index {
					if parse(t, text).Str("subject") == fmt.Sprintf("goes-%d-%d", writer, i) {
						delete(index, text)
					}
				}
			}
		})
	}
	others.Wait()
	stop.Store(true)
	sweeping.Wait()
	if t.Failed() {
		return
	}
	t.Logf("%d sweeps", sweeps)
	r := sweepRest(t, l)
	if want := uint64(4 * rounds); r.Erased != want || r.Swept != want || r.Tried != want {
		t.Errorf("%d entries are erased, %d swept and %d tried, want %d", r.Erased, r.Swept, r.Tried, want)
	}
	w.close(l)
	l = w.open()
	checkFsck(t, l)
}

// TestSweepLoses: a sweep that cannot account for an entry stops before anything is
// thrown away.
func TestSweepLoses(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, `{"type":"processing.performed","subject":"erased","purpose":"chat-service","operation":"answer"}`)
	var keys []string
	sealed := madeBy(t, l, 'e', func() {
		keys = madeBy(t, l, 's', func() {
			must(t, l, `{"type":"processing.performed","subject":"p","purpose":"chat-service","operation":"answer"}`)
		})
	})
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "erased"}); err != nil {
		t.Fatal(err)
	}
	row, envelope := rowsOf(t, l, 's')[keys[0]], rowsOf(t, l, 'e')[sealed[0]]
	remove(t, l, keys[0])
	remove(t, l, sealed[0])
	var loss *ledger.LossError
	if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); !errors.As(err, &loss) || loss.Lost != 1 || loss.Alive != 0 {
		t.Fatalf("an event is lost: %v", err)
	}
	overwrite(t, l, keys[0], row)
	overwrite(t, l, sealed[0], envelope)
	checkFsck(t, l)
	if done, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil || done.Record.Erased != 1 {
		t.Fatalf("with the rows: %v", err)
	}
	checkFsck(t, l)
}

// TestSweepNeedsSpace: a sweep says how much room it needs before it writes anything.
func TestSweepNeedsSpace(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, `{"type":"processing.performed","subject":"p","purpose":"chat-service","operation":"answer"}`)
	w.close(l)
	l = w.open() // now they lie in tables, whose size is known
	w.disk.SetFree(512<<20 + 1)
	before := len(rowsOf(t, l, 'w'))
	var space *ledger.SpaceError
	if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); !errors.As(err, &space) || space.Free != 1 || space.Need <= 1 {
		t.Fatalf("one byte is free: %v", err)
	}
	if after := len(rowsOf(t, l, 'w')); after != before {
		t.Errorf("%d rows of a sweep that did not begin", after-before)
	}
	w.disk.SetFree(1 << 40)
	if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
		t.Fatal(err)
	}
}
