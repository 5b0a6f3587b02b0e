package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/envelope"
)

// A SweptReport says what a search for traces found.
type SweptReport struct {
	*FsckReport
	Generation uint32
	Swept      uint64 // entries that the last sweep replaced
	Tried      uint64 // of those, sealed events that were tried under every living key
}

// triesMost bounds how often an erased event is tried under a living key, about a
// microsecond each. In a large ledger, erased entries are drawn at random.
const triesMost = 1 << 24

// VerifySwept searches for what a sweep should have left nothing of: it is Fsck, and
// also looks for rows of generations that are gone, for erased entries that a living
// key lists or opens, and compares the erased set with what does not open.
func (l *Ledger) VerifySwept(ctx context.Context, progress func(stage string, done, total uint64)) (*SweptReport, error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	if progress == nil {
		progress = func(string, uint64, uint64) {}
	}
	f, err := l.Fsck(ctx, progress)
	if err != nil {
		return nil, err
	}
	r := &SweptReport{FsckReport: f}
	var erased bitmap
	var size uint64
	if r.Generation, size, erased, err = l.sweptBits(ctx); err != nil {
		r.problem("the erased set of the last sweep: %v", err)
		return r, nil
	}
	r.Swept = erased.count()
	if size > f.Size {
		r.problem("the last sweep saw %d entries, the log has %d", size, f.Size)
		return r, nil
	}
	for i := range size {
		if erased.get(i) && f.opened[i] {
			r.problem("entry %d was swept, and a living key lists it", i)
		}
	}
	if err := l.oldRows(ctx, r); err != nil {
		return nil, err
	}
	return r, l.tryErased(ctx, r, erased, size, progress)
}

// oldRows looks for rows of a generation that is neither current nor being filled.
func (l *Ledger) oldRows(ctx context.Context, r *SweptReport) error {
	last := max(r.Generation, l.tree.Opened())
	for _, space := range append([]byte{spaceKeys}, sweepable...) {
		if space == spaceKeys && last > r.Generation {
			last = r.Generation
		}
		for _, old := range [][2][]byte{generations(space, 0, r.Generation), generations(space, last+1, 1<<32-1)} {
			stop := errors.New("found")
			err := l.log.Scan(ctx, old[0], old[1], func(k, _ []byte) error {
				r.problem("a row %q of generation %d is left", space, binary.BigEndian.Uint32(k[1:]))
				return stop
			})
			if err != nil && err != stop {
				return err
			}
		}
	}
	return nil
}

// tryErased tries erased events under every living key.
func (l *Ledger) tryErased(ctx context.Context, r *SweptReport, erased bitmap, size uint64, progress func(string, uint64, uint64)) error {
	most := triesMost / max(r.Keys, 1)
	v := l.view()
	defer v.Close()
	if v.generation() != r.Generation {
		return &BusyError{What: "a sweep has ended meanwhile"}
	}
	type event struct {
		index uint64
		env   []byte
	}
	var events []event
	for i, left := uint64(0), r.Swept; i < size; i++ {
		if !erased.get(i) {
			continue
		}
		if want := most - min(most, uint64(len(events))); want < left && rand.Uint64N(left) >= want {
			left--
			continue
		}
		left--
		leaf, err := v.Leaf(ctx, i)
		if err != nil {
			return err
		}
		env, err := l.envelope(ctx, v, i, leaf)
		if err != nil {
			r.problem("entry %d: %v", i, err)
			continue
		}
		events = append(events, event{i, env})
	}
	r.Tried = uint64(len(events))
	seen := uint64(0)
	return l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		lease, err := l.leaseLiving(ctx, k.Ref)
		if lease == nil {
			return err
		}
		defer lease.Done()
		for i := range events {
			if envelope.Opens(lease, events[i].env) {
				r.problem("entry %d was swept, and a living key opens it", events[i].index)
			}
		}
		seen++
		progress("tries", seen, max(r.Keys, seen))
		return ctx.Err()
	})
}

// String sums a report up in a line.
func (r *SweptReport) String() string {
	return fmt.Sprintf("generation %d: %d of %d entries are erased, %d of them swept; nothing opens them, and no row of an earlier generation is left", r.Generation, r.Erased, r.Size, r.Swept)
}
