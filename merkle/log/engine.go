package log

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// archive hides ArchiveCleaner one level deeper than DeleteCleaner in
// noRecycle, so that Clean is the one that deletes.
type archive struct{ pebble.ArchiveCleaner }

// noRecycle deletes obsolete files, and by its unexported method
// needsFileContents, inherited from ArchiveCleaner, makes the engine not re-use
// write-ahead logs. A recycled log keeps what was written into it long after the
// rows were deleted: measured, 999 of 1,000 values. There is no option for this;
// TestRecycledLogs notices when the trick stops working.
type noRecycle struct {
	pebble.DeleteCleaner
	archive
}

// engine is the database with what it tells us on the side.
type engine struct {
	db      *pebble.DB
	lock    *pebble.Lock
	ears    *ears
	descent *descent
}

// ears hears what the engine says. It never calls the engine.
type ears struct {
	log *slog.Logger
	// unwell is set by the first background error; from then on nothing new is
	// accepted.
	unwell atomic.Pointer[error]
	// fatal is called when the engine cannot go on. It must not return.
	fatal func(error)
	once  sync.Once

	opened  atomic.Bool
	closing atomic.Bool
	halting sync.Once
	halted  chan error // has room for the error that halted a goroutine of the engine
}

func (e *ears) hearError(err error) {
	err = oneLine(err)
	e.unwell.CompareAndSwap(nil, &err)
	// A full disk makes the engine report some fifty thousand errors a second.
	e.once.Do(func() { e.log.Error("storage engine: background error, accepting nothing new", "err", err) })
}

// Infof and Errorf make ears a pebble.Logger. Infof is chatter about files.
func (e *ears) Infof(string, ...any) {}

func (e *ears) Errorf(format string, args ...any) {
	e.log.Warn("storage engine: " + firstLine(fmt.Sprintf(format, args...)))
}

// Fatalf is called where the engine expects the process to end. The engine's
// own logger exits without a word to its caller; a logger that returns lets the
// engine acknowledge what it has not written.
func (e *ears) Fatalf(format string, args ...any) {
	err := fmt.Errorf("storage engine: %s", firstLine(fmt.Sprintf(format, args...)))
	e.log.Error("storage engine: fatal", "err", err)
	e.fatal(err)
	panic(fatal{err})
}

// fatal is the panic of Fatalf.
type fatal struct{ error }

func (o *Options) pebble(dir string, e *ears, lock *pebble.Lock, d *descent) *pebble.Options {
	p := &pebble.Options{
		FS:        guardFS{bufferFS{o.FS}, dir, e},
		Lock:      lock,
		ReadOnly:  o.ReadOnly,
		Cleaner:   noRecycle{},
		CacheSize: o.CacheBytes,
		// From this version on, a torn tail of the write-ahead log can be told
		// from damage to what was synced. Pinned by name: "newest" would let an
		// upgrade of the engine change the files.
		FormatMajorVersion: pebble.FormatWALSyncChunks,
		// Each flush makes tables of every kind of row, and rotates the write-ahead log:
		// 32 MiB instead of 16 saves 1.5 µs of CPU time an event, 64 MiB would save as
		// much again and keep 64 MiB more in memory.
		MemTableSize:                32 << 20,
		MemTableStopWritesThreshold: 4,
		// The engine compacts where twice the sublevels of level 0 reach the threshold.
		// What has random keys, a person's list rows, lies across the whole of the level
		// below, so every such compaction writes all of it again, however little comes in:
		// with two sublevels a time it wrote eight bytes for one after a million events,
		// with eight a quarter of that. A read asks the filters of six tables more.
		L0CompactionThreshold: 16,
		L0StopWritesThreshold: 48,
		CompactionConcurrencyRange: func() (int, int) {
			n := min(2, runtime.GOMAXPROCS(0))
			if !e.opened.Load() {
				// An opening that fails takes away what a compaction works with. None is
				// begun unless the backlog is large.
				return 0, n
			}
			return 1, n
		},
		Logger: e,
		EventListener: &pebble.EventListener{
			BackgroundError: e.hearError,
			FlushEnd:        d.flushed,
			// Without a listener the engine's answer to a damaged file is Fatalf.
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				e.hearError(fmt.Errorf("%w: file %s", ErrCorrupt, i.Path))
			},
			WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
				e.log.Warn("storage engine: writes wait for compaction", "reason", i.Reason)
			},
		},
	}
	if o.seams.recycle {
		p.Cleaner = pebble.DeleteCleaner{}
	}
	for i := range p.Levels {
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		// Hashes and ciphertext do not compress.
		p.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	// The engine never asks the filters of the last level: what is looked for is there.
	p.Levels[len(p.Levels)-1].FilterPolicy = pebble.NoFilterPolicy
	keepKindsApart(p)
	// Separated values stay in blob files long after their rows are gone; a
	// second write-ahead log would be a second copy to erase. Both are off by
	// default, and must stay so.
	p.Experimental.ValueSeparationPolicy = nil
	p.WALFailover = nil
	return p
}

