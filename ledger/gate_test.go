package ledger_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
)

// TestUseAfterClose calls everything on a ledger that is closed, or is closed
// meanwhile: the answer is an error, and what was recorded stays.
func TestUseAfterClose(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	var recorded atomic.Int64
	var wg sync.WaitGroup
	started := make(chan struct{})
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				_, err := l.Record(t.Context(), parse(t, fmt.Sprintf(`{"type":"processing.performed","subject":"p-%d","id":"%d-%d","purpose":"chat-service","operation":"answer"}`, n%7, i, n)))
				if err != nil {
					if !errors.Is(err, ledger.ErrClosed) {
						t.Errorf("while the ledger is closed: %v", err)
					}
					return
				}
				if recorded.Add(1) == 50 {
					close(started)
				}
			}
		})
	}
	<-started
	w.close(l)
	wg.Wait()
	for name, call := range map[string]func() error{
		"Record":        func() error { _, err := l.Record(t.Context(), parse(t, register[0])); return err },
		"RecordAll":     func() error { return l.RecordAll(t.Context(), []*event.Event{parse(t, register[0])})[0].Err },
		"Submit":        func() error { _, err := l.Submit(t.Context(), parse(t, register[0])); return err },
		"Check":         func() error { _, _, err := l.Check(t.Context(), parse(t, register[0])); return err },
		"May":           func() error { _, err := l.May(t.Context(), "p-1", consent.Question{}); return err },
		"Timeline":      func() error { _, err := l.Timeline(t.Context(), "stranger"); return err },
		"Get":           func() error { _, err := l.Get(t.Context(), 20); return err },
		"Prove":         func() error { _, err := l.Prove(t.Context(), 20, ledger.ProveOptions{}); return err },
		"PlanErase":     func() error { _, err := l.PlanErase(t.Context(), ledger.EraseRequest{Subject: "p-1"}); return err },
		"Erase":         func() error { _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p-1"}); return err },
		"RetentionPlan": func() error { _, _, err := l.RetentionPlan(t.Context(), time.Now()); return err },
		"RunRetention":  func() error { _, _, err := l.RunRetention(t.Context(), time.Now()); return err },
		"Fsck":          func() error { _, err := l.Fsck(t.Context(), nil); return err },
		"Backup":        func() error { _, err := l.Backup(t.Context(), t.TempDir()+"/b"); return err },
	} {
		if err := call(); !errors.Is(err, ledger.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
	if f := l.Examine(); len(f) != 1 || f[0].Severity != ledger.Warning {
		t.Errorf("Examine after Close: %v", f)
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	l = w.open()
	n := 0
	for p := range 7 {
		n += len(idsOf(t, l, p))
	}
	if n < int(recorded.Load()) {
		t.Errorf("%d events are there, %d were acknowledged", n, recorded.Load())
	}
}
