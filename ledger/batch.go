package ledger

import (
	"context"
	"sync"

	"github.com/lacunalog/lacuna/ledger/event"
)

// An Outcome is what became of one request of a batch: what Record would have
// returned.
type Outcome struct {
	Recorded []Recorded
	Err      error
}

// RecordAll is Record for many requests at once: it fills and seals them on every
// processor, and waits once. Each has an outcome of its own, at the same place;
// that one is refused does not touch the others. Requests about one person are
// recorded in the order in which they stand, and a register event is declared
// before anything that stands behind it.
//
// The requests are not one transaction: after a crash, some may be recorded. Sent
// again under the same ids they are all recorded once.
func (l *Ledger) RecordAll(ctx context.Context, requests []*event.Event) []Outcome {
	out := make([]Outcome, len(requests))
	submitted := l.SubmitAll(ctx, requests)
	room := make([]Recorded, len(requests)) // most requests become one event
	for i, s := range submitted {
		if out[i].Err = s.Err; s.Err == nil {
			out[i].Recorded, out[i].Err = s.wait(ctx, room[i:i:i+1])
		}
	}
	return out
}

// Submitted is what became of one request of [Ledger.SubmitAll]: what Submit would
// have returned.
type Submitted struct {
	*Submission
	Err error
}

// SubmitAll is RecordAll without waiting for the disk, as Submit is Record: an
// importer has the next batch filled and sealed while the last one syncs.
func (l *Ledger) SubmitAll(ctx context.Context, requests []*event.Event) []Submitted {
	out := make([]Submitted, len(requests))
	submit := func(i int) { out[i].Submission, out[i].Err = l.Submit(ctx, requests[i]) }
	for from := 0; from < len(requests); {
		if isRegister(requests[from]) {
			submit(from)
			from++
			continue
		}
		to := from + 1
		for to < len(requests) && !isRegister(requests[to]) {
			to++
		}
		l.each(ctx, requests, from, to, submit, func(i int) { out[i].Err = context.Cause(ctx) })
		from = to
	}
	return out
}

// worthWorkers is how many requests make it worth to start a goroutine.
const worthWorkers = 32

// each calls f for the requests of a range, at once where they are about different
// people. Whose stripe is the same, one worker has, so that order is kept.
//
// Workers take turns: where many batches come at once, no more of them are at work
// than there are processors. To work on all of them at the same time would end none
// of them earlier, and everything that is begun of every one would lie in memory,
// where the garbage collector has to walk it (with 16 batches of 1,024 it used a
// third of the CPU time).
//
// skip is called instead of f for what had not had its turn when the context ended.
func (l *Ledger) each(ctx context.Context, requests []*event.Event, from, to int, f, skip func(i int)) {
	workers := min(cap(l.workers), (to-from)/worthWorkers)
	if workers < 2 {
		for i := from; i < to; i++ {
			f(i)
		}
		return
	}
	lots := make([][]int, workers)
	for w := range lots {
		lots[w] = make([]int, 0, (to-from)/workers*5/4)
	}
	for i := from; i < to; i++ {
		w := l.subjects.stripeOf(requests[i].Str("subject")) % workers
		lots[w] = append(lots[w], i)
	}
	var wg sync.WaitGroup
	for _, lot := range lots {
		wg.Go(func() {
			do := f
			select {
			case l.workers <- struct{}{}:
				defer func() { <-l.workers }()
			case <-ctx.Done():
				do = skip
			}
			for _, i := range lot {
				do(i)
			}
		})
	}
	wg.Wait()
}
