package audit

import (
	"context"
	"errors"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// follow finds out whether the head that is shown follows the one that is known,
// and returns the tree below it. If it does not, the error is a *ConflictError
// with what shows it.
//
// known may be the head of size 0, which every head follows. Its tree, which is
// looked at if an older head is shown, is read from mine.
func (l *Log) follow(ctx context.Context, src, mine Source, known, shown head) (*view, error) {
	switch {
	case shown.Size < known.Size:
		err := l.older(ctx, mine, known, shown)
		if e, ok := errors.AsType[*ConflictError](err); ok {
			e.Evidence.Source = src.String()
		}
		return nil, err
	case shown.Size == known.Size && shown.Root != known.Root:
		// The two heads alone show it. No tile could show more.
		return nil, l.conflict(Evidence{Kind: Fork}, src, known, shown)
	}
	v, err := newView(ctx, src, shown)
	if mismatch, ok := errors.AsType[*MismatchError](err); ok && mismatch.Place == "checkpoint" && known.Size > 0 {
		return nil, l.conflict(Evidence{Kind: Unshown, What: mismatch.Error()}, src, known, shown)
	}
	if err != nil {
		return nil, err
	}
	root, err := v.rootAt(ctx, known.Size)
	if err != nil || root == known.Root {
		return v, err
	}
	proof, err := merkle.ConsistencyProof(ctx, known.Size, shown.Size, v.tiles)
	if err != nil {
		return nil, err
	}
	return nil, l.conflict(Evidence{Kind: Fork, Root: &root, Proof: proof}, src, known, shown)
}

// older returns what an older head than the known one is.
func (l *Log) older(ctx context.Context, src Source, known, shown head) error {
	var (
		root  merkle.Hash
		proof []merkle.Hash
	)
	v, err := newView(ctx, src, known)
	if err == nil {
		root, err = v.rootAt(ctx, shown.Size)
	}
	if err == nil {
		proof, err = merkle.ConsistencyProof(ctx, shown.Size, known.Size, v.tiles)
	}
	if mismatch, ok := errors.AsType[*MismatchError](err); ok {
		// The larger tree is no longer served: a copy from before, or a fork
		// that has not grown as long.
		return l.conflict(Evidence{Kind: Unshown, What: mismatch.Error()}, src, known, shown)
	}
	if err != nil {
		return err
	}
	if root != shown.Root {
		return l.conflict(Evidence{Kind: Fork, Root: &root, Proof: proof}, src, known, shown)
	}
	return l.conflict(Evidence{Kind: Older, Proof: proof}, src, known, shown)
}

func (l *Log) conflict(e Evidence, src Source, known, shown head) error {
	e.Format, e.Origin, e.VKey, e.Source = evidenceFormat, l.Origin, l.VKey, src.String()
	e.Found = time.Now().UTC().Format(time.RFC3339)
	e.Remembered, e.Shown = string(known.signed), string(shown.signed)
	e.known, e.shown = known.Checkpoint, shown.Checkpoint
	return &ConflictError{Evidence: &e}
}
