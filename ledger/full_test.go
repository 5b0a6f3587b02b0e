package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// gatedSigner keeps the log from finishing a group until it is let go.
type gatedSigner struct {
	merkle.Signer
	hold    *atomic.Bool
	release chan struct{}
}

func (s gatedSigner) Sign(msg []byte) ([]byte, error) {
	if s.hold.Load() {
		<-s.release
	}
	return s.Signer.Sign(msg)
}

// TestFullQueue: who meets a full queue waits as long as its context lasts and no
// longer, without the lock that others need.
func TestFullQueue(t *testing.T) {
	w := newWorld(t)
	seams, hold, release := w.seams(), new(atomic.Bool), make(chan struct{})
	below := seams.Log
	seams.Log = func(o *log.Options) {
		below(o)
		o.MaxQueueEntries = 4
		o.Signer = gatedSigner{o.Signer, hold, release}
	}
	l, err := ledger.OpenOn(t.Context(), w.options(), seams)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	declare(t, l)
	ask := func(n int) *event.Event {
		return parse(t, fmt.Sprintf(`{"type":"processing.performed","subject":"p","id":"e-%d","purpose":"chat-service","operation":"answer"}`, n))
	}
	must(t, l, `{"type":"processing.performed","subject":"p","purpose":"chat-service","operation":"answer"}`)

	hold.Store(true)
	var queued []*ledger.Submission
	n := 0
	for ; ; n++ {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		s, err := l.Submit(ctx, ask(n))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if queued = append(queued, s); n > 100 {
			t.Fatal("the queue is never full")
		}
	}
	var wg sync.WaitGroup
	var waited *ledger.Submission
	wg.Go(func() { waited, err = l.Submit(t.Context(), ask(n)) })
	if _, err := l.May(t.Context(), "p", question("chat-service", "chat")); err != nil {
		t.Fatalf("a question about a person whose request waits: %v", err)
	}
	hold.Store(false)
	close(release)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range append(queued, waited) {
		if _, err := s.Wait(t.Context()); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	entries, err := l.Timeline(t.Context(), "p")
	if err != nil || len(entries) != n+2 {
		t.Fatalf("%d events are recorded, want %d (%v)", len(entries), n+2, err)
	}
}
