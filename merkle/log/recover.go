package log

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/lacunalog/lacuna/merkle"
)

// recovered is the state of the log as the database tells it.
type recovered struct {
	head   Head
	edge   edge
	stored uint64 // size of the checkpoint in the database
}

// get reads a row of the database itself. Only for a log that nobody writes yet.
func (e *engine) get(key []byte) ([]byte, error) { return get(e.db, key) }

// recover rebuilds the right edge of the tree and the head. What it finds is
// durable, also if the crash was a moment ago and the last group had not been
// synced: the engine has written the replayed log into tables, and synced them,
// before it let us in. (If it opened for reading only it has not, which is why
// nothing is signed then.)
func (l *Log) recover() (*recovered, error) {
	stored, signed, err := l.storedHead()
	if err != nil {
		return nil, err
	}
	r := &recovered{stored: stored.Size}
	d := rowReader{l.engine.db}
	size, err := d.size()
	if err != nil {
		return nil, err
	}
	if stored.Size > size {
		return nil, fmt.Errorf("%w: %d leaves, but the stored checkpoint is of %d", ErrCorrupt, size, stored.Size)
	}
	if l.opts.ReadOnly {
		size = stored.Size
	}
	if r.edge, err = d.edge(size); err != nil {
		return nil, err
	}
	v := &view{edge: r.edge, head: Head{Checkpoint: merkle.Checkpoint{Size: size}}}
	root, err := merkle.RootFromTiles(context.Background(), stored.Size, tileReader(v, l.engine.db))
	if err != nil {
		return nil, fmt.Errorf("computing the root at %d: %w", stored.Size, err)
	}
	if root != stored.Root {
		return nil, fmt.Errorf("%w: the leaves have root %s at size %d, the stored checkpoint says %s",
			ErrCorrupt, root, stored.Size, stored.Root)
	}
	if size == stored.Size {
		r.head = Head{Checkpoint: stored, Signed: signed}
	}
	if l.opts.ReadOnly {
		return r, nil
	}
	rng, err := r.edge.compactRange()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	// Signed even if it is stored, to find out before the first append that the
	// signer is another one.
	if r.head, err = l.sign(size, rng.Root()); err != nil {
		return nil, err
	}
	return r, l.checkSignature(r.head)
}

// storedHead reads the checkpoint in the database.
func (l *Log) storedHead() (merkle.Checkpoint, []byte, error) {
	signed, err := l.engine.get(headKey)
	if errors.Is(err, ErrNotFound) {
		return merkle.Checkpoint{}, nil, fmt.Errorf("%w: no stored checkpoint", ErrCorrupt)
	}
	if err != nil {
		return merkle.Checkpoint{}, nil, fmt.Errorf("reading stored checkpoint: %w", err)
	}
	c, err := merkle.OpenCheckpoint(signed, l.meta.origin, l.verifier)
	if err != nil {
		return merkle.Checkpoint{}, nil, fmt.Errorf("%w: stored checkpoint: %w", ErrCorrupt, err)
	}
	return c, signed, nil
}

// A rowReader reads the log's own rows from a database or a snapshot of it.
type rowReader struct{ pebble.Reader }

