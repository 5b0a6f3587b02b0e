package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// TestFailingDisk lets the disk fail from some operation on, as a full one does, in
// the middle of a random history. Callers are told, closing does not hang, and what
// was acknowledged is there when the ledger is opened on a disk that works.
func TestFailingDisk(t *testing.T) {
	for seed := range histories(t, 16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			rng := rand.New(rand.NewPCG(uint64(seed), 13))
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			h := newHistory(w, l, newReference())
			if err := h.run(ctx, uint64(seed), 2, 3, 4); err != nil {
				t.Fatal(err)
			}
			n, failed := rng.IntN(60), false
			w.disk.Before(func(op logtest.Op) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				if !failed && (op.Kind != logtest.Write && op.Kind != logtest.Sync || !strings.HasSuffix(op.Path, ".log")) {
					return nil
				}
				if n--; n >= 0 {
					return nil
				}
				failed = true
				return syscall.ENOSPC
			})
			err := h.run(ctx, uint64(seed)+1000, 2, 3, 40)
			if err == nil {
				t.Fatal("nobody was told")
			}
			for _, e := range unjoined(err) {
				if !errors.Is(e, log.ErrBroken) && !errors.Is(e, log.ErrUnwell) && !errors.Is(e, erasure.ErrNotResumed) && !as[*ledger.BusyError](e) {
					t.Errorf("told: %v", e)
				}
			}
			c := cut{step: "a full disk", world: w.crashNow([]int{0, 50, 100}[rng.IntN(3)], rng), ref: h.ref.clone()}
			w.disk.Before(nil)
			done := make(chan error, 1)
			go func() { done <- l.Close() }()
			select {
			case <-done:
			case <-ctx.Done():
				t.Fatal("closing hangs")
			}
			if err := c.recover(t, uint64(seed)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestSettlingWhileTheDiskFails lets the log break while the settler is behind: it
// finds a request that is durable, and beside it one that is not and never will be.
func TestSettlingWhileTheDiskFails(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	const text = `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"x"}`
	people := ledger.OnStripesOfTheirOwn(l, 4)
	submit := func(person string) *ledger.Submission {
		t.Helper()
		s, err := l.Submit(ctx, mustParse(text, person))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}

	reached, release := w.disk.HoldSyncs(".log")
	first := submit(people[0])
	<-reached
	unlock := sync.OnceFunc(ledger.LockStripe(l, people[0])) // for which the settler is going to wait
	defer unlock()
	release()
	if _, err := first.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	must(t, l, text, people[1])
	busy, full := make(chan struct{}, 1), make(chan struct{})
	w.disk.Before(func(logtest.Op) error {
		select {
		case busy <- struct{}{}:
		default:
		}
		<-full
		return syscall.ENOSPC
	})
	second := submit(people[2])
	<-busy
	third := submit(people[3]) // never gets an index
	close(full)
	for _, s := range []*ledger.Submission{second, third} {
		if _, err := s.Wait(ctx); !errors.Is(err, log.ErrBroken) {
			t.Fatalf("told %v", err)
		}
	}
	unlock()
	done := make(chan error, 1)
	go func() { done <- l.Close() }() // returns when everything is settled
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatal("closing hangs")
	}
}

// lookAtDisk makes the log notice that its disk is nearly full: it looks behind each
// group. The event is recorded, unless it looked already, behind something that the
// ledger queued by itself.
func lookAtDisk(t *testing.T, l *ledger.Ledger, text string) {
	t.Helper()
	if _, err := l.Record(t.Context(), parse(t, text)); err != nil && !errors.Is(err, log.ErrDiskFull) {
		t.Fatal(err)
	}
}

func unjoined(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

// TestLittleSpace lets the disk run low. New events are refused, with an error that
// says why and before anything of them is kept; reading goes on; and an erasure,
// which needs little, does not wait for a bigger disk. Once there is room, the
// ledger goes on, and nothing was lost.
func TestLittleSpace(t *testing.T) {
	w := newWorld(t)
	w.disk.SetFree(10 << 30)
	l := w.open()
	declare(t, l)
	must(t, l, `{"type":"processing.performed","subject":"old","purpose":"chat-service","operation":"x"}`)
	must(t, l, `{"type":"consent.given","subject":"old","form":"web-partner","contact":"mailto:p@shop.example"}`)
	w.disk.SetFree(300 << 20)
	lookAtDisk(t, l, `{"type":"processing.performed","subject":"last","purpose":"chat-service","operation":"x"}`)

	size := l.Log().Head().Size
	for i := range 3 {
		for _, subject := range []string{"old", fmt.Sprintf("new-%d", i)} {
			_, err := l.Record(t.Context(), mustParse(`{"type":"processing.performed","id":"refused-%d-%s","subject":%q,"purpose":"chat-service","operation":"x"}`, i, subject, subject))
			if !errors.Is(err, log.ErrDiskFull) {
				t.Errorf("recording: %v", err)
			}
		}
	}
	if n := l.Log().Head().Size; n != size {
		t.Errorf("%d entries were recorded", n-size)
	}
	if a, err := l.May(t.Context(), "old", question("partner-mail", "email")); err != nil || a.Decision != consent.Allow {
		t.Errorf("asking: %v, %v", a.Decision, err)
	}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "old"}); err != nil {
		t.Errorf("erasing: %v", err)
	}

	w.disk.SetFree(10 << 30)
	for _, subject := range []string{"old", "new-0"} {
		// The id of what was refused is free.
		must(t, l, `{"type":"processing.performed","id":"refused-0-%s","subject":%q,"purpose":"chat-service","operation":"x"}`, subject, subject)
	}
	for i := range 40 { // on the page whose changes were given back
		must(t, l, `{"type":"processing.performed","subject":"later-%d","purpose":"chat-service","operation":"x"}`, i)
	}
	checkFsck(t, l)
	w.close(l)
	l = w.open()
	checkFsck(t, l)
	for _, subject := range []string{"old", "last", "new-0", "later-39"} {
		if _, err := l.Timeline(t.Context(), subject); err != nil {
			t.Errorf("%s: %v", subject, err)
		}
	}
}
