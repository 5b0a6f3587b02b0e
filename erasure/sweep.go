package erasure

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// A sweep replaces a whole generation of rows by the next, with nothing in it of what was erased, and then
// destroys the keys that masked the old one. It is an epoch of its own, and the last that the jobs of the
// erasures before it see: their own keys die in it.
//
//	OPENED     it is fixed which epochs the sweep covers; then the next generation gets masks, and what is
//	           recorded is listed under both from now on
//	CUT        it is fixed which entries are erased, and agrees with what erasures account for
//	COPIED     every row lies in the next generation, too, and what is recorded is written under both
//	PREPARED   the pages of a new tree, without the keys of the jobs, are durable beside the old ones
//	ROOTED     every holder keeps the new root beside the old one; the old generation is not written any more
//	DESTROYED  every holder overwrote the old root; the rows of the old generation are dropped, and those of the
//	           jobs whose keys died
//	WORDED     the sweep record is worded
//	RECORDED   the sweep record is in the log, exactly once
//
// Until PREPARED nothing is lost by giving up, and nothing has to be done again but what was not copied yet.
// Recording, reading and erasing go on meanwhile; erasures wait from COPIED to RECORDED. What is erased after
// CUT is copied as if it were alive: its rows are noise to everybody already, and the next sweep replaces them.

// Sweeper is what a sweep needs of the ledger whose rows it replaces. Its methods are called in this order,
// each again after a crash if the sweep had not come further.
type Sweeper interface {
	// Clean removes rows of a generation that nothing of the ledger is in yet.
	Clean(ctx context.Context, g uint32) error
	// Begin returns when whatever is recorded later is listed under generation g, too, and everything else is
	// durable.
	Begin(ctx context.Context, g uint32) error
	// Cut fixes at which size of the log the sweep looks. No epoch is running. Where the key that is named by the
	// id would lie on a page that is missing, it fails with keystore.ErrPageMissing.
	Cut(ctx context.Context, id ID) (Cut, error)
	// Resume takes up a cut that was kept.
	Resume(ctx context.Context, g uint32, id ID) error
	// Copy returns when everything lies in the next generation and everything is written under both.
	Copy(ctx context.Context) error
	// Commit commits to what is erased: its root, and what proves it against the commitment before, if any.
	Commit(ctx context.Context) (root Digest, paired *Digest, err error)
	// Keep returns the generation whose envelopes are to stay readable, because the newest backup is of it.
	Keep(ctx context.Context) (uint32, error)
	// Outdated lists keys that die with the sweep, besides those of jobs.
	Outdated(ctx context.Context) ([]keystore.Ref, error)
	// GiveUp lists key pages that are missing and without which the sweep may end, because everything that
	// nobody can read for the lack of them was publicly stated as lost; keys are those that erasures have
	// destroyed since the last sweep. Otherwise it fails. It is called only where pages are missing.
	GiveUp(ctx context.Context, keys []keystore.RowsKey) ([]string, error)
	// Switch makes the next generation the one that is read and written. It cannot be undone.
	Switch()
	// Drop removes the rows of all generations before g.
	Drop(ctx context.Context, g uint32) error
}

// A Cut is the log at one size, as a sweep goes through it.
type Cut interface {
	// Walk lists, under the next generation, what living keys list. Epochs may pass meanwhile.
	Walk(ctx context.Context) error
	// Spare does that for keys that died since the cut. No epoch is running.
	Spare(ctx context.Context, keys []keystore.RowsKey) error
	// Keep checks that what no key lists is what was erased before the last sweep, and what these keys list;
	// and keeps it. listed is how many entries each of them still lists.
	Keep(ctx context.Context, erased []keystore.RowsKey) (size, total uint64, listed []uint64, err error)
}

// ErrSweeping says that a sweep is running.
var ErrSweeping = errors.New("a sweep is running")

// A Swept is what a sweep did.
type Swept struct {
	Record    certificate.SweepRecord
	Statement []byte // as it is in the log
	Index     uint64
}

// SweepOptions say what happens on the way.
type SweepOptions struct {
	// Officer is given the officer's copies of all certificates whose jobs the sweep erases, before it does.
	// If it fails, the sweep stops.
	Officer func([]*Certificate) error
}