// lastIndex returns the number in the last key of a space. Keys that are none of
// ours are an error, or passed over if lenient.
func (d rowReader) lastIndex(space byte, lenient bool) (n uint64, ok bool, err error) {
	it, err := d.NewIter(&pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}})
	if err != nil {
		return 0, false, readError(err)
	}
	defer it.Close()
	for ok := it.Last(); ok; ok = it.Prev() {
		n, err := parseIndexKey(it.Key(), space)
		if err == nil {
			return n, true, nil
		}
		if !lenient {
			return 0, false, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	return 0, false, readError(it.Error())
}

// size returns the number of leaves.
func (d rowReader) size() (uint64, error) {
	n, ok, err := d.lastIndex(spaceBundle, false)
	if err != nil {
		return 0, fmt.Errorf("looking for the last bundle: %w", err)
	}
	size := uint64(0)
	if ok {
		size = (n + 1) * merkle.TileWidth
	}
	_, width, err := d.chunks(size)
	return size + uint64(width), err
}

// chunks joins the chunks from index first on, a multiple of 256, and returns
// the bytes and how many leaves these are.
func (d rowReader) chunks(first uint64) (b []byte, width int, err error) {
	it, err := d.NewIter(&pebble.IterOptions{LowerBound: chunkKey(first), UpperBound: []byte{spaceChunk + 1}})
	if err != nil {
		return nil, 0, readError(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		n, err := parseIndexKey(it.Key(), spaceChunk)
		if err != nil {
			return nil, 0, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		if want := first + uint64(width); n != want {
			return nil, 0, fmt.Errorf("%w: leaves from %d on are missing, the next chunk begins at %d", ErrCorrupt, want, n)
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return nil, 0, readError(err)
		}
		m, err := chunkEntries(v)
		if err != nil {
			return nil, 0, fmt.Errorf("%w: leaves from %d on: %w", ErrCorrupt, n, err)
		}
		b = append(b, v...)
		if width += m; width >= merkle.TileWidth {
			return nil, 0, fmt.Errorf("%w: bundle %d is missing", ErrCorrupt, first/merkle.TileWidth)
		}
	}
	return b, width, readError(it.Error())
}

// bundle returns a full bundle, or the chunks of one that is not full yet.
func (d rowReader) bundle(n uint64) ([]byte, error) {
	b, err := get(d, bundleKey(n))
	if errors.Is(err, ErrNotFound) {
		b, _, err = d.chunks(n * merkle.TileWidth)
	}
	return b, err
}

// edge rebuilds the right edge of the tree at a size that the rows reach: the
// leaves since the last full bundle, and for each level the hashes of the tiles
// below since its last full tile.
func (d rowReader) edge(size uint64) (edge, error) {
	e := edge{size: size}
	if w := e.width(0); w > 0 {
		b, err := d.bundle(size / merkle.TileWidth)
		if err != nil {
			return edge{}, fmt.Errorf("reading the last leaves: %w", err)
		}
		if e.bundle, err = prefixOfBundle(b, w); err != nil {
			return edge{}, fmt.Errorf("%w: the last leaves: %w", ErrCorrupt, err)
		}
		if e.tiles[0], err = merkle.BundleHashes(e.bundle, w); err != nil {
			return edge{}, fmt.Errorf("%w: the last leaves: %w", ErrCorrupt, err)
		}
	}
	for l := 1; l < maxLevels; l++ {
		w := e.width(l)
		if w == 0 {
			continue
		}
		e.tiles[l] = make([]merkle.Hash, 0, merkle.TileWidth)
		last := size >> (l * merkle.TileHeight)
		for i := last - uint64(w); i < last; i++ {
			below, err := d.fullTile(l-1, i)
			if err != nil {
				return edge{}, fmt.Errorf("rebuilding the right edge: %w", err)
			}
			e.tiles[l] = append(e.tiles[l], merkle.HashTile(below))
		}
	}
	for l, t := range e.tiles {
		for ; len(t) >= partWidth; t = t[partWidth:] {
			e.parts[l] = append(e.parts[l], merkle.HashTile(t[:partWidth]))
		}
	}
	return e, nil
}

// fullTile returns the hashes of a full tile.
func (d rowReader) fullTile(level int, n uint64) (hashes []merkle.Hash, err error) {
	err = d.tileRow(level, n, func(b []byte) (err error) {
		if level > 0 {
			hashes, err = merkle.ParseTile(b, merkle.TileWidth)
		} else {
			hashes, err = merkle.BundleHashes(b, merkle.TileWidth)
		}
		return err
	})
	return hashes, err
}

// partOfTile returns the hashes of one of the parts of a full tile.
func (d rowReader) partOfTile(level int, n uint64, part int) (hashes []merkle.Hash, err error) {
	from := part * partWidth
	err = d.tileRow(level, n, func(b []byte) (err error) {
		if level > 0 {
			if len(b) != merkle.TileWidth*merkle.HashSize {
				return fmt.Errorf("%d bytes are no full tile", len(b))
			}
			hashes, err = merkle.ParseTile(b[from*merkle.HashSize:(from+partWidth)*merkle.HashSize], partWidth)
			return err
		}
		head, err := prefixOfBundle(b, from)
		if err != nil {
			return err
		}
		b = b[len(head):]
		if b, err = prefixOfBundle(b, partWidth); err != nil {
			return err
		}
		hashes, err = merkle.BundleHashes(b, partWidth)
		return err
	})
	return hashes, err
}

// tileRow reads the row that a full tile is made from.
func (d rowReader) tileRow(level int, n uint64, parse func([]byte) error) error {
	key := bundleKey(n)
	if level > 0 {
		key = tileKey(level, n)
	}
	b, closer, err := d.Get(key)
	if err != nil {
		return missing(fmt.Sprintf("tile %d of level %d", n, level), err)
	}
	if err = parse(b); err != nil {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if cerr := closer.Close(); err == nil {
		err = readError(cerr)
	}
	if err != nil {
		return fmt.Errorf("tile %d of level %d: %w", n, level, err)
	}
	return nil
}

// get returns a copy of a row.
func get(r pebble.Reader, key []byte) ([]byte, error) {
	v, closer, err := r.Get(key)
	if err != nil {
		return nil, readError(err)
	}
	b := make([]byte, len(v))
	copy(b, v)
	if err := closer.Close(); err != nil {
		return nil, readError(err)
	}
	return b, nil
}
