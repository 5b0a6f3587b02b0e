package ledger_test

import (
	"runtime"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
)

// TestKeyBeforeItsFirstEvent lets somebody who shares a page of the key tree take a
// person's new key along, without having queued it yet. An event under that key
// must not get into the queue before it: after a crash in between, it would be on
// disk and its key would not.
func TestKeyBeforeItsFirstEvent(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	ctx := t.Context()
	tree := ledger.Tree(l)
	cohort, err := keystore.ParseCohort("2026-05")
	if err != nil {
		t.Fatal(err)
	}
	// What Submit does first for person b.
	b, err := tree.Use(ctx, ledger.Person("b"), "chat", cohort)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Done()
	// Person a, on the same page.
	a, err := tree.Use(ctx, ledger.Person("a"), "chat", cohort)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Done()
	unlock := ledger.LockOrder(l)
	kvs := a.TakePending()
	if b.Pending() {
		t.Fatal("the two do not share a page")
	}
	queued := make(chan struct{})
	var sub *ledger.Submission
	ev := parse(t, `{"type":"processing.performed","subject":"b","purpose":"chat-service","operation":"answer"}`)
	go func() {
		defer close(queued)
		sub, err = l.Submit(ctx, ev)
	}()
	for range 1000 {
		select {
		case <-queued:
			t.Fatal("an event is queued before its key is")
		default:
			runtime.Gosched()
		}
	}
	if err := ledger.QueueKeys(ctx, l, kvs); err != nil {
		t.Fatal(err)
	}
	unlock()
	<-queued
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sub.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	w.close(l)
	l = w.open()
	if entries, err := l.Timeline(ctx, "b"); err != nil || len(entries) != 1 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}
