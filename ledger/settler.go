package ledger

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/merkle/log"
)

// A settler does what is to be done when a request has become durable, and nobody
// waits for: leases that an erasure may wait for end, request tags get their
// index, and the person's state as readers see it moves on.
//
// Its queue has no bound of its own: requests wait for it under the lock of their
// stripe, which it takes itself. The bound is that of the log's queue.
type settler struct {
	mu     sync.Mutex
	queue  []*Submission
	closed bool

	wake chan struct{} // has room for one
	done chan struct{}
}

func newSettler() *settler {
	return &settler{wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// put hands over a request that is queued.
func (q *settler) put(s *Submission) {
	q.mu.Lock()
	q.queue = append(q.queue, s)
	first := len(q.queue) == 1
	q.mu.Unlock()
	if first {
		q.signal()
	}
}

func (q *settler) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns everything that was put, into memory that is used again; false
// where there will be nothing more.
func (q *settler) take(spare []*Submission) ([]*Submission, bool) {
	for {
		q.mu.Lock()
		if len(q.queue) > 0 || q.closed {
			all := q.queue
			q.queue = spare[:0]
			q.mu.Unlock()
			return all, len(all) > 0
		}
		q.mu.Unlock()
		<-q.wake
	}
}

// stop returns when everything is settled.
func (q *settler) stop() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
	<-q.done
}

// settle runs until the settler is stopped.
func (l *Ledger) settle() {
	defer close(l.settler.done)
	var spare []*Submission
	for {
		all, ok := l.settler.take(spare)
		if !ok {
			return
		}
		for rest := all; len(rest) > 0; {
			// What became durable together is settled together. A log that breaks
			// fails everything behind some group.
			n, err := 1, rest[0].ticket.Follow(context.Background())
			for n < len(rest) && err == nil && rest[n].durable() {
				n++
			}
			if err == nil {
				l.settleGroup(rest[:n])
			}
			for _, s := range rest[:n] {
				s.release()
			}
			rest = rest[n:]
		}
		clear(all)
		spare = all
	}
}

func (l *Ledger) settleGroup(group []*Submission) {
	l.tags.settle(group)
	l.forgetTags(group[0].at)
	for _, s := range group {
		clear(s.one.sealed.rows[:]) // the log has copied them, and a caller may hold on to s for long
		if s.sub == nil {
			continue // the organisation's
		}
		s.stripe.mu.Lock()
		s.sub.settle()
		s.stripe.mu.Unlock()
	}
}

// forgetTags drops the rows of request tags that nobody asks for any more. Nobody
// waits for it, and what a crash keeps is dropped the next time.
func (l *Ledger) forgetTags(now time.Time) {
	from, to, ok := l.tags.expire(now)
	if !ok {
		return
	}
	w := l.writing.Load()
	gone := [][2][]byte{{tagsRow(w.mask.Generation(), from), tagsRow(w.mask.Generation(), to)}}
	if w.next != nil {
		gone = append(gone, [2][]byte{tagsRow(w.next.Generation(), from), tagsRow(w.next.Generation(), to)})
	}
	_, _ = enqueueChange(l.log, log.Change{DeleteRange: gone})
}

// follow puts a request about a person behind the others of that person. The
// caller holds the stripe's lock, and has queued it.
func (l *Ledger) follow(st *stripe, sub *subject, s *Submission, after *consent.State) {
	s.stripe, s.sub, s.after = st, sub, after
	known := sub.speculative == sub.committed
	if n := len(sub.inflight); n > 0 {
		known = sub.inflight[n-1].exact
	}
	if s.exact = known && !slices.ContainsFunc(s.events, consent.Placed); s.exact {
		s.forgetEvents() // nobody will ask for them, and a caller may hold on to s for long
	}
	sub.speculative = after
	sub.inflight = append(sub.inflight, s)
	l.settler.put(s)
}
