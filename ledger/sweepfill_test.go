package ledger_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

// TestSweepWritesOnce interrupts a sweep between two writes and lets it go on. No row
// of the new generation gets another value then: one that did would be an erased one,
// and whoever has the write-ahead log could see it without any key.
func TestSweepWritesOnce(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	var batch []*event.Event
	for i := range 1500 {
		batch = append(batch, parse(t, fmt.Sprintf(`{"type":"processing.performed","subject":"p-%d","purpose":"chat-service","operation":"answer"}`, i%10)))
	}
	erased := map[uint64]bool{}
	for i, o := range l.RecordAll(t.Context(), batch) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if i%10 == 3 {
			erased[o.Recorded[0].Index] = true
		}
	}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p-3", Everything: true}); err != nil {
		t.Fatal(err)
	}
	written := func() map[string]string {
		rows := map[string]string{}
		for _, space := range []byte{'e', 'q'} {
			for k, v := range rowsOf(t, l, space) {
				if binary.BigEndian.Uint32([]byte(k[1:5])) == 2 {
					rows[k] = string(v)
				}
			}
		}
		return rows
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := l.Sweep(ctx, ledger.SweepOptions{Rate: 300_000})
		ended <- err
	}()
	for len(written()) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("the sweep was not interrupted: %v", err)
	}
	before, hidden := written(), 0
	for k := range before {
		if k[0] == 'e' && erased[binary.BigEndian.Uint64([]byte(k[5:]))] {
			hidden++
		}
	}
	if hidden == 0 {
		t.Fatalf("of %d rows that the interrupted sweep wrote none is an erased one: this shows nothing", len(before))
	}
	if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
		t.Fatal(err)
	}
	after := written()
	for k, v := range before {
		if after[k] != v {
			t.Errorf("the row %q has two values", k)
		}
	}
}
