package log

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// loadHeadCopy returns the checkpoint in the head copy, nil if there is none.
func (l *Log) loadHeadCopy() (*merkle.Checkpoint, error) {
	if l.opts.HeadCopy == nil {
		return nil, nil
	}
	b, err := l.opts.HeadCopy.Load()
	if err != nil {
		return nil, fmt.Errorf("%w: reading it: %w", ErrHeadCopy, err)
	}
	if len(b) == 0 {
		return nil, nil
	}
	c, err := merkle.OpenCheckpoint(b, l.meta.origin, l.verifier)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHeadCopy, err)
	}
	return &c, nil
}

// checkHeadCopy refuses a database that is not a continuation of the newest head
// that is known from outside.
func (l *Log) checkHeadCopy(r *recovered) error {
	if l.opts.ReadOnly {
		return nil
	}
	known, err := l.loadHeadCopy()
	if err != nil || known == nil {
		return err
	}
	have := r.head.Checkpoint
	if known.Size > have.Size {
		return ErrRolledBack{Have: have, Known: *known}
	}
	v := &view{edge: r.edge}
	root, err := merkle.RootFromTiles(context.Background(), known.Size, tileReader(v, l.engine.db))
	if err != nil {
		return fmt.Errorf("computing the root at %d: %w", known.Size, err)
	}
	if root != known.Root {
		have.Size, have.Root = known.Size, root
		return ErrRolledBack{Have: have, Known: *known}
	}
	return nil
}

// A copier hands heads to the HeadCopy in a goroutine of its own, because that
// may be a slow disk or another machine. It hands over the newest head only, and
// then pauses.
type copier struct {
	to    HeadCopy // nil: every method does nothing
	log   *slog.Logger
	pause func() <-chan time.Time

	mu     sync.Mutex
	newest []byte
	dirty  chan struct{} // has room for one
	quit   chan struct{}
	done   sync.WaitGroup
}

func newCopier(o *Options) *copier {
	c := &copier{
		log: o.Logger, pause: o.seams.copyPause,
		dirty: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	if !o.ReadOnly {
		c.to = o.HeadCopy
	}
	return c
}

func (c *copier) start() {
	if c.to != nil {
		c.done.Go(c.run)
	}
}

// offer makes a head the newest. It does not wait.
func (c *copier) offer(signed []byte) {
	if c.to == nil {
		return
	}
	c.mu.Lock()
	c.newest = signed
	c.mu.Unlock()
	select {
	case c.dirty <- struct{}{}:
	default:
	}
}

func (c *copier) run() {
	for {
		select {
		case <-c.dirty:
		case <-c.quit:
			return
		}
		c.mu.Lock()
		signed := c.newest
		c.mu.Unlock()
		if err := c.to.Store(signed); err != nil {
			c.log.Warn("could not store the copy of the newest head", "err", err)
		}
		select {
		case <-c.pause():
		case <-c.quit:
			return
		}
	}
}

// finish ends the goroutine and stores the last head.
func (c *copier) finish(signed []byte) error {
	if c.to == nil {
		return nil
	}
	close(c.quit)
	c.done.Wait()
	if err := c.to.Store(signed); err != nil {
		return fmt.Errorf("%w: storing it: %w", ErrHeadCopy, err)
	}
	return nil
}
