package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle/log"
)

// SweepOptions say how a sweep goes about.
type SweepOptions struct {
	// Rate is how many bytes the sweep writes in a second; 0 for as fast as it can.
	Rate int64
	// Officer is given the officer's copies of all certificates whose jobs the sweep
	// erases, before it does: afterwards nobody can write them again. If it fails, the
	// sweep stops. Nil: they are not kept.
	Officer func([]*erasure.Certificate) error
	// Progress is told how far a stage is. It must return soon. Nil: not told.
	Progress func(stage string, done, total uint64)
}

// SweepResult says what a sweep did.
type SweepResult struct {
	Index     uint64 // of the sweep record in the log
	Statement []byte // the record as it was published
	Record    certificate.SweepRecord
}

// ErrSweeping says that a sweep is running.
var ErrSweeping = erasure.ErrSweeping

// Sweep removes the traces of everything that was erased: whoever holds every byte
// that this ledger ever wrote, and the root it has afterwards, does not learn which
// erased entries belonged together, to whom, or to which request. It rewrites every
// sealed event under new masks, and puts random bytes in the place of erased ones;
// then the old masks are destroyed with the old root.
//
// Recording, reading and erasing go on meanwhile. A sweep that is interrupted goes on
// where it stopped with the next one. Of the backups from before it only the newest can
// be restored afterwards, see keystore.PrepareSweep; so make one behind it.
func (l *Ledger) Sweep(ctx context.Context, o SweepOptions) (*SweepResult, error) {
	end, err := l.startSweeper()
	if err != nil {
		return nil, err
	}
	defer end()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.life, func() { cancel(ErrClosed) })()
	s := l.sweeper
	s.o, s.due = o, time.Time{}
	defer s.end()
	if err := s.checkSpace(); err != nil {
		return nil, err
	}
	done, err := l.erasure.Sweep(ctx, erasure.SweepOptions{Officer: o.Officer})
	if err != nil {
		if errors.Is(err, context.Canceled) && context.Cause(ctx) == ErrClosed {
			err = ErrClosed
		}
		return nil, err
	}
	return &SweepResult{Index: done.Index, Statement: done.Statement, Record: done.Record}, nil
}

// startSweeper makes the caller the only one who sweeps, or changes what a sweep counts on,
// until end is called.
func (l *Ledger) startSweeper() (end func(), err error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	switch {
	case l.readOnly != nil:
		err = l.readOnly
	case !l.sweeper.running.TryLock():
		err = ErrSweeping
	}
	if err != nil {
		l.gate.leave()
		return nil, err
	}
	return func() {
		l.sweeper.running.Unlock()
		l.gate.leave()
	}, nil
}

// A sweeper is the ledger's half of a sweep: what package erasure asks for.
type sweeper struct {
	l       *Ledger
	running sync.Mutex
	lists   uint64 // list rows that may be in memory at once

	// Of the sweep that runs.
	o    SweepOptions
	g    uint32 // to which it leads
	next keystore.Mask
	cut  *cut
	kept *keptCut
	lost []*loss // as it was stated

	filler keystore.RowsKey // of the cut; see fill

	dueMu sync.Mutex
	due   time.Time // when more may be written
}

func (s *sweeper) progress(stage string, done, total uint64) {
	if s.o.Progress != nil {
		s.o.Progress(stage, done, total)
	}
}

// A SpaceError says that there is not enough room on the disk for a second generation.
type SpaceError struct{ Need, Free uint64 } // bytes; Free beyond what appends need

func (e *SpaceError) Error() string {
	return fmt.Sprintf("a sweep needs about %d MB on the disk until it ends, and %d MB are free beyond what recording needs", e.Need>>20, e.Free>>20)
}

// checkSpace refuses to begin where the next generation has no room beside this one.
// What an interrupted sweep has copied already counts.
func (s *sweeper) checkSpace() error {
	g := s.l.tree.Generation()
	size := func(from, to uint32) (n, free uint64, ok bool, err error) {
		var rows [][2][]byte
		for _, space := range []byte{spaceEnvelope, spaceList, spaceTags} {
			rows = append(rows, generations(space, from, to))
		}
		return s.l.log.Space(rows)
	}
	need, free, ok, err := size(g, g+1)
	if err != nil || !ok {
		return err
	}
	there, _, _, err := size(g+1, g+2)
	if need -= min(need, there); err == nil && need > free {
		err = &SpaceError{Need: need, Free: free}
	}
	return err
}

