package ledger_test

import (
	"bytes"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/consent"
)

// TestNothingUncommittedIsTold holds back the sync of a group and asks: whether
// something may be done, what is known, and for the entry itself. Nobody may be
// told what a power failure in this moment would take back. The control is the
// state that the next request is validated against: it does know.
func TestNothingUncommittedIsTold(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	may := func() consent.Decision {
		t.Helper()
		a, err := l.May(t.Context(), "p", question("partner-mail", "email"))
		if err != nil {
			t.Fatal(err)
		}
		return a.Decision
	}
	inFlight := func(text string, check func(size uint64)) {
		t.Helper()
		size := l.Log().Head().Size
		reached, release := w.disk.HoldSyncs(".log")
		defer release()
		sub, err := l.Submit(t.Context(), parse(t, text))
		if err != nil {
			t.Fatal(explain(err))
		}
		<-reached // the engine shows the batch to its readers, and the disk has it not
		check(size)
		if committed, speculative, ok := ledger.CachedState(l, "p"); !ok || bytes.Equal(committed, speculative) {
			t.Error("control: the request that is on its way changes nothing")
		}
		release()
		if _, err := sub.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	if d := may(); d != consent.Deny {
		t.Fatalf("before anything: %s", d)
	}
	inFlight(`{"type":"consent.given","subject":"p","form":"web-partner","contact":"mailto:p@shop.example"}`, func(size uint64) {
		if d := may(); d != consent.Deny {
			t.Errorf("a consent that is not on disk: %s", d)
		}
		if _, err := l.Timeline(t.Context(), "p"); !isNotFound(err) {
			t.Errorf("timeline: %v", err)
		}
		if _, err := l.Get(t.Context(), size); !isNotFound(err) {
			t.Errorf("entry on its way: %v", err)
		}
		if _, err := l.Prove(t.Context(), size, ledger.ProveOptions{NoAssertion: true}); !isNotFound(err) {
			t.Errorf("proof of an entry on its way: %v", err)
		}
		if _, err := l.PlanErase(t.Context(), ledger.EraseRequest{Subject: "p"}); !isNotFound(err) {
			t.Errorf("plan: %v", err)
		}
	})
	if d := may(); d != consent.Allow {
		t.Errorf("once it is on disk: %s", d)
	}
	inFlight(`{"type":"consent.withdrawn","subject":"p","purpose":"*","channel":"email"}`, func(uint64) {
		if d := may(); d != consent.Allow {
			t.Errorf("a withdrawal that is not on disk: %s", d)
		}
		p, err := l.PlanErase(t.Context(), ledger.EraseRequest{Subject: "p"})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Lines) != 1 || p.Lines[0].Events != 1 {
			t.Errorf("a plan counts what is on its way: %+v", p.Lines)
		}
	})
	if d := may(); d != consent.Deny {
		t.Errorf("after the withdrawal: %s", d)
	}
}

// TestConfirmRightAway sends the second step of an opt-in while the first is on its
// way: what is validated is what is queued, not what is on disk.
func TestConfirmRightAway(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	tok, hash := token("p")
	reached, release := w.disk.HoldSyncs(".log")
	defer release()
	first, err := l.Submit(t.Context(), mustParse(`{"type":"consent.requested","subject":"p","form":"web-newsletter","contact":"mailto:p@shop.example","doi_token_sha256":%q}`, hash))
	if err != nil {
		t.Fatal(err)
	}
	<-reached
	second, err := l.Submit(t.Context(), mustParse(`{"type":"consent.given","subject":"p","form":"web-newsletter","token":%q}`, tok))
	if err != nil {
		t.Fatal(explain(err))
	}
	if _, err := l.Submit(t.Context(), mustParse(`{"type":"consent.given","subject":"p","form":"web-newsletter","token":%q}`, tok)); !refusedWith(err, "token_spent") {
		t.Errorf("the token a second time: %v", err)
	}
	runtime.Gosched()
	release()
	for _, s := range []*ledger.Submission{first, second} {
		if _, err := s.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	a, err := l.May(t.Context(), "p", question("newsletter", "email"))
	if err != nil || a.Decision != consent.Allow {
		t.Errorf("%v, %v", a.Decision, err)
	}
	checkFsck(t, l)
}

// TestNothingOfRequestsStays: what is remembered of somebody holds on to none of the
// requests about them, of which several were on their way at once.
func TestNothingOfRequestsStays(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	var gone []weak.Pointer[ledger.Submission]
	func() {
		reached, release := w.disk.HoldSyncs(".log")
		defer release()
		var last *ledger.Submission
		for i := range 3 {
			var err error
			if last, err = l.Submit(t.Context(), mustParse(`{"type":"consent.given","subject":"p","form":"web-partner","contact":"mailto:p%d@shop.example"}`, i)); err != nil {
				t.Fatal(explain(err))
			}
			gone = append(gone, weak.Make(last))
		}
		<-reached
		release()
		if _, err := last.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}()
	if _, _, ok := ledger.CachedState(l, "p"); !ok {
		t.Fatal("nobody is remembered")
	}
	// Who settles them holds them for a moment longer.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		runtime.GC()
		stays := 0
		for _, g := range gone {
			if g.Value() != nil {
				stays++
			}
		}
		if stays == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d requests that are durable are held on to", stays, len(gone))
		}
	}
}
