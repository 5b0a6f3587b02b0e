package ledger_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle/log"
)

const fed = `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer","feed":"crm","feed_seq":%d}`

// TestQueueReplay reads a queue once more after an erasure, also after a restart and when
// nobody remembers the ids of requests any more. It brings nobody back, and what is
// new, or about the living, goes on. Without numbers the erased come back: that is
// the control.
func TestQueueReplay(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	queue := []string{"p", "q", "p", "q"}
	for i, person := range queue {
		must(t, l, fed, person, i+1)
	}
	w.close(l)
	l = w.open() // the newest number outlives the process
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
		t.Fatal(err)
	}
	replay := func(when string) {
		t.Helper()
		for i, person := range queue {
			_, err := l.Record(t.Context(), mustParse(fed, person, i+1))
			if person == "p" && !refusedWith(err, "replayed_source") || person == "q" && err != nil {
				t.Errorf("%s, number %d about %s: %v", when, i+1, person, err)
			}
		}
		if _, err := l.Timeline(t.Context(), "p"); !isNotFound(err) {
			t.Errorf("%s: the erased are back: %v", when, err)
		}
	}
	replay("at once")
	w.close(l)
	l = w.open()
	w.clock.move(25 * time.Hour)
	replay("a day later")
	for _, text := range []string{
		fmt.Sprintf(fed, "r", 5), // somebody new
		`{"type":"processing.performed","subject":"r","purpose":"chat-service","operation":"answer","feed":"shop","feed_seq":1}`, // another feed
		fmt.Sprintf(fed, "p", 6), // the person comes back
		`{"type":"consent.withdrawn","subject":"s","purpose":"*","channel":"email","feed":"crm","feed_seq":1}`, // never refused
	} {
		must(t, l, "%s", text)
	}
	// An event that is late and about somebody who is there is no replay.
	must(t, l, fed, "q", 2)
	w.close(l)
	l = w.open()

	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
		t.Fatal(err)
	}
	must(t, l, chatted)
	if _, err := l.Timeline(t.Context(), "p"); err != nil {
		t.Errorf("the control finds nothing to stop: %v", err)
	}
	checkFsck(t, l)
}

// TestQueueReplayAfterRetention is the same where nobody asked.
func TestQueueReplayAfterRetention(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, fed, "p", 1)
	if lines, _, err := l.RunRetention(t.Context(), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil || len(lines) != 1 {
		t.Fatalf("%v, %v", lines, err)
	}
	if _, err := l.Record(t.Context(), mustParse(fed, "p", 1)); !refusedWith(err, "replayed_source") {
		t.Errorf("%v", err)
	}
}

// TestFeedRefused names a feed without a number, and numbers that are none.
func TestFeedRefused(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	for text, reason := range map[string]string{
		`"feed":"crm"`:                "missing_member",
		`"feed_seq":1`:                "missing_member",
		`"feed":"crm","feed_seq":-1`:  "wrong_type",
		`"feed":"crm","feed_seq":"1"`: "wrong_type",
		`"feed":"c r m","feed_seq":1`: "value_out_of_range",
	} {
		_, err := l.Record(t.Context(), mustParse(`{"type":"processing.performed","subject":"p","purpose":"chat-service","operation":"answer",%s}`, text))
		if !refusedWith(err, reason) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestMarkOnFullDisk lets an erasure begin that cannot write the marks of feeds down, and then another that can: no
// queue brings back whom that erased, also after a restart.
func TestMarkOnFullDisk(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, fed, "p", 1)
	w.disk.SetFree(100 << 20)
	lookAtDisk(t, l, fmt.Sprintf(fed, "q", 2))
	if err := ledger.RaiseFeeds(l); !errors.Is(err, log.ErrDiskFull) {
		t.Fatal(err)
	}
	w.disk.SetFree(1 << 40)
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
		t.Fatal(err)
	}
	w.close(l)
	l = w.open()
	w.clock.move(25 * time.Hour)
	if _, err := l.Record(t.Context(), mustParse(fed, "p", 1)); !refusedWith(err, "replayed_source") {
		t.Errorf("the erased are back: %v", err)
	}
}
