package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/merkle"
)

// saveEvery is after how many bundles a state is written: 65,536 entries.
const saveEvery = 256

// An Auditor reads a log from one source and compares it with what it remembers.
// It is not safe for concurrent use.
type Auditor struct {
	Source Source
	Log    *Log
	State  *StateFile
	// Parallel is how many files are fetched at once. Default 16.
	Parallel int
	// Progress, if not nil, is called with the number of entries that have been
	// verified and of those that the head covers.
	Progress func(done, total uint64)

	saveEvery uint64 // for tests
}

// A Report says what a round has found, all of it verified.
type Report struct {
	Head merkle.Checkpoint
	// New is how many entries were verified in this round. Those of a bundle that
	// was not full before are verified again when it has grown.
	New uint64
	// Follows is true if an earlier head was remembered, which this one follows.
	Follows bool
	// Written is how many files a mirror has written.
	Written uint64
	// Signed is the head as it was shown.
	Signed []byte
}

// Round fetches the head that the source shows and verifies what is new since
// the last one: every entry, bundle and tile that the head covers and no head
// before it did. From an empty state that is the whole log.
//
// The error is a *[MismatchError] if the source holds something else than the log
// signed, a *[ConflictError] if the log has signed heads that do not follow each
// other, a *[StateError] if the state does not belong to the log, and an
// *[UnreachableError] if the source could not be asked. What was verified before
// an error, or before ctx ended, is remembered, and the next round goes on from
// there.
func (a *Auditor) Round(ctx context.Context) (Report, error) {
	s := a.State.State()
	verified, seen, err := s.heads(a.Log)
	if err != nil {
		return Report{}, &StateError{File: a.State.path, Err: err}
	}
	shown, err := a.Log.fetchHead(ctx, a.Source)
	if err != nil {
		return Report{}, err
	}
	if len(verified.signed) > 0 && shown.Checkpoint.Size == verified.Size && shown.Root == verified.Root && verified.Size == seen.Size {
		// Nothing is new but, at most, who cosigned it.
		if s.Head != string(shown.signed) {
			s.Head = string(shown.signed)
			err = a.State.save(s)
		}
		a.progress(shown.Size, shown.Size)
		return Report{Head: shown.Checkpoint, Signed: shown.signed, Follows: true}, err
	}
	v, err := a.Log.follow(ctx, a.Source, a.Source, seen, shown)
	if err != nil {
		return Report{}, err
	}
	// From here on it is known that the log has come this far, whatever happens.
	s.Seen = string(shown.signed)
	if err := a.State.save(s); err != nil {
		return Report{}, err
	}
	from := s.Bundles
	if err := a.read(ctx, v, &s); err != nil {
		return Report{}, err
	}
	s.Head, s.Seen = s.Seen, ""
	if err := a.State.save(s); err != nil {
		return Report{}, err
	}
	return Report{Head: shown.Checkpoint, Signed: shown.signed, New: shown.Size - from*merkle.TileWidth, Follows: len(seen.signed) > 0}, nil
}

// read verifies the tree below a head from the first bundle that is not yet
// verified, and moves the state along.
func (a *Auditor) read(ctx context.Context, v *view, s *State) error {
	// A compact range of bundles is one of entries, 256 times as long.
	rng, err := merkle.NewRange(s.Bundles, s.Range)
	if err != nil {
		return &StateError{File: a.State.path, Err: err}
	}
	if err := a.checkRange(ctx, v, rng); err != nil {
		return err
	}
	every := a.saveEvery
	if every == 0 {
		every = saveEvery
	}
	a.progress(s.Bundles*merkle.TileWidth, v.head.Size)
	err = v.walk(ctx, s.Bundles, parallel(a.Parallel), func(index uint64, root merkle.Hash) error {
		rng.Append(root, nil)
		s.Bundles = index + 1
		a.progress(s.Bundles*merkle.TileWidth, v.head.Size)
		if s.Bundles%every == 0 {
			s.Range = rng.Hashes()
			return a.State.save(*s)
		}
		return nil
	})
	// What has been verified is remembered, also when the rest could not be.
	s.Range = rng.Hashes()
	if err != nil {
		return errors.Join(err, a.State.save(*s))
	}
	leaves, err := v.obtainEdge(ctx)
	if err != nil {
		return errors.Join(err, a.State.save(*s))
	}
	a.progress(v.head.Size, v.head.Size)
	return checkRoot(v.head, rng, leaves)
}

// checkRange compares the range of a state with the tree. That tree follows the
// heads of the state, so if they differ, it is the state that is wrong.
func (a *Auditor) checkRange(ctx context.Context, v *view, rng *merkle.Range) error {
	size := rng.Size() * merkle.TileWidth
	root, err := v.rootAt(ctx, size)
	if err != nil {
		return err
	}
	if rng.Root() != root {
		return &StateError{File: a.State.path, Err: fmt.Errorf("its range leads to root %s at size %d, the tree of its own heads has %s", rng.Root(), size, root)}
	}
	return nil
}

func (a *Auditor) progress(done, total uint64) {
	if a.Progress != nil {
		a.Progress(done, total)
	}
}

func parallel(n int) int {
	if n <= 0 {
		return defaultParallel
	}
	return n
}

// checkRoot computes the root from the entries alone: the range of the full
// bundles, continued by the leaves of the partial one.
func checkRoot(h head, bundles *merkle.Range, leaves []merkle.Hash) error {
	rng, err := merkle.NewRange(bundles.Size()*merkle.TileWidth, bundles.Hashes())
	if err != nil {
		return err
	}
	for _, l := range leaves {
		rng.Append(l, nil)
	}
	if rng.Size() != h.Size || rng.Root() != h.Root {
		return &MismatchError{Place: "checkpoint",
			What: fmt.Sprintf("it is signed for size %d and root %s, %d entries have root %s", h.Size, h.Root, rng.Size(), rng.Root())}
	}
	return nil
}