// end lets go of what a sweep held.
func (s *sweeper) end() {
	if s.cut != nil {
		s.cut.v.Close()
	}
	s.cut, s.kept, s.lost, s.o = nil, nil, nil, SweepOptions{}
}

// generations is the range of all rows of a kind of generations from one up to another,
// which is left out; 0 stands for all there are.
func generations(space byte, from, to uint32) [2][]byte {
	var p envelopePrefix
	p.put(from)
	p[0] = space
	q := p
	q.put(to)
	q[0] = space
	if to == 0 && space == spaceSweep {
		q.put(backupGeneration)
		q[0] = space
	} else if to == 0 {
		return [2][]byte{p[:], {space + 1}}
	}
	return [2][]byte{p[:], q[:]}
}

// sweepable are the kinds of rows that have a generation, but for those of the key tree.
var sweepable = []byte{spaceEnvelope, spaceList, spaceTags, spaceSweep}

func (s *sweeper) remove(ctx context.Context, from, to uint32) error {
	var c log.Change
	for _, space := range sweepable {
		c.DeleteRange = append(c.DeleteRange, generations(space, from, to))
	}
	t, err := enqueueChange(s.l.log, c)
	if err != nil {
		return err
	}
	return storeError(t.Wait(ctx))
}

func (s *sweeper) Clean(ctx context.Context, g uint32) error { return s.remove(ctx, g, 0) }

func (s *sweeper) Drop(ctx context.Context, g uint32) error {
	// What was still queued under the old generation has to be in the store before: the
	// log gathers the tags of a group behind everything else that is in it.
	t, err := enqueueChange(s.l.log, log.Change{Set: []log.Row{doneRow(g, s.l.log.Head().Size)}})
	if err != nil {
		return err
	}
	if err := t.Wait(ctx); err != nil {
		return storeError(err)
	}
	return s.remove(ctx, 0, g)
}

// follow makes the sweep one that leads to a generation.
func (s *sweeper) follow(g uint32) {
	s.g, s.next = g, s.l.tree.Mask(g)
	if w := *s.l.writing.Load(); w.next == nil {
		next := s.next
		w.next = &next
		s.l.rewrite(&w)
	}
}

func (s *sweeper) Begin(ctx context.Context, g uint32) error {
	s.follow(g)
	return s.mark(ctx, 0)
}

func (s *sweeper) Cut(ctx context.Context, id erasure.ID) (_ erasure.Cut, err error) {
	if _, err := s.l.tree.Keys(ctx, sweepSubject(id)); err != nil {
		return nil, fmt.Errorf("looking for the key of a sweep's bits: %w", err)
	}
	if s.lost, err = s.l.losses(ctx); err != nil {
		return nil, err
	}
	v := s.l.view()
	s.cut = s.newCut(v)
	s.cut.id, s.cut.lost = id, s.lost
	return s.cut, nil
}

// newCut returns a cut of what a view shows.
func (s *sweeper) newCut(v *view) *cut {
	size := v.Head().Size
	return &cut{s: s, v: v, size: size, next: s.next, living: newBitmap(size), twice: newBitmap(size)}
}

