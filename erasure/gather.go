package erasure

import (
	"context"
	"time"
)

// defaultPause is [Options].Pause where nothing is said.
const defaultPause = 20 * time.Millisecond

// gatherMost bounds how long an epoch waits for requests that are being written down.
const gatherMost = 5 * time.Millisecond

// gather waits for those who would come a moment too late for the next epoch. An epoch takes as long for one
// request as for many, and nearly as much of the processors and of the disk. So it begins when the requests
// that are just being written down have got there, and, while the ledger is busy, no sooner after the one
// before than [Options].Pause.
func (e *Engine) gather() {
	e.mu.Lock()
	pause := e.o.Pause - time.Since(e.began)
	e.mu.Unlock()
	if pause > 0 && e.o.Busy != nil && e.o.Busy() {
		e.o.wait(e.life, nil, pause)
	}
	e.mu.Lock()
	var quiet chan struct{}
	if e.writing > 0 {
		quiet = make(chan struct{})
		e.quiet = quiet
	}
	e.mu.Unlock()
	if quiet != nil {
		e.o.wait(e.life, quiet, gatherMost)
	}
	e.mu.Lock()
	e.began = time.Now()
	e.mu.Unlock()
}

// wait ends with the context, with what it waits for, or after a while.
func wait(ctx context.Context, c <-chan struct{}, most time.Duration) {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-c:
	case <-t.C:
	}
}

// written says that a request has got to the queue, or will not. The caller holds mu.
func (e *Engine) written() {
	if e.writing--; e.writing == 0 && e.quiet != nil {
		close(e.quiet)
		e.quiet = nil
	}
}
