package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/lacunalog/lacuna/merkle"
)

// A Fault is one thing that is wrong with a log.
type Fault struct {
	// Place names it: the path of a bundle or tile as it is served, "chunk 512",
	// "stored checkpoint", "head".
	Place string
	// What says what is wrong, in a sentence without a full stop.
	What string
}

func (f Fault) String() string { return f.Place + ": " + f.What }

// maxFaults is how many faults an FsckError lists. A log whose every bundle is
// damaged has been shown to be so by then.
const maxFaults = 1000

// An FsckError lists the faults of a log in the order in which they were found:
// leaves from the first to the last, then tiles, then checkpoints.
type FsckError struct {
	Faults []Fault
	// More is true if there are more than are listed.
	More bool
}

func (e *FsckError) Error() string {
	s := fmt.Sprintf("%d faults, the first: %s", len(e.Faults), e.Faults[0])
	if len(e.Faults) == 1 {
		s = e.Faults[0].String()
	}
	if e.More {
		s = "more than " + s
	}
	return s
}

// Unwrap makes errors.Is(err, ErrCorrupt) true.
func (e *FsckError) Unwrap() error { return ErrCorrupt }

// Fsck reads every leaf up to the newest head and derives from them alone what
// the log must hold: bundles without gap, tiles of all levels, the roots of the
// stored checkpoint and of the head, and their signatures. What is wrong comes
// back as an *[FsckError]; any other error says why it could not look. Progress,
// if not nil, is called with the number of leaves read.
func (l *Log) Fsck(ctx context.Context, progress func(done, total uint64)) error {
	s := l.Snapshot()
	defer s.Close()
	if err := s.ready(ctx); err != nil {
		return fmt.Errorf("fsck: %w", err)
	}
	f := &fsck{s: s, rows: rowReader{s.v.snap}}
	if err := f.run(ctx, progress); err != nil {
		return fmt.Errorf("fsck: %w", err)
	}
	if len(f.faults) > 0 {
		return &FsckError{Faults: f.faults, More: f.more}
	}
	return nil
}

type fsck struct {
	s    *Snapshot
	rows rowReader

	faults []Fault
	more   bool

	size  uint64 // of the head
	broke bool   // a leaf is unreadable, so no root can be derived
	rng   merkle.Range
	// levels[l] has the hashes of level l that the next tile is made of.
	levels [maxLevels][]merkle.Hash
	stored *merkle.Checkpoint
}

func (f *fsck) fault(place, format string, args ...any) {
	if len(f.faults) == maxFaults {
		f.more = true
		return
	}
	f.faults = append(f.faults, Fault{place, fmt.Sprintf(format, args...)})
}

func (f *fsck) run(ctx context.Context, progress func(done, total uint64)) error {
	f.size = f.s.v.edge.size
	if err := f.readHead(); err != nil {
		return err
	}
	full := f.size / merkle.TileWidth
	for n := range full {
		if err := f.s.ready(ctx); err != nil {
			return err
		}
		if err := f.bundle(n); err != nil {
			return err
		}
		if progress != nil {
			progress((n+1)*merkle.TileWidth, f.size)
		}
	}
	if err := f.tail(full); err != nil {
		return err
	}
	if progress != nil {
		progress(f.size, f.size)
	}
	if err := f.strays(ctx); err != nil {
		return err
	}
	f.checkRoots()
	return nil
}

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
	c, err := merkle.OpenCheckpoint(b, f.s.log.meta.origin, f.s.log.verifier)
	if err != nil {
		f.fault(place, "%v", err)
		return nil
	}
	if c.Size > f.size {
		f.fault(place, "is of %d leaves, the head of %d", c.Size, f.size)
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
	hashes := make([]merkle.Hash, 0, width)
	for e, err := range merkle.BundleEntries(b, width) {
		if err != nil {
			return nil, err
		}
		if len(e) == 0 {
			return nil, fmt.Errorf("entry %d is empty", len(hashes))
		}
		hashes = append(hashes, merkle.LeafHash(e))
	}
	return hashes, nil
}