// keepKindsApart gives each kind of row tables of its own. What comes in the order
// of its keys, as all that stands under an index does and most bytes do, then meets
// nothing on its way down the levels, and its tables are moved there and never
// written again. In tables that hold several kinds, the few rows with random keys
// drag everything along that lies between them (measured with envelopes of 600 bytes
// and two million leaves: compactions write 0.3 bytes for each byte that comes in
// instead of 1.2).
func keepKindsApart(p *pebble.Options) {
	p.Experimental.SpanPolicyFunc = func(key []byte) (pebble.SpanPolicy, []byte, error) {
		if len(key) == 0 || key[0] == 0xff {
			return pebble.SpanPolicy{}, nil, nil
		}
		return pebble.SpanPolicy{}, []byte{key[0] + 1}, nil
	}
	// A compaction out of level 0 takes along what lies beside it, up to 25 tables of
	// the level that it goes to. One large table out of a flush is more than that, so
	// it is left alone until it is moved (see descent).
	p.TargetFileSizes = [...]int64{16 << 20, 512 << 10, 2 << 20, 8 << 20, 8 << 20, 8 << 20, 8 << 20}
}

// openEngine locks the directory and opens the database in it. It returns
// ErrNoLog unless create is set.
func openEngine(ctx context.Context, dir string, o *Options, create bool, onFatal func(error)) (*engine, error) {
	desc, err := pebble.Peek(dir, o.FS)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		desc = &pebble.DBDesc{}
	case err != nil:
		return nil, fmt.Errorf("looking into %s: %w", dir, oneLine(err))
	}
	if !desc.Exists && !create {
		return nil, fmt.Errorf("%s: %w", dir, ErrNoLog)
	}
	if create {
		if err := o.FS.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("creating directory: %w", oneLine(err))
		}
	}
	lock, err := pebble.LockDirectory(dir, o.FS)
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("locking directory: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w (%w)", dir, ErrLocked, oneLine(err))
	}
	e := &ears{log: o.Logger, fatal: onFatal, halted: make(chan error, 1)}
	d := newDescent()
	po := o.pebble(dir, e, lock, d)

	// The engine retries a failing flush for ever while it opens, so the opening
	// runs beside us and is left behind when the context ends.
	type result struct {
		db  *pebble.DB
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- result{nil, fmt.Errorf("%w: %v", ErrCorrupt, r)}
			}
		}()
		db, err := pebble.Open(dir, po)
		done <- result{db, err}
	}()
	var r result
	select {
	case r = <-done:
	case err := <-e.halted: // the lock is held until the process ends
		return nil, fmt.Errorf("opening %s: %w: %w", dir, ErrBroken, err)
	case <-ctx.Done():
		go func() { // in case it comes to an end after all
			if r := <-done; r.err == nil {
				_ = r.db.Close()
			}
			_ = lock.Close()
		}()
		err := context.Cause(ctx)
		if p := e.unwell.Load(); p != nil {
			err = fmt.Errorf("%w; %w", err, *p)
		}
		return nil, fmt.Errorf("opening %s: %w", dir, err)
	}
	if r.err != nil {
		_ = lock.Close()
		err := oneLine(r.err)
		if pebble.IsCorruptionError(r.err) || damagedTable(r.err) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return nil, fmt.Errorf("opening %s: %w", dir, err)
	}
	e.opened.Store(true)
	if !o.ReadOnly {
		d.start(r.db, onFatal)
	}
	return &engine{db: r.db, lock: lock, ears: e, descent: d}, nil
}

// damagedTable recognises the engine's complaint about a table that is missing
// or has the wrong length, which it does not mark as corruption.
func damagedTable(err error) bool {
	s := err.Error()
	return strings.Contains(s, "object size mismatch") || strings.Contains(s, "file size mismatch") || errors.Is(err, fs.ErrNotExist)
}

// close closes the database. Not after a failed commit.
func (e *engine) close() error {
	e.ears.closing.Store(true)
	e.descent.close()
	err := e.db.Close()
	return errors.Join(oneLine(err), oneLine(e.lock.Close()))
}

// lineError is an error whose text fits on one line.
type lineError struct{ error }

func (e lineError) Error() string { return firstLine(e.error.Error()) }
func (e lineError) Unwrap() error { return e.error }

// oneLine cuts the engine's errors, some of which come with a tree of files.
func oneLine(err error) error {
	if err == nil || !strings.Contains(err.Error(), "\n") {
		return err
	}
	return lineError{err}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// panicked is the error that a panic of the engine is; that of our logger, which panics
// where the engine would have exited, is what it was told.
func panicked(r any) error {
	switch r := r.(type) {
	case fatal:
		return r.error
	case error:
		return fmt.Errorf("storage engine panicked: %w", oneLine(r))
	}
	return errors.New("storage engine panicked: " + firstLine(fmt.Sprint(r)))
}

// readError explains an error that the engine returned to a read.
func readError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pebble.ErrNotFound):
		return ErrNotFound
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%w: %w", ErrCorrupt, oneLine(err))
	}
	return oneLine(err)
}
