package log

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/merkle"
)

func publishedPlace(size uint64) string { return fmt.Sprintf("published head %d", size) }

// isArchiveKey knows the rows of published heads and of what belongs to them.
func isArchiveKey(key []byte) bool {
	_, policy := parseArchiveSubkey(key, archivePolicySpace)
	_, err := parseIndexKey(key, spaceHead)
	_, latest := parseArchiveSubkey(key, archiveLatestSpace)
	return policy || latest || err == nil || bytes.Equal(key, aheadKey)
}

// readArchive checks the signatures of every published head, and that it satisfied
// the policy of its time. Roots are compared when the range passes their sizes.
func (f *fsck) readArchive(ctx context.Context) error {
	if err := f.readAhead(); err != nil {
		return err
	}
	// Policies lie behind the heads, and there are few.
	policies := map[uint64]*merkle.Policy{}
	var from []uint64
	err := f.each(ctx, spaceHead, []byte{spaceHead, archivePolicySpace}, func(key, v []byte) {
		size, ok := parseArchiveSubkey(key, archivePolicySpace)
		if !ok {
			return
		}
		from = append(from, size)
		if len(v) == 0 {
			return // from here on there was none
		}
		p, err := merkle.ParsePolicy(v)
		if err != nil {
			f.fault(publishedPlace(size), "its policy: %v", err)
			return
		}
		policies[size] = p
	})
	if err != nil {
		return err
	}
	// The policy may have changed since the head was published, and it was held to the
	// one in force when its cosignatures came.
	err = f.each(ctx, spaceHead, []byte{spaceHead, archiveLatestSpace}, func(key, v []byte) {
		if size, ok := parseArchiveSubkey(key, archiveLatestSpace); ok {
			f.publishedHead(size, v, nil)
		}
	})
	if err != nil {
		return err
	}
	var p *merkle.Policy
	defer func() {
		slices.SortFunc(f.archived, func(a, b merkle.Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	}()
	return f.each(ctx, spaceHead, []byte{spaceHead, 0}, func(key, v []byte) {
		size, err := parseIndexKey(key, spaceHead)
		if err != nil {
			return // a row of another kind
		}
		for len(from) > 0 && from[0] <= size {
			p, from = policies[from[0]], from[1:]
		}
		f.publishedHead(size, v, p)
	})
}

func (f *fsck) publishedHead(size uint64, signed []byte, p *merkle.Policy) {
	place := publishedPlace(size)
	c, err := merkle.OpenCheckpoint(signed, f.meta.origin, f.verifier)
	switch {
	case err != nil:
		f.fault(place, "%v", err)
		return
	case c.Size != size:
		f.fault(place, "is signed for size %d", c.Size)
		return
	case size > f.size:
		f.fault(place, "the log has %d leaves", f.size)
		return
	}
	if p != nil {
		if _, _, err := p.Check(signed, f.meta.origin, f.verifier); err != nil {
			f.fault(place, "%v", err)
		}
	}
	f.archived = append(f.archived, c)
}

// passedArchived compares the published heads whose size the range has reached.
func (f *fsck) passedArchived() {
	for len(f.archived) > 0 && f.archived[0].Size <= f.rng.Size() {
		c := f.archived[0]
		f.archived = f.archived[1:]
		if f.broke || c.Size < f.rng.Size() {
			continue // no root can be derived
		}
		if root := f.rng.Root(); root != c.Root {
			f.fault(publishedPlace(c.Size), "says root %s, the leaves have %s", c.Root, root)
		}
	}
}

// readAhead says what a witness said. In an open log the publisher has judged it,
// by whether the witness is still believed.
func (f *fsck) readAhead() error {
	const place = "witness"
	if f.behind != nil {
		f.fault(place, "%v", f.behind)
		return nil
	}
	b, err := get(f.rows, aheadKey)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return f.unreadable(place, err)
	}
	row, err := parseAheadRow(b, f.meta.origin, f.verifier)
	if err != nil {
		f.fault(place, "%v", err)
	} else if f.head == nil && row.known.Size <= f.size {
		f.archived = append(f.archived, row.known) // its root is compared with the others'
	} else if f.head == nil {
		f.fault(place, "%q has cosigned a head of %d leaves, the log has %d", row.witness, row.known.Size, f.size)
	}
	return nil
}