// tail reads the leaves behind the last full bundle.
func (f *fsck) tail(n uint64) error {
	width := int(f.size % merkle.TileWidth)
	first := n * merkle.TileWidth
	place := fmt.Sprintf("chunk %d", first)
	b, have, err := f.rows.chunks(first)
	if err != nil {
		if err := f.unreadable(place, err); err != nil {
			return err
		}
		return f.leaves(n, nil, width)
	}
	if have < width {
		f.fault(place, "%d leaves behind the last bundle, the head has %d", have, width)
		return f.leaves(n, nil, width)
	}
	if have > width && !f.s.log.opts.ReadOnly {
		f.fault(place, "%d leaves behind the last bundle, the head has %d", have, width)
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
	if mem := f.s.v.edge; !bytes.Equal(mem.bundle, b) {
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
		f.compareTile(place, b, derived)
	}
	for _, d := range derived {
		if d == (merkle.Hash{}) {
			return f.complete(level+1, t.Index, nil)
		}
	}
	above := merkle.HashTile(derived)
	return f.complete(level+1, t.Index, &above)
}

func (f *fsck) compareTile(place string, b []byte, derived []merkle.Hash) {
	stored, err := merkle.ParseTile(b, merkle.TileWidth)
	if err != nil {
		f.fault(place, "%v", err)
		return
	}
	for i, h := range stored {
		if derived[i] != (merkle.Hash{}) && h != derived[i] {
			f.fault(place, "hash %d is %s, the leaves have %s", i, h, derived[i])
			return
		}
	}
}

// strays looks for rows of the log that no leaf accounts for.
func (f *fsck) strays(ctx context.Context) error {
	full := f.size / merkle.TileWidth
	if f.s.log.opts.ReadOnly {
		return nil // the stored head may lag behind the rows by one group
	}
	err := f.each(ctx, spaceBundle, bundleKey(full), func(key, _ []byte) {
		f.fault(fmt.Sprintf("row %x", key), "bundle beyond the head")
	})
	if err != nil {
		return err
	}
	err = f.each(ctx, spaceTile, []byte{spaceTile}, func(key, _ []byte) {
		level, n, err := parseTileKey(key)
		if err != nil {
			f.fault(fmt.Sprintf("row %x", key), "%v", err)
		} else if n >= f.size>>(uint(level+1)*merkle.TileHeight) {
			f.fault(merkle.Tile{Level: level, Index: n, Width: merkle.TileWidth}.Path(), "tile beyond the head")
		}
	})
	if err != nil {
		return err
	}
	// Chunks that were folded are dropped some bundles later; until then they
	// must say what the bundle says.
	err = f.each(ctx, spaceChunk, []byte{spaceChunk}, func(key, v []byte) {
		first, err := parseIndexKey(key, spaceChunk)
		if err != nil {
			f.fault(fmt.Sprintf("row %x", key), "%v", err)
			return
		}
		if first < full*merkle.TileWidth {
			f.foldedChunk(first, v)
		}
	})
	if err != nil {
		return err
	}
	return f.each(ctx, spaceHead, []byte{spaceHead}, func(key, _ []byte) {
		if !bytes.Equal(key, headKey) && !bytes.Equal(key, metaKey) {
			f.fault(fmt.Sprintf("row %x", key), "unknown row")
		}
	})
}

func (f *fsck) foldedChunk(first uint64, v []byte) {
	place := fmt.Sprintf("chunk %d", first)
	width, err := chunkEntries(v)
	if err != nil {
		f.fault(place, "%v", err)
		return
	}
	at := int(first % merkle.TileWidth)
	if at+width >= merkle.TileWidth {
		f.fault(place, "%d leaves reach into the next bundle", width)
		return
	}
	b, err := get(f.rows, bundleKey(first/merkle.TileWidth))
	if err != nil {
		return // noted when the bundle was read
	}
	before, err1 := prefixOfBundle(b, at)
	upTo, err2 := prefixOfBundle(b, at+width)
	if err1 != nil || err2 != nil {
		return
	}
	if !bytes.Equal(upTo[len(before):], v) {
		f.fault(place, "differs from bundle %d", first/merkle.TileWidth)
	}
}

func (f *fsck) each(ctx context.Context, space byte, from []byte, visit func(key, value []byte)) error {
	it, err := f.rows.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{space + 1}})
	if err != nil {
		return readError(err)
	}
	defer it.Close()
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if n++; n%256 == 0 {
			if err := f.s.ready(ctx); err != nil {
				return err
			}
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return f.unreadable(fmt.Sprintf("row %x", it.Key()), readError(err))
		}
		visit(it.Key(), v)
	}
	if err := it.Error(); err != nil {
		return f.unreadable(fmt.Sprintf("rows %q", space), readError(err))
	}
	return nil
}

// checkRoots compares the head with what the leaves say.
func (f *fsck) checkRoots() {
	h := f.s.v.head
	c, err := merkle.OpenCheckpoint(h.Signed, f.s.log.meta.origin, f.s.log.verifier)
	switch {
	case err != nil:
		f.fault("head", "%v", err)
	case c.Size != h.Size || c.Root != h.Root:
		f.fault("head", "signed for size %d and root %s, kept as size %d and root %s", c.Size, c.Root, h.Size, h.Root)
	case f.broke:
		f.fault("head", "no root can be derived, leaves are missing")
	case f.rng.Size() != h.Size || f.rng.Root() != h.Root:
		f.fault("head", "says root %s at size %d, the leaves have %s at %d", h.Root, h.Size, f.rng.Root(), f.rng.Size())
	}
}
