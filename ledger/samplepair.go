package ledger

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"

	"github.com/lacunalog/lacuna/erasure/certificate"
)

// pairedOpenings shows that what the sweep before committed to as erased is still erased in the set of the
// sweep that is under way, writes that beside the ledger's other files, and returns the digest for the
// sweep record. It is nil where there was no sweep before. Both sets must still be able to prove, so it is
// called before the old blinding key dies; it may be called again where a sweep starts over, until its
// record is fixed.
func (l *Ledger) pairedOpenings(ctx context.Context, before, after *certificate.ErasedSet) (*certificate.Digest, error) {
	if before == nil {
		return nil, nil
	}
	// A head that covers the cut, with cosignatures where there are witnesses: it chooses the leaves, and
	// nobody alone has chosen it.
	head := l.log.Head()
	if n := after.Size(); n > 0 {
		var err error
		if head, _, err = l.headFor(ctx, n-1); err != nil {
			return nil, fmt.Errorf("choosing leaves for paired openings: %w", err)
		}
	}
	p, err := certificate.Pair(l.origin, before, after, head.Signed)
	if err != nil {
		return nil, err
	}
	text, err := p.Marshal()
	if err != nil {
		return nil, err
	}
	if err := writeFile(l.pairedFile(after.Generation()), text, 0o600); err != nil {
		return nil, fmt.Errorf("writing paired openings: %w", err)
	}
	d := certificate.Digest(sha256.Sum256(text))
	return &d, nil
}

// pairedFile is where the paired openings of the sweep to a generation are.
func (l *Ledger) pairedFile(g uint32) string {
	return filepath.Join(l.dir, fmt.Sprintf("paired-%d.json", g))
}