// Sweep runs a sweep, or goes on with one that was interrupted.
func (e *Engine) Sweep(ctx context.Context, o SweepOptions) (*Swept, error) {
	if e.o.Sweeper == nil {
		return nil, errors.New("sweeping: the ledger has no rows to sweep")
	}
	if !e.sweeping.TryLock() {
		return nil, ErrSweeping
	}
	defer e.sweeping.Unlock()
	done, err := e.sweep(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("sweeping: %w", err)
	}
	return done, nil
}

func (e *Engine) sweep(ctx context.Context, o SweepOptions) (*Swept, error) {
	s := e.o.Sweeper
	if e.usable() == ErrNotResumed {
		// A holder failed at the end of the last one, say. Where it answers again, that ends now.
		g := e.tree.Generation()
		if _, err := e.Resume(ctx); err != nil {
			return nil, err
		}
		if w, err := e.sweptAt(ctx, e.tree.Generation()); err != nil || w != nil && w.Generation > g {
			return w.swept(), err
		}
	}
	w, err := e.cutOf(ctx, e.tree.Opened())
	if err != nil {
		return nil, err
	}
	if w == nil {
		w, err = e.cut(ctx)
	} else {
		err = s.Resume(ctx, w.Generation, w.Cut)
	}
	if err != nil {
		return nil, err
	}
	if err := s.Copy(ctx); err != nil {
		return nil, fmt.Errorf("copying rows: %w", err)
	}
	if w.ErasedRoot, w.Paired, err = s.Commit(ctx); err != nil {
		return nil, fmt.Errorf("committing to what is erased: %w", err)
	}
	e.epochs.Lock()
	defer e.epochs.Unlock()
	if err := e.usable(); err != nil {
		return nil, err
	}
	u, err := e.prepareSweep(ctx, w, o)
	if err != nil {
		return nil, err
	}
	return e.pushSweep(context.WithoutCancel(ctx), u)
}

// cut brings a new sweep to CUT.
func (e *Engine) cut(ctx context.Context) (*sweepRow, error) {
	w := &sweepRow{Cut: newID()}
	c, err := e.beginCut(ctx, w)
	if err != nil {
		return nil, err
	}
	if err := c.Walk(ctx); err != nil {
		return nil, fmt.Errorf("listing what is alive: %w", err)
	}
	covered, err := e.spare(ctx, c, w.EpochsTo)
	if err != nil {
		return nil, err
	}
	var listed []uint64
	if w.Size, w.Erased, listed, err = c.Keep(ctx, covered.keys); err != nil {
		return nil, err
	}
	w.EpochsLost = covered.note(listed)
	// If we stop here, the next sweep makes a new cut, which covers the same epochs.
	return w, e.advanceSweep(ctx, w, sweepCut)
}

// beginCut opens the next generation and says where the cut is.
func (e *Engine) beginCut(ctx context.Context, w *sweepRow) (Cut, error) {
	e.epochs.Lock()
	defer e.epochs.Unlock()
	if err := e.usable(); err != nil {
		return nil, err
	}
	s := e.o.Sweeper
	last, err := e.sweptLast(ctx)
	if err != nil {
		return nil, err
	}
	w.EpochsFrom = 1
	if last != nil {
		w.EpochsFrom, w.PreviousSweep = last.EpochsTo+1, &last.Leaf
	}
	w.EpochsTo = e.tree.Info().Epoch
	if g := e.tree.Opened(); g != 0 {
		// A try that was interrupted before its cut has listed people who may have been erased since. They count
		// as alive, as those do who are erased behind a cut: were they left out, then the rows that this sweep
		// has written would be more than it has living entries, by as many as were theirs.
		begun, err := e.sweepOf(ctx, g)
		if err != nil && !errors.Is(err, errRow) {
			return nil, err
		}
		if begun != nil {
			w.EpochsTo = begun.EpochsTo
		}
	} else {
		// Rows of the next generation may be there from before the key pages were restored, and those of the
		// sweep that made them: it would be gone on with, and there is nothing left of what it had done.
		w.Generation = e.tree.Generation() + 1
		if err := s.Clean(ctx, w.Generation); err != nil {
			return nil, err
		}
		if err := e.forgetSweep(ctx, w.Generation); err != nil {
			return nil, err
		}
		if err := e.advanceSweep(ctx, w, sweepOpened); err != nil {
			return nil, err
		}
	}
	if w.Generation, err = e.tree.OpenGeneration(ctx); err != nil {
		return nil, err
	}
	if err := s.Begin(ctx, w.Generation); err != nil {
		return nil, err
	}
	return keystore.Elsewhere(func() (Cut, error) { return s.Cut(ctx, w.Cut) }, func() { w.Cut = newID() })
}

