package log

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/merkle"
)

// readHead reads the stored checkpoint before the leaves, because its root can
// only be compared when the range passes its size.
func (f *fsck) readHead() error {
	const place = "stored checkpoint"
	b, err := get(f.rows, headKey)
	if errors.Is(err, ErrNotFound) {
		f.fault(place, "missing")
		return nil
	}
	if err != nil {
		return f.unreadable(place, err)
	}
	c, err := merkle.OpenCheckpoint(b, f.meta.origin, f.verifier)
	if err != nil {
		f.fault(place, "%v", err)
		return nil
	}
	if c.Size > f.size {
		f.fault(place, "is of %d leaves, the log has %d", c.Size, f.size)
		return nil
	}
	f.stored = &c
	f.passed()
	return nil
}

// unreadable notes a row that is damaged, and returns other errors.
func (f *fsck) unreadable(place string, err error) error {
	if errors.Is(err, ErrCorrupt) {
		f.fault(place, "%v", err)
		return nil
	}
	return fmt.Errorf("%s: %w", place, err)
}

// passed compares the stored checkpoint when the range has reached its size.
func (f *fsck) passed() {
	f.passedArchived()
	if f.stored == nil || f.rng.Size() != f.stored.Size || f.broke {
		return
	}
	if root := f.rng.Root(); root != f.stored.Root {
		f.fault("stored checkpoint", "says root %s at size %d, the leaves have %s", f.stored.Root, f.stored.Size, root)
	}
}

func (f *fsck) bundle(n uint64) error {
	place := bundlePath(n)
	b, err := get(f.rows, bundleKey(n))
	var hashes []merkle.Hash
	switch {
	case errors.Is(err, ErrNotFound):
		f.fault(place, "missing")
	case err != nil:
		if err := f.unreadable(place, err); err != nil {
			return err
		}
	default:
		if hashes, err = f.entries(b, merkle.TileWidth); err != nil {
			f.fault(place, "%v", err)
		}
	}
	return f.leaves(n, hashes, merkle.TileWidth)
}

func (f *fsck) entries(b []byte, width int) ([]merkle.Hash, error) {
	i := 0
	for e, err := range merkle.BundleEntries(b, width) {
		if err != nil {
			return nil, err
		}
		if len(e) == 0 {
			return nil, fmt.Errorf("entry %d is empty", i)
		}
		i++
	}
	return merkle.BundleHashes(b, width)
}

// tail reads the leaves behind the last full bundle.
func (f *fsck) tail(n uint64) error {
	width := int(f.size % merkle.TileWidth)
	first := n * merkle.TileWidth
	place := fmt.Sprintf("chunk %d", first)
	b, have, err := f.rows.chunks(first)
	if f.lags {
		// The group that was not published may have completed the bundle.
		if full, ferr := get(f.rows, bundleKey(n)); ferr == nil {
			b, have, err = full, merkle.TileWidth, nil
		}
	}
	if err != nil {
		if err := f.unreadable(place, err); err != nil {
			return err
		}
		return f.leaves(n, nil, width)
	}
	if have < width || have > width && !f.lags {
		f.fault(place, "%d leaves behind the last bundle, want %d", have, width)
	}
	if have < width {
		return f.leaves(n, nil, width)
	}
	if width == 0 {
		return nil
	}
	if b, err = prefixOfBundle(b, width); err != nil {
		f.fault(place, "%v", err)
		return f.leaves(n, nil, width)
	}
	hashes, err := f.entries(b, width)
	if err != nil {
		f.fault(place, "%v", err)
	}
	if f.edge != nil && !bytes.Equal(f.edge.bundle, b) {
		f.fault(place, "differs from the leaves in memory")
	}
	return f.leaves(n, hashes, width)
}

// leaves takes the leaf hashes of one bundle, nil if they could not be read, and
// compares the tiles that they complete.
func (f *fsck) leaves(n uint64, hashes []merkle.Hash, width int) error {
	if hashes == nil {
		// From here on roots cannot be derived, but bundles and tiles can still be
		// compared, each with the ones below it.
		f.broke = f.broke || width > 0
		if width < merkle.TileWidth {
			return nil
		}
		return f.complete(1, n, nil)
	}
	for _, h := range hashes {
		f.rng.Append(h, nil)
		f.passed()
	}
	if width < merkle.TileWidth {
		return nil
	}
	root := merkle.HashTile(hashes)
	return f.complete(1, n, &root)
}

// complete adds the hash of a tile to the level above; nil stands for one that
// is not known.
func (f *fsck) complete(level int, n uint64, root *merkle.Hash) error {
	var h merkle.Hash
	if root != nil {
		h = *root
	}
	f.levels[level] = append(f.levels[level], h)
	if len(f.levels[level]) < merkle.TileWidth {
		return nil
	}
	derived := f.levels[level]
	f.levels[level] = nil
	t := merkle.Tile{Level: level, Index: n / merkle.TileWidth, Width: merkle.TileWidth}
	place := t.Path()
	b, err := get(f.rows, tileKey(t.Level, t.Index))
	switch {
	case errors.Is(err, ErrNotFound):
		f.fault(place, "missing")
	case err != nil:
		if err := f.unreadable(place, err); err != nil {
			return err
		}
	default:
		f.compareTile(t, b, derived)
	}
	for _, d := range derived {
		if d == (merkle.Hash{}) {
			return f.complete(level+1, t.Index, nil)
		}
	}
	above := merkle.HashTile(derived)
	return f.complete(level+1, t.Index, &above)
}

func (f *fsck) compareTile(t merkle.Tile, b []byte, derived []merkle.Hash) {
	stored, err := merkle.ParseTile(b, merkle.TileWidth)
	if err != nil {
		f.fault(t.Path(), "%v", err)
		return
	}
	for i, h := range stored {
		if derived[i] == (merkle.Hash{}) || h == derived[i] {
			continue
		}
		child := t.Index*merkle.TileWidth + uint64(i)
		below := bundlePath(child)
		if t.Level > 1 {
			below = merkle.Tile{Level: t.Level - 1, Index: child, Width: merkle.TileWidth}.Path()
		}
		f.fault(t.Path(), "hash %d is %s, but %s has %s", i, h, below, derived[i])
		return
	}
}
