package log

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/lacunalog/lacuna/merkle"
)

// A Log is an open log. All methods may be called by any number of goroutines.
type Log struct {
	dir      string
	opts     Options
	spaces   *spaces
	meta     meta
	verifier merkle.Verifier

	engine *engine
	queue  *queue
	copier *copier
	// publisher decides which head strangers see.
	publisher *publisher
	// commit is held while a group is between the engine's memory and the disk:
	// a lock that can be waited for with a context.
	commit chan struct{}

	view    atomic.Pointer[view]
	readers sync.WaitGroup // views that are not released

	nodes nodes // of tiles that proofs went through

	low     atomic.Bool           // less than MinFree
	broken  atomic.Pointer[error] // set once, by fail
	closed  atomic.Bool
	closing sync.Once
	stopped chan struct{} // closed when the sequencer has returned
	broke   chan struct{} // closed when broken is set
}

// Create makes an empty log in a directory, which is created if need be. It
// returns ErrExists if there is one already. A directory that an earlier Create
// left unfinished is taken.
func Create(dir string, o Options) error {
	if err := create(dir, o); err != nil {
		return fmt.Errorf("creating log: %w", err)
	}
	return nil
}

func create(dir string, o Options) (err error) {
	if err := o.fill(); err != nil {
		return err
	}
	o.ReadOnly = false
	if o.Origin == "" || o.Signer == nil || o.VKey == "" {
		return errors.New("origin, signer and public key are required")
	}
	if _, err := newSpaces(o.Spaces); err != nil {
		return err
	}
	verifier, err := merkle.NewVerifier(o.VKey)
	if err != nil {
		return err
	}
	l := &Log{dir: dir, opts: o, verifier: verifier, meta: meta{o.Origin, o.VKey}, broke: make(chan struct{})}
	h, err := l.sign(0, merkle.EmptyRoot())
	if err != nil {
		return err
	}
	if err := l.checkSignature(h); err != nil {
		return err
	}
	// Somebody deletes the directory and starts over with the same key: the
	// world would see a second history.
	known, err := l.loadHeadCopy()
	if err != nil {
		return err
	}
	if known != nil && known.Size > 0 {
		return ErrRolledBack{Have: h.Checkpoint, Known: *known}
	}

	e, err := openEngine(context.Background(), dir, &o, true, l.onFatal)
	if err != nil {
		return err
	}
	l.engine = e
	ok := false
	defer func() {
		// After a failed commit the engine is left alone.
		if ok || l.broken.Load() == nil {
			err = errors.Join(err, e.close())
		}
	}()
	switch _, err := e.get(metaKey); {
	case err == nil:
		return fmt.Errorf("%s: %w", dir, ErrExists)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	// The checkpoint of the empty tree promises nothing that could be lost, so it
	// may stand in the batch that makes the log.
	batch := e.db.NewBatch()
	_ = batch.Set(metaKey, l.meta.bytes(), nil) // a batch in memory takes everything
	_ = batch.Set(headKey, h.Signed, nil)
	if err := l.unlessBroken(func() error { return l.commitRows(batch) }); err != nil {
		l.fail(err)
		return *l.broken.Load()
	}
	ok = true
	if o.HeadCopy != nil {
		if err := o.HeadCopy.Store(h.Signed); err != nil {
			return fmt.Errorf("%w: storing it: %w", ErrHeadCopy, err)
		}
	}
	return nil
}

// commitRows makes a batch durable. Any error is final.
func (l *Log) commitRows(batch *pebble.Batch) (err error) {
	defer l.recoverEngine(&err)
	if err := l.engine.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return fmt.Errorf("writing batch: %w", oneLine(err))
	}
	if err := batch.SyncWait(); err != nil {
		return fmt.Errorf("syncing batch: %w", oneLine(err))
	}
	return batch.Close()
}

// Open opens a log. After a crash it does what it always does: it rebuilds the
// right edge of the tree from the newest leaves, checks it against the stored
// checkpoint, and signs the head. The context bounds the opening only.
func Open(ctx context.Context, dir string, o Options) (*Log, error) {
	l, err := open(ctx, dir, o)
	if err != nil {
		return nil, fmt.Errorf("opening log: %w", err)
	}
	return l, nil
}