// covered is what a sweep accounts for.
type covered struct {
	keys    []keystore.RowsKey
	epochs  []uint64          // of each key; 0 for one that a cancelled erasure left
	entries map[uint64]uint64 // as in backlog
	lost    []uint64          // as in backlog
}

// spare tells a cut of the keys that died since it was made, and returns those that had died before.
func (e *Engine) spare(ctx context.Context, c Cut, to uint64) (*covered, error) {
	e.epochs.Lock()
	defer e.epochs.Unlock()
	if err := e.usable(); err != nil {
		return nil, err
	}
	left, err := e.backlog(ctx)
	if err != nil {
		return nil, err
	}
	out := &covered{entries: left.entries}
	for _, n := range left.lost {
		if n <= to {
			out.lost = append(out.lost, n)
		}
	}
	var since []keystore.RowsKey
	for _, j := range left.jobs {
		for _, raw := range j.what.RowsKeys {
			k, err := keystore.ParseRowsKey(raw)
			switch {
			case err != nil:
				return nil, err
			case j.epoch > to:
				since = append(since, k)
			default:
				out.keys, out.epochs = append(out.keys, k), append(out.epochs, j.epoch)
			}
		}
	}
	return out, c.Spare(ctx, since)
}

// note says what of the covered epochs is lost, by how many entries their keys list.
func (c *covered) note(listed []uint64) []uint64 {
	found := make(map[uint64]uint64)
	for i, n := range c.epochs {
		found[n] += listed[i]
	}
	lost := c.lost
	for n, entries := range found {
		if n > 0 && entries != c.entries[n] && !slices.Contains(lost, n) {
			lost = append(lost, n)
		}
	}
	slices.Sort(lost)
	return lost
}

// sweepUnder is a sweep that this process has prepared and that can only go forward.
type sweepUnder struct {
	next *keystore.Epoch
	w    *sweepRow
}

// prepareSweep brings a sweep from COPIED to PREPARED. The caller holds epochs.
func (e *Engine) prepareSweep(ctx context.Context, w *sweepRow, o SweepOptions) (*sweepUnder, error) {
	left, err := e.backlog(ctx)
	if err != nil {
		return nil, err
	}
	refs, err := e.o.Sweeper.Outdated(ctx)
	if err != nil {
		return nil, err
	}
	given, err := e.givenUp(ctx)
	if err != nil {
		return nil, err
	}
	refs = append(refs, given...)
	for id, epoch := range left.ids() {
		if epoch > w.EpochsTo {
			continue // the next sweep's
		}
		own, err := e.tree.Keys(ctx, subjectOf(id))
		if errors.Is(err, keystore.ErrPageMissing) {
			continue // they go with their page
		}
		if err != nil {
			return nil, err
		}
		for _, k := range own {
			refs = append(refs, k.Ref)
		}
	}
	if o.Officer != nil {
		certs, err := e.certificates(ctx, w.EpochsTo)
		if err == nil {
			err = o.Officer(certs)
		}
		if err != nil {
			return nil, fmt.Errorf("keeping certificates: %w", err)
		}
	}
	if err := e.tree.Fence(ctx, refs); err != nil {
		return nil, err
	}
	keep, err := e.o.Sweeper.Keep(ctx)
	if err != nil {
		return nil, err
	}
	next, err := e.tree.PrepareSweep(ctx, refs, keep)
	if errors.Is(err, keystore.ErrPageMissing) {
		next, err = e.prepareWithout(ctx, left, refs, keep)
	}
	if err != nil {
		return nil, err
	}
	info := next.Record()
	w.Tree, w.Epoch, w.Attempt, w.PagesRoot = ID(info.Tree), info.Epoch, ID(info.Attempt), Digest(info.PagesRoot)
	if err := e.advanceSweep(ctx, w, sweepPrepared); err != nil {
		return nil, errors.Join(err, next.Abort(context.WithoutCancel(ctx)))
	}
	return &sweepUnder{next, w}, nil
}

