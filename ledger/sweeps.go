package ledger

import (
	"context"
	"fmt"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger/envelope"
)

// A SweepRecord is the record of a sweep, and the entry of the log that it is.
type SweepRecord struct {
	certificate.SweepRecord
	Index uint64
}

// SweepRecords returns the records of all sweeps, the newest first. Each is verified with a proof of its entry.
func (l *Ledger) SweepRecords(ctx context.Context) (records []SweepRecord, err error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	err = l.sweepRecords(ctx, func(r SweepRecord) bool {
		records = append(records, r)
		return true
	})
	return records, err
}

// sweepRecords calls f with the records of sweeps, the newest first, until it returns false.
func (l *Ledger) sweepRecords(ctx context.Context, f func(SweepRecord) bool) error {
	return l.publicStatements(ctx, func(index uint64, text []byte) bool {
		// A statement of another type is none, and there are many.
		r, err := certificate.ParseSweepRecord(text)
		return err != nil || f(SweepRecord{*r, index})
	})
}

// lastErasedSet returns the erased set of the last sweep and the entry of its record; nil where there was
// none. It is computed from the bits that the sweep kept, and must be the one that it published.
func (l *Ledger) lastErasedSet(ctx context.Context) (record uint64, set *certificate.ErasedSet, err error) {
	g, size, erased, err := l.sweptBits(ctx)
	if err != nil {
		return 0, nil, fmt.Errorf("reading what the last sweep erased: %w", err)
	}
	if size == 0 {
		return 0, nil, nil
	}
	var found *SweepRecord
	err = l.sweepRecords(ctx, func(r SweepRecord) bool {
		if r.Generation == g {
			found = &r
		}
		return found == nil && r.Generation > g
	})
	if err != nil {
		return 0, nil, fmt.Errorf("looking for the record of the last sweep: %w", err)
	}
	if found == nil {
		return 0, nil, &BusyError{What: "the record of the last sweep is not in the log yet"}
	}
	if set, err = l.commitErased(g, size, erased); err != nil {
		return 0, nil, fmt.Errorf("committing to what the last sweep erased: %w", err)
	}
	if set.Ref() != found.Set() {
		return 0, nil, fmt.Errorf("what the ledger keeps of the last sweep is not what its record, entry %d, says", found.Index)
	}
	return found.Index, set, nil
}

// publicReceipt returns a proof of a public statement.
func (l *Ledger) publicReceipt(ctx context.Context, index uint64) ([]byte, error) {
	leaf, err := l.log.Leaf(ctx, index)
	if err != nil {
		return nil, err
	}
	opening, err := envelope.OpenPublic(leaf)
	if err != nil {
		return nil, err
	}
	head, _, err := l.headFor(ctx, index)
	if err != nil {
		return nil, err
	}
	return l.proofUnder(ctx, index, opening, head)
}

// pairSweeps makes the paired openings of the last sweep and of the one that is under way.
func (l *Ledger) pairSweeps(ctx context.Context, after *certificate.ErasedSet) (*certificate.Digest, error) {
	_, before, err := l.lastErasedSet(ctx)
	if err != nil {
		return nil, err
	}
	return l.pairedOpenings(ctx, before, after)
}