func open(ctx context.Context, dir string, o Options) (_ *Log, err error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	if o.Signer == nil && !o.ReadOnly {
		return nil, errors.New("a signer is required")
	}
	spaces, err := newSpaces(o.Spaces)
	if err != nil {
		return nil, err
	}
	l := &Log{
		dir: dir, opts: o, spaces: spaces, queue: newQueue(),
		commit: make(chan struct{}, 1), stopped: make(chan struct{}), broke: make(chan struct{}),
	}
	if err := l.checkDiskBeforeOpen(); err != nil {
		return nil, err
	}
	if l.engine, err = openEngine(ctx, dir, &l.opts, false, l.onFatal); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil && l.broken.Load() == nil {
			if v := l.view.Load(); v != nil {
				v.release()
			}
			_ = l.engine.close() // the first error is the one that helps
		}
	}()
	if err := l.readMeta(); err != nil {
		return nil, err
	}
	if l.publisher, err = newPublisher(l); err != nil {
		return nil, err
	}
	r, err := l.recover()
	if err != nil {
		return nil, err
	}
	if err := l.checkHeadCopy(r); err != nil {
		return nil, err
	}
	if err := l.publisher.load(r); err != nil {
		return nil, err
	}
	l.publish(r.head, r.edge)
	l.copier = newCopier(&l.opts)
	if o.ReadOnly {
		close(l.stopped)
		return l, nil
	}
	s, err := newSequencer(l, r.edge, r.head, r.stored)
	if err != nil {
		return nil, err
	}
	l.checkDisk()
	l.copier.start()
	l.copier.offer(r.head.Signed)
	go s.run()
	return l, nil
}

// readMeta compares who we are with what the database says.
func (l *Log) readMeta() error {
	b, err := l.engine.get(metaKey)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%s: %w", l.dir, ErrNoLog)
	}
	if err != nil {
		return err
	}
	if l.meta, err = parseMeta(b); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if o := l.opts.Origin; o != "" && o != l.meta.origin {
		return fmt.Errorf("%w: this is the log of %q, not of %q", ErrWrongOrigin, l.meta.origin, o)
	}
	if k := l.opts.VKey; k != "" && k != l.meta.vkey {
		return fmt.Errorf("%w: the log was created with %s, not with %s", ErrWrongKey, l.meta.vkey, k)
	}
	l.verifier, err = merkle.NewVerifier(l.meta.vkey)
	return err
}

// checkSignature makes sure that our signer is who the stored public key says,
// and that it is deterministic: a signer that is not could sign one tree twice
// with different bytes, which is harmless, but it could as well be one that has
// been exchanged between two calls.
func (l *Log) checkSignature(h Head) error {
	if _, err := merkle.OpenCheckpoint(h.Signed, l.meta.origin, l.verifier); err != nil {
		return fmt.Errorf("%w: the signer is not %s: %w", ErrWrongKey, l.meta.vkey, err)
	}
	return nil
}

// Origin returns the origin of the log.
func (l *Log) Origin() string { return l.meta.origin }

// VKey returns the public key of the log.
func (l *Log) VKey() string { return l.meta.vkey }

// fail makes the log broken: everybody who waits gets an error, nothing touches
// the database any more. The caller is the sequencer, or the engine itself.
func (l *Log) fail(cause error) {
	err := fmt.Errorf("%w: %w", ErrBroken, cause)
	if !l.broken.CompareAndSwap(nil, &err) {
		return
	}
	close(l.broke)
	if l.queue != nil {
		l.queue.fail(err)
	}
	l.opts.Logger.Error("the log is broken, exit and open it anew", "err", cause)
	if f := l.opts.OnBroken; f != nil {
		f(err)
	}
}

// onFatal is called on any goroutine of the engine; when it returns, that
// goroutine panics.
func (l *Log) onFatal(err error) { l.fail(err) }

// readable says why the database may not be read.
func (l *Log) readable() error {
	if err := l.broken.Load(); err != nil {
		return *err
	}
	if l.closed.Load() {
		return ErrClosed
	}
	return nil
}

// accepting says why nothing can be enqueued now.
func (l *Log) accepting(urgent bool) error {
	if err := l.Unwell(); err != nil {
		return err
	}
	if l.low.Load() {
		return l.checkFree(urgent)
	}
	return nil
}

// Broken returns the error that broke the log, nil if it is well.
func (l *Log) Broken() error {
	if err := l.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Unwell returns the first error that the storage engine reported in the
// background, nil if there was none. Nothing new is accepted after it.
func (l *Log) Unwell() error {
	if err := l.engine.ears.unwell.Load(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnwell, *err)
	}
	return nil
}

// Close commits what is queued, stores the newest head here and in the head
// copy, waits for readers, and closes the database. Snapshots must be closed
// before, or Close does not return. A broken log is not touched; Close then only
// stores the head copy and returns the error that broke it.
func (l *Log) Close() error {
	err := ErrClosed
	l.closing.Do(func() { err = l.close() })
	if err != nil {
		return fmt.Errorf("closing log: %w", err)
	}
	return nil
}

func (l *Log) close() error {
	l.publisher.end()
	l.queue.close(ErrClosed)
	select {
	case <-l.stopped:
	case <-l.broke: // the sequencer may hang in an engine that has given up
	}
	copyErr := l.copier.finish(l.Head().Signed)
	if err := l.Broken(); err != nil {
		return errors.Join(err, copyErr)
	}
	l.publisher.close() // not before, since a broken engine may not answer
	l.closed.Store(true)
	l.view.Load().release()
	l.readers.Wait()
	return errors.Join(copyErr, l.engine.close())
}
