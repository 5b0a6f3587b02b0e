package ledger_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

const idConflict = "id_conflict"

// same reports whether two answers are about the same events.
func same(a, b []ledger.Recorded) bool {
	return slices.EqualFunc(a, b, func(x, y ledger.Recorded) bool {
		return x.ID == y.ID && x.Index == y.Index && x.Leaf == y.Leaf && x.Type == y.Type && x.Purpose == y.Purpose &&
			x.Recorded.UnixMilli() == y.Recorded.UnixMilli()
	})
}

// Two requests that a client may have to send twice: of one event, and of several.
const (
	single   = `{"type":"processing.performed","id":"one","subject":"p","purpose":"chat-service","operation":"answer"}`
	several  = `{"type":"consent.given","id":"two","subject":"p","form":"chat-start","contact":"tel:+497112842222","decisions":{"chat-service":"yes","newsletter":"no"}}`
	internal = `{"type":"recipient.registered","id":"three","recipient_id":"printer","name":"Druck AG","role":"processor","country":"DE","contract":"sha256:5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"}`
	public   = `{"type":"notice.published","id":"four","notice_id":"terms","lang":"de","url":"https://shop.example/terms","text":"Bedingungen.","public":true}`
)

// TestReplay sends requests again: at once, after the ledger was opened again, and
// with another content.
func TestReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	requests := []string{single, several, internal, public}
	first := map[string][]ledger.Recorded{}
	for _, text := range requests {
		first[text] = must(t, l, text)
	}
	if n := len(first[several]); n != 2 || first[several][0].ID != "two" || first[several][1].ID != "two/2" {
		t.Fatalf("a request of two decisions: %+v", first[several])
	}
	size := l.Log().Head().Size
	again := func(when string) {
		t.Helper()
		for _, text := range requests {
			rec := must(t, l, text)
			if !same(rec, first[text]) {
				t.Errorf("%s: got %+v, the first answer was %+v", when, rec, first[text])
			}
			for _, r := range rec {
				if !r.Replayed {
					t.Errorf("%s: entry %d is not said to be a replay", when, r.Index)
				}
			}
		}
		for _, text := range []string{
			`{"type":"processing.performed","id":"one","subject":"p","purpose":"chat-service","operation":"another"}`,
			`{"type":"processing.performed","id":"one","subject":"q","purpose":"chat-service","operation":"answer"}`,
			`{"type":"right.requested","id":"one","subject":"p","right":"A15","channel":"email"}`,
			`{"type":"right.requested","id":"two/2","subject":"p","right":"A15","channel":"email"}`,
			`{"type":"consent.given","id":"two","subject":"p","form":"chat-start","contact":"tel:+497112842222","decisions":{"chat-service":"yes","newsletter":"yes"}}`,
			`{"type":"recipient.registered","id":"one","recipient_id":"x","name":"X","role":"processor","country":"DE"}`,
			`{"type":"processing.performed","id":"three","subject":"p","purpose":"chat-service","operation":"answer"}`,
		} {
			if rec, err := l.Record(t.Context(), parse(t, text)); !refusedWith(err, idConflict) {
				t.Errorf("%s: %s: %+v, %v", when, text, rec, err)
			}
		}
		if n := l.Log().Head().Size; n != size {
			t.Errorf("%s: %d entries, there were %d", when, n, size)
		}
	}
	again("at once")
	w.close(l)
	l = w.open()
	again("opened again")
	w = w.crashNow(0, nil)
	l = w.open()
	again("after a crash")

	// Within the window it is a replay, and after it nobody remembers.
	w.clock.move(23 * time.Hour)
	again("a day later")
	w.close(l)
	w.clock.move(3 * time.Hour)
	l = w.open()
	must(t, l, `{"type":"right.requested","subject":"q","right":"A15","channel":"email"}`)
	rec := must(t, l, single)
	if rec[0].Replayed || rec[0].Index == first[single][0].Index {
		t.Errorf("after the window: %+v", rec)
	}
	checkFsck(t, l)
}

