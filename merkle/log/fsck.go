package log

import (
	"context"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/merkle"
)

// A Fault is one thing that is wrong with a log.
type Fault struct {
	// Place names it: the path of a bundle or tile as it is served, "chunk 512",
	// "stored checkpoint", "head".
	Place string
	// What says what is wrong, in a sentence without a full stop.
	What string
}

func (f Fault) String() string { return f.Place + ": " + f.What }

// maxFaults is how many faults an FsckError lists. A log whose every bundle is
// damaged has been shown to be so by then.
const maxFaults = 1000

// An FsckError lists the faults of a log in the order in which they were found:
// leaves from the first to the last, then tiles, then checkpoints.
type FsckError struct {
	Faults []Fault
	// More is true if there are more than are listed.
	More bool
}

func (e *FsckError) Error() string {
	s := fmt.Sprintf("%d faults, the first: %s", len(e.Faults), e.Faults[0])
	if len(e.Faults) == 1 {
		s = e.Faults[0].String()
	}
	if e.More {
		s = "more than " + s
	}
	return s
}

// Unwrap makes errors.Is(err, ErrCorrupt) true.
func (e *FsckError) Unwrap() error { return ErrCorrupt }

// Fsck reads every leaf up to the newest head and derives from them alone what
// the log must hold: bundles without gap, tiles of all levels, the roots of the
// stored checkpoint and of the head, and their signatures. What is wrong comes
// back as an *[FsckError]; any other error says why it could not look. Progress,
// if not nil, is called with the number of leaves read.
func (l *Log) Fsck(ctx context.Context, progress func(done, total uint64)) error {
	s := l.Snapshot()
	defer s.Close()
	if err := s.ready(ctx); err != nil {
		return fmt.Errorf("fsck: %w", err)
	}
	f := &fsck{
		rows: rowReader{s.v.snap}, meta: l.meta, verifier: l.verifier, ready: s.ready,
		size: s.v.edge.size, head: &s.v.head, edge: &s.v.edge,
		lags: l.opts.ReadOnly, behind: l.RolledBack(),
	}
	return f.check(ctx, progress)
}

// Fsck checks a log that need not be in a state to be opened: there is no head
// but the stored one. It opens the database for reading only; of the options it
// takes FS, Logger and CacheBytes, and Origin and VKey if they are set.
func Fsck(ctx context.Context, dir string, o Options, progress func(done, total uint64)) (err error) {
	o.ReadOnly = true
	if err := o.fill(); err != nil {
		return fmt.Errorf("fsck: %w", err)
	}
	l := &Log{dir: dir, opts: o, broke: make(chan struct{})}
	if l.engine, err = openEngine(ctx, dir, &l.opts, false, l.onFatal); err != nil {
		return fmt.Errorf("fsck: %w", err)
	}
	defer func() { err = errors.Join(err, l.engine.close()) }()
	if err := l.readMeta(); err != nil {
		return fmt.Errorf("fsck: %w", err)
	}
	f := &fsck{
		rows: rowReader{l.engine.db}, meta: l.meta, verifier: l.verifier, ready: context.Cause,
	}
	if f.size, err = f.rows.reach(); err != nil {
		return fmt.Errorf("fsck: %w", err)
	}
	return f.check(ctx, progress)
}

type fsck struct {
	rows     rowReader
	meta     meta
	verifier merkle.Verifier
	ready    func(context.Context) error // whether to go on

	size uint64
	head *Head // of an open log, nil otherwise
	edge *edge // same
	lags bool  // rows of one more group than the head's may be there
	// behind is set if a witness has seen more of the log.
	behind error

	faults []Fault
	more   bool

	broke bool // a leaf is unreadable, so no root can be derived
	rng   merkle.Range
	// levels[l] has the hashes of level l that the next tile is made of.
	levels [maxLevels][]merkle.Hash
	stored *merkle.Checkpoint
	// archived are the published heads that the range has not reached.
	archived []merkle.Checkpoint
}

func (f *fsck) check(ctx context.Context, progress func(done, total uint64)) error {
	if err := f.run(ctx, progress); err != nil {
		return fmt.Errorf("fsck: %w", err)
	}
	if len(f.faults) > 0 {
		return &FsckError{Faults: f.faults, More: f.more}
	}
	return nil
}

func (f *fsck) fault(place, format string, args ...any) {
	if len(f.faults) == maxFaults {
		f.more = true
		return
	}
	f.faults = append(f.faults, Fault{place, fmt.Sprintf(format, args...)})
}

func (f *fsck) run(ctx context.Context, progress func(done, total uint64)) error {
	if err := f.readArchive(ctx); err != nil {
		return err
	}
	if err := f.readHead(); err != nil {
		return err
	}
	full := f.size / merkle.TileWidth
	for n := range full {
		if err := f.ready(ctx); err != nil {
			return err
		}
		if err := f.bundle(n); err != nil {
			return err
		}
		if progress != nil {
			progress((n+1)*merkle.TileWidth, f.size)
		}
	}
	if err := f.tail(full); err != nil {
		return err
	}
	if progress != nil {
		progress(f.size, f.size)
	}
	if err := f.strays(ctx); err != nil {
		return err
	}
	f.checkRoots()
	return nil
}

// checkRoots compares the head with what the leaves say.
func (f *fsck) checkRoots() {
	if f.head == nil {
		return
	}
	h := f.head
	c, err := merkle.OpenCheckpoint(h.Signed, f.meta.origin, f.verifier)
	switch {
	case err != nil:
		f.fault("head", "%v", err)
	case c.Size != h.Size || c.Root != h.Root:
		f.fault("head", "signed for size %d and root %s, kept as size %d and root %s", c.Size, c.Root, h.Size, h.Root)
	case f.broke:
		f.fault("head", "no root can be derived, leaves are missing")
	case f.rng.Size() != h.Size || f.rng.Root() != h.Root:
		f.fault("head", "says root %s at size %d, the leaves have %s at %d", h.Root, h.Size, f.rng.Root(), f.rng.Size())
	}
}
