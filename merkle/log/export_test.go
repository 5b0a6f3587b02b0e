package log

import (
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// OnStep makes f be called by the sequencer between the steps of a commit:
// built, applied, signed, synced, published, stored.
func OnStep(o *Options, f func(step string)) {
	setSeams(o)
	o.seams.step = f
}

// PublishEarly makes the log release a head before its sync has returned.
func PublishEarly(o *Options) {
	setSeams(o)
	o.seams.publishEarly = true
}

// Recycle makes the engine re-use write-ahead logs, as it does by default.
func Recycle(o *Options) {
	setSeams(o)
	o.seams.recycle = true
}

// OnPause makes the copier wait for the channel between two copies.
func OnPause(o *Options, f func() <-chan time.Time) {
	setSeams(o)
	o.seams.copyPause = f
}

// OnLinger makes f be called when the sequencer starts to wait for more.
func OnLinger(o *Options, f func()) {
	setSeams(o)
	o.seams.lingering = f
}

func setSeams(o *Options) {
	if o.seams == nil {
		o.seams = &seams{}
	}
}

// PlaceOf returns the places that a shuffler gives to entries.
func PlaceOf(entries []Entry) []uint32 { return newShuffler().place(entries) }

// Flush makes the engine write its memtables out.
func Flush(l *Log) error { return l.unlessBroken(l.engine.db.Flush) }

// WaitForCleaning waits until the engine has deleted the files it has no use for.
func WaitForCleaning(l *Log) { l.engine.db.TestOnlyWaitForCleaning() }

// Fatalf is what the engine calls when it cannot go on.
func Fatalf(l *Log, format string, args ...any) { l.engine.ears.Fatalf(format, args...) }

// EditRows changes rows of a closed log behind its back. A nil value deletes.
func EditRows(dir string, o Options, edit map[string][]byte) error {
	if err := o.fill(); err != nil {
		return err
	}
	e, err := openEngine(context.Background(), dir, &o, false, func(err error) { panic(err) })
	if err != nil {
		return err
	}
	b := e.db.NewBatch()
	for k, v := range edit {
		if v == nil {
			err = b.Delete([]byte(k), nil)
		} else {
			err = b.Set([]byte(k), v, nil)
		}
		if err != nil {
			return err
		}
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return err
	}
	return e.close()
}

// RawRows returns all rows of a closed log.
func RawRows(dir string, o Options) (map[string][]byte, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	e, err := openEngine(context.Background(), dir, &o, false, func(err error) { panic(err) })
	if err != nil {
		return nil, err
	}
	it, err := e.db.NewIter(nil)
	if err != nil {
		return nil, err
	}
	rows := map[string][]byte{}
	for ok := it.First(); ok; ok = it.Next() {
		rows[string(it.Key())] = append([]byte{}, it.Value()...)
	}
	if err := it.Close(); err != nil {
		return nil, err
	}
	return rows, e.close()
}

// Keys of the log's own rows, and their decoders.
var (
	ChunkKey       = chunkKey
	BundleKey      = bundleKey
	TileKey        = tileKey
	HeadKey        = headKey
	MetaKey        = metaKey
	ChunkEntries   = chunkEntries
	PrefixOfBundle = prefixOfBundle
	ParseIndexKey  = parseIndexKey
	ParseTileKey   = parseTileKey
	AcceptsGzip    = acceptsGzip
)

// ParseMeta returns origin and key of a meta row.
func ParseMeta(b []byte) (origin, vkey string, err error) {
	m, err := parseMeta(b)
	return m.origin, m.vkey, err
}

// SharedPlaces are pairs of tiles, level and index, that are remembered at one place.
func SharedPlaces() [][2][2]uint64 {
	return [][2][2]uint64{
		{{0, 7}, {0, 7 + rememberedBundles}},
		{{1, 3}, {1, 3 + rememberedTiles}},
		{{1, 1031}, {2, 0}},
	}
}

// Forgets remembers one tile and then another in its place, and reports whether
// the second is remembered and the first is not.
func Forgets(first, second [2]uint64) bool {
	n := new(nodes)
	for _, t := range [][2]uint64{first, second} {
		n.place(int(t[0]), t[1]).Store(&remembered{level: int(t[0]), index: t[1]})
	}
	return n.get(int(first[0]), first[1]) == nil && n.get(int(second[0]), second[1]) != nil
}

// BufferFS is how the engine writes tables and write-ahead logs.
func BufferFS(fs vfs.FS) vfs.FS { return bufferFS{fs} }

// CompareKeys is how two Plain rows of one kind are sorted.
func CompareKeys(x, y []byte) int {
	return comparePlaced(placed{row: &Row{Key: x}, front: front(x)}, placed{row: &Row{Key: y}, front: front(y)})
}

// GatherFor sets how long entries gather that nobody waits for.
func GatherFor(o *Options, d time.Duration) {
	setSeams(o)
	o.seams.gatherFor = d
}

// GatherEntries is how many of them gather.
const GatherEntries = gatherEntries