// TestReplayInFlight sends requests while they are on their way to the disk: the
// second attaches to the first.
func TestReplayInFlight(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	size := l.Log().Head().Size
	reached, release := w.disk.HoldSyncs(".log")
	defer release()
	var subs []*ledger.Submission
	for range 3 {
		for _, text := range []string{single, several} {
			s, err := l.Submit(t.Context(), parse(t, text))
			if err != nil {
				t.Fatal(explain(err))
			}
			subs = append(subs, s)
		}
		<-reached
	}
	if _, err := l.Submit(t.Context(), mustParse(`{"type":"right.requested","id":"one","subject":"p","right":"A15","channel":"email"}`)); !refusedWith(err, idConflict) {
		t.Errorf("another content: %v", err)
	}
	release()
	var answers [][]ledger.Recorded
	for _, s := range subs {
		rec, err := s.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, rec)
	}
	for i, rec := range answers {
		if !same(rec, answers[i%2]) {
			t.Errorf("answer %d is %+v, the first is %+v", i, rec, answers[i%2])
		}
	}
	if n := l.Log().Head().Size - size; n != 3 {
		t.Errorf("%d entries for three events", n)
	}
}

// TestReplayAtOnce sends one request by many callers at once, and one id for many
// people: exactly one is recorded.
func TestReplayAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	for round := range 20 {
		size := l.Log().Head().Size
		var wg sync.WaitGroup
		answers := make([][]ledger.Recorded, 8)
		for i := range answers {
			wg.Go(func() {
				rec, err := l.Record(t.Context(), mustParse(`{"type":"processing.performed","id":"same-%d","subject":"p","purpose":"chat-service","operation":"answer"}`, round))
				if err != nil {
					t.Error(explain(err))
				}
				answers[i] = rec
			})
		}
		wg.Wait()
		for _, rec := range answers {
			if !same(rec, answers[0]) {
				t.Errorf("%+v and %+v", rec, answers[0])
			}
		}
		if n := l.Log().Head().Size - size; n != 1 {
			t.Fatalf("%d entries for one request", n)
		}
		var refused, recorded int
		var mu sync.Mutex
		for i := range 8 {
			wg.Go(func() {
				_, err := l.Record(t.Context(), mustParse(`{"type":"processing.performed","id":"shared-%d","subject":"p-%d","purpose":"chat-service","operation":"answer"}`, round, i))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					recorded++
				case refusedWith(err, idConflict):
					refused++
				default:
					t.Error(explain(err))
				}
			})
		}
		wg.Wait()
		if recorded != 1 || refused != 7 {
			t.Fatalf("one id for eight people: %d recorded, %d refused", recorded, refused)
		}
	}
	checkFsck(t, l)
}

// TestReplayAfterErasure replays the queue of a service after a person was erased:
// the answer is that it was recorded, and the person does not come back. The
// control is a new request: the person may come back.
func TestReplayAfterErasure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	first := map[string][]ledger.Recorded{single: must(t, l, single), several: must(t, l, several)}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p", Everything: true}); err != nil {
		t.Fatal(err)
	}
	again := func(when string) {
		t.Helper()
		size := l.Log().Head().Size
		for text, want := range first {
			rec := must(t, l, text)
			if len(rec) != len(want) {
				t.Fatalf("%s: %+v", when, rec)
			}
			for i := range rec {
				if rec[i].ID != want[i].ID || rec[i].Index != want[i].Index || !rec[i].Replayed {
					t.Errorf("%s: %+v, first %+v", when, rec[i], want[i])
				}
			}
		}
		if n := l.Log().Head().Size; n != size {
			t.Errorf("%s: a replay was recorded", when)
		}
		if _, err := l.Timeline(t.Context(), "p"); !isNotFound(err) {
			t.Errorf("%s: the person is back: %v", when, err)
		}
		if keys, err := ledger.Tree(l).Keys(t.Context(), ledger.Person("p")); err != nil || len(keys) != 0 {
			t.Errorf("%s: %d keys, %v", when, len(keys), err)
		}
	}
	again("at once")
	w.close(l)
	l = w.open()
	again("opened again")
	must(t, l, `{"type":"processing.performed","id":"new","subject":"p","purpose":"chat-service","operation":"answer"}`)
	if _, err := l.Timeline(t.Context(), "p"); err != nil {
		t.Errorf("control: %v", err)
	}
}