// prepareWithout prepares a sweep of a tree that lacks pages.
func (e *Engine) prepareWithout(ctx context.Context, left *backlog, refs []keystore.Ref, keep uint32) (*keystore.Epoch, error) {
	keys, err := left.rowsKeys()
	if err != nil {
		return nil, err
	}
	lost, err := e.o.Sweeper.GiveUp(ctx, keys)
	if err != nil {
		return nil, err
	}
	return e.tree.PrepareSweep(ctx, refs, keep, lost...)
}

// pushSweep brings a prepared sweep to its end. Where a holder or the log fails, it can be tried again. The
// caller holds epochs.
func (e *Engine) pushSweep(ctx context.Context, u *sweepUnder) (done *Swept, err error) {
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.sweepUnder = nil; err != nil {
			e.sweepUnder, e.ready = u, false
		}
	}()
	if err := u.next.Root(ctx); err != nil {
		return nil, fmt.Errorf("giving the new root to its holders: %w", err)
	}
	if err := e.at(sweepRooted); err != nil {
		return nil, err
	}
	statements, err := u.next.Destroy(ctx)
	if err != nil {
		return nil, fmt.Errorf("destroying the old root: %w", err)
	}
	// Only now is there no way back, so only now nothing needs the old generation any more.
	e.o.Sweeper.Switch()
	return e.concludeSweep(ctx, u.w, statements)
}

// concludeSweep brings a sweep whose old root is destroyed to RECORDED, from whatever state it was left in.
func (e *Engine) concludeSweep(ctx context.Context, w *sweepRow, statements []keystore.Statement) (*Swept, error) {
	if err := e.o.Sweeper.Drop(ctx, w.Generation); err != nil {
		return nil, fmt.Errorf("dropping rows: %w", err)
	}
	if err := e.dropSwept(ctx); err != nil {
		return nil, err
	}
	if w.state < sweepDestroyed {
		info := e.tree.Info()
		w.TracesSweptAt, w.Level, w.Holders = certificate.Instant(e.o.Now()), info.Level.String(), holders(statements)
		if err := e.advanceSweep(ctx, w, sweepDestroyed); err != nil {
			return nil, err
		}
	}
	if w.state < sweepWorded {
		r := w.record()
		if e.last != nil {
			r.Previous = &e.last.leaf
		}
		statement, err := r.Statement()
		if err != nil {
			return nil, err
		}
		w.Statement = string(statement)
		if err := e.advanceSweep(ctx, w, sweepWorded); err != nil {
			return nil, err
		}
	}
	if w.state < sweepRecorded {
		var err error
		if w.Index, w.Leaf, err = e.publishOnce(ctx, w.Statement, &w.maybePublished); err != nil {
			return nil, err
		}
		if err := e.advanceSweep(ctx, w, sweepRecorded); err != nil {
			return nil, err
		}
	}
	return w.swept(), nil
}

// swept says what a sweep did that is recorded; nil if there was none.
func (w *sweepRow) swept() *Swept {
	if w == nil {
		return nil
	}
	r, err := certificate.ParseSweepRecord([]byte(w.Statement))
	if err != nil {
		return nil
	}
	return &Swept{Record: *r, Statement: []byte(w.Statement), Index: w.Index}
}

// resumeSweep finishes a sweep whose root had reached all holders. The caller holds epochs.
func (e *Engine) resumeSweep(ctx context.Context) error {
	if u := e.sweepUnder; u != nil {
		_, err := e.pushSweep(ctx, u)
		return err
	}
	if e.o.Sweeper == nil {
		return nil
	}
	w, err := e.sweptAt(ctx, e.tree.Generation())
	if w == nil || err != nil || w.state == sweepRecorded {
		return err
	}
	w.maybePublished = w.state >= sweepDestroyed // the row of WORDED may be damaged
	_, err = e.concludeSweep(ctx, w, e.tree.Recovery().Statements)
	return err
}
