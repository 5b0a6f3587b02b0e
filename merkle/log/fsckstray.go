package log

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/lacunalog/lacuna/merkle"
)

// strays looks for rows of the log that no leaf accounts for.
func (f *fsck) strays(ctx context.Context) error {
	full := f.size / merkle.TileWidth
	if f.lags {
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
		if !bytes.Equal(key, headKey) && !bytes.Equal(key, metaKey) && !isArchiveKey(key) {
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
			if err := f.ready(ctx); err != nil {
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

// reach is size for a log that may be damaged: the chunks are believed as far as
// they go.
func (d rowReader) reach() (uint64, error) {
	n, ok, err := d.lastIndex(spaceBundle, true)
	if err != nil {
		return 0, fmt.Errorf("looking for the last bundle: %w", err)
	}
	size := uint64(0)
	if ok {
		size = (n + 1) * merkle.TileWidth
	}
	first, ok, err := d.lastIndex(spaceChunk, true)
	if err != nil {
		return 0, fmt.Errorf("looking for the last chunk: %w", err)
	}
	if !ok || first < size {
		return size, nil
	}
	b, err := get(d, chunkKey(first))
	if err != nil {
		return 0, fmt.Errorf("reading the last chunk: %w", err)
	}
	width, err := chunkEntries(b)
	if err != nil {
		width = 1 // fsck will say what is wrong with it
	}
	return first + uint64(width), nil
}