// TestRefusedLeavesNothing refuses requests: no entry, no key, and the id is free.
func TestRefusedLeavesNothing(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	size := l.Log().Head().Size
	for _, text := range []string{
		`{"type":"processing.performed","id":"r","subject":"p","purpose":"unheard-of","operation":"x"}`,
		`{"type":"consent.given","id":"r","subject":"p","form":"web-newsletter","token":"kq3vB0dXw1mYx8s2Jt6PzA"}`,
		`{"type":"data.disclosed","id":"r","subject":"p","purpose":"newsletter","recipient":"mailer","attributes":["Name"]}`,
		`{"type":"chain.asserted","id":"r","subject":"p","chains":[]}`,
		`{"type":"processing.performed","id":"r","purpose":"chat-service","operation":"x"}`,
	} {
		rec, err := l.Record(t.Context(), parse(t, text))
		if refused := (*event.Refused)(nil); !errors.As(err, &refused) {
			t.Errorf("%s: %+v, %v", text, rec, err)
		}
	}
	if n := l.Log().Head().Size; n != size {
		t.Errorf("%d entries were recorded", n-size)
	}
	if keys, err := ledger.Tree(l).Keys(t.Context(), ledger.Person("p")); err != nil || len(keys) != 0 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	must(t, l, `{"type":"processing.performed","id":"r","subject":"p","purpose":"chat-service","operation":"x"}`)
	checkFsck(t, l)
}

// TestWaitEnds ends the context of calls that are on their way. They are recorded
// nevertheless, once, and the ledger goes on as if nothing had happened.
func TestWaitEnds(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	declared := `{"type":"purpose.declared","purpose_id":"late","description":{"de":"Spät"},"legal_basis":"A6-1-b","categories":["Name"],"storage":["DE"],"retention":"P1Y","compartment":"late"}`
	reached, release := w.disk.HoldSyncs(".log")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := l.Record(ctx, parse(t, declared))
		done <- err
	}()
	<-reached
	cancel()
	release()
	<-done // an error or not: both are true answers
	must(t, l, `{"type":"processing.performed","subject":"p","purpose":"late","operation":"x"}`)
	rec := must(t, l, declared)
	if !rec[0].Unchanged {
		t.Errorf("declared twice: %+v", rec)
	}
	w.close(l)
	l = w.open()
	if rec := must(t, l, declared); !rec[0].Unchanged {
		t.Errorf("declared twice: %+v", rec)
	}
	checkFsck(t, l)
}

// TestLikeTags: a request whose tag is like that of another, as far as memory holds
// tags, is new; and each is known again afterwards.
func TestLikeTags(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	const text = `{"type":"processing.performed","subject":"p","id":%q,"purpose":"chat-service","operation":"answer"}`
	a := must(t, l, text, "a")[0]
	must(t, l, text, "between")
	ledger.Misplace(l, "b", a.Index)
	ledger.Misplace(l, "b", a.Index+1)
	b := must(t, l, text, "b")[0]
	if b.Replayed || b.Index == a.Index {
		t.Fatalf("a new request is answered with another's: %+v", b)
	}
	for id, first := range map[string]ledger.Recorded{"a": a, "b": b} {
		if again := must(t, l, text, id)[0]; !again.Replayed || again.Index != first.Index || again.Leaf != first.Leaf {
			t.Errorf("%s again: %+v, want the first answer", id, again)
		}
	}
	if _, err := l.Record(t.Context(), parse(t, `{"type":"processing.performed","subject":"p","id":"b","purpose":"chat-service","operation":"other"}`)); !refusedWith(err, "id_conflict") {
		t.Errorf("another request under the same id: %v", err)
	}
}