// keep makes a cut durable.
func (s *sweeper) keep(ctx context.Context, k *keptCut) error {
	l := s.l
	lease, err := l.tree.Use(ctx, sweepSubject(k.id), sweepCompartment, 0)
	if err != nil {
		return fmt.Errorf("making the key of a sweep's bits: %w", err)
	}
	defer lease.Done()
	if err := s.enqueueUnder(lease, k.row()); err != nil {
		return err
	}
	w := writer{s: s}
	for _, r := range append(k.erased.rows(lease, k.g, sweepRowBits, k.id), k.found.rows(lease, k.g, sweepRowFound, k.id)...) {
		if err := w.add(ctx, r); err != nil {
			return err
		}
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	s.kept = k
	return nil
}

// enqueueUnder queues a row together with the key that is new.
func (s *sweeper) enqueueUnder(lease *keystore.Lease, row log.Row) error {
	s.l.order.Lock()
	defer s.l.order.Unlock()
	set := []log.Row{row}
	took := lease.Pending()
	if took {
		for _, kv := range lease.TakePending() {
			set = append(set, log.Row{Key: kv.Key, Value: kv.Value})
		}
	}
	_, err := enqueueChange(s.l.log, log.Change{Set: set})
	if err != nil && took {
		lease.UntakePending()
	}
	return err
}

func (s *sweeper) Resume(ctx context.Context, g uint32, id erasure.ID) error {
	s.follow(g)
	lost, err := s.l.losses(ctx)
	if err != nil {
		return err
	}
	s.lost = lost
	v := s.l.view()
	defer v.Close()
	k, err := s.l.readCut(ctx, v, g)
	if err == nil && (k == nil || k.id != id) {
		err = errors.New("the cut of the sweep that was interrupted is not there")
	}
	s.kept = k
	return err
}

func (s *sweeper) Commit(ctx context.Context) (root certificate.Digest, paired *certificate.Digest, err error) {
	set, err := s.l.commitErased(s.g, s.kept.size, s.kept.erased)
	if err != nil {
		return root, nil, err
	}
	paired, err = s.l.pairSweeps(ctx, set)
	return set.Root(), paired, err
}

// commitErased commits to a set of erased entries under the blinding key of a
// generation.
func (l *Ledger) commitErased(g uint32, size uint64, erased bitmap) (*certificate.ErasedSet, error) {
	if _, err := l.tree.Blind(g, 0); err != nil {
		return nil, err
	}
	return certificate.NewErasedSet(g, size, erased.get, func(i uint64) [32]byte {
		b, _ := l.tree.Blind(g, i) // it has the key
		return b
	})
}

// Keep names the generation of the newest backup, as long as it can still be read;
// where nobody has made one, the current.
func (s *sweeper) Keep(ctx context.Context) (uint32, error) {
	backup, err := s.l.backedUp(ctx)
	if err != nil {
		return 0, err
	}
	if earlier := s.l.tree.Restorable(); backup != 0 && backup == earlier {
		return earlier, nil
	}
	return s.l.tree.Generation(), nil
}

// errSweptMeanwhile is what meets a backup that a sweep has made unreadable.
var errSweptMeanwhile = &BusyError{What: "a sweep has ended meanwhile, or is about to, and nobody could read the backup"}

// noteBackup remembers under which generation the newest backup is.
func (l *Ledger) noteBackup(ctx context.Context, g uint32) error {
	if l.readOnly != nil {
		return nil
	}
	// A sweep that is about to end has decided already which generation it keeps.
	return l.erasure.Exclusive(func() error {
		current := l.tree.Generation()
		prepared, err := erasure.SweepPrepared(ctx, treeRows{l.log}, current+1)
		if err != nil {
			return err
		}
		if prepared || g != current && g != l.tree.Restorable() {
			return errSweptMeanwhile
		}
		row := log.Row{Key: sweepRowKey(backupGeneration, sweepRowBackup), Value: binary.BigEndian.AppendUint32(nil, g)}
		t, err := enqueueChange(l.log, log.Change{Set: []log.Row{row}})
		if err != nil {
			return err
		}
		return storeError(t.Wait(ctx))
	})
}

// Outdated lists the keys of the bits of earlier cuts.
func (s *sweeper) Outdated(ctx context.Context) (refs []keystore.Ref, err error) {
	seen := map[erasure.ID]bool{s.kept.id: true}
	err = s.l.log.Scan(ctx, []byte{spaceSweep}, []byte{spaceSweep + 1}, func(k, _ []byte) error {
		if len(k) < 6+16 || k[5] != sweepRowBits || seen[erasure.ID(k[6:22])] {
			return nil
		}
		id := erasure.ID(k[6:22])
		seen[id] = true
		keys, err := s.l.tree.Keys(ctx, sweepSubject(id))
		for _, k := range keys {
			refs = append(refs, k.Ref)
		}
		if errors.Is(err, keystore.ErrPageMissing) {
			return nil // they go with their page
		}
		return err
	})
	return refs, err
}

func (s *sweeper) Switch() {
	if w := s.l.writing.Load(); w.next != nil {
		s.l.rewrite(&writing{mask: *w.next})
	}
}
