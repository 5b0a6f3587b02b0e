package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// A cosignature says that its maker had seen no larger tree of the log by then. The
// first ones of a head say best when its entries were there already, and they stay.
// When the next entry was not there yet, the last ones say best: where nothing is
// appended for a week, the first are a week old. So witnesses are asked for an
// unchanged head again, and the newest answers that satisfy the policy are kept in a
// row of their own, beside the first.

const archiveLatestSpace = 'l' // the second byte of the key of a head with its newest cosignatures

func latestKey(size uint64) []byte { return archiveSubkey(archiveLatestSpace, size) }

// askAgain begins a new round of questions for a head that is archived, when the last
// is long ago.
func (p *publisher) askAgain() {
	if !p.pending.archived || p.o.Refresh < 0 || len(p.o.Witnesses) == 0 || time.Since(p.signed) < p.o.Refresh || slices.Contains(p.pending.answered, false) {
		return
	}
	p.signed = time.Now()
	p.pending.again = p.pending.own
	clear(p.pending.answered)
}

// archiveAgain makes the newest cosignatures of a head durable, if there are enough.
func (p *publisher) archiveAgain(ctx context.Context, of *pending) error {
	again, size := of.again, of.head.Size
	if again == nil || bytes.Equal(again, of.own) || p.satisfied(again) != nil {
		return nil
	}
	if err := p.writeOwn(ctx, &Change{Set: []Row{{Key: latestKey(size), Value: again}}}); err != nil {
		return fmt.Errorf("archiving the head of size %d anew: %w", size, err)
	}
	p.opts.seams.publishing("archived again")
	if !slices.Contains(of.answered, false) {
		of.again = nil
	}
	return nil
}

// latest returns an archived head with its newest cosignatures.
func (l *Log) latest(d rowReader, h Head) (Head, error) {
	if h.Signed == nil {
		return h, nil
	}
	b, err := get(d, latestKey(h.Size))
	if errors.Is(err, ErrNotFound) {
		return h, nil
	}
	if err != nil {
		return Head{}, fmt.Errorf("newest cosignatures of size %d: %w", h.Size, err)
	}
	c, err := merkle.OpenCheckpoint(b, l.meta.origin, l.verifier)
	if err == nil && (c.Size != h.Size || c.Root != h.Root) {
		err = errors.New("they are of another head")
	}
	if err != nil {
		return Head{}, fmt.Errorf("newest cosignatures of size %d: %w: %w", h.Size, ErrCorrupt, err)
	}
	return Head{Checkpoint: c, Signed: b}, nil
}
