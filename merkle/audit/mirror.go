package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/lacunalog/lacuna/merkle"
)

// A Mirror copies a log into a folder that any file server can serve. No byte is
// written that was not verified before, and the folder always holds everything
// that its checkpoint covers.
//
// The folder is all that a mirror remembers. Its checkpoint says how far it is
// complete; a run that was stopped leaves files behind it, which the next run
// verifies and takes over. It is not safe for concurrent use.
type Mirror struct {
	Source Source
	Log    *Log
	// Parallel is how many files are fetched at once. Default 16.
	Parallel int
	// Again makes an update verify every file in the folder from the first on, those
	// of earlier sizes too, and fetch anew what is wrong or missing.
	Again bool
	// Progress, if not nil, is called with the number of entries that are in the
	// folder and of those that the head covers.
	Progress func(done, total uint64)

	dir    string
	folder Source // the same, to read from
	lock   *os.File
	disk   disk
}

const (
	checkpointFile = "checkpoint"
	// nextFile has the head that a mirror is working towards. It becomes the
	// checkpoint; until then it keeps the mirror from accepting an older one.
	nextFile = ".checkpoint.next"
)

// OpenMirror opens the folder of a mirror, or creates it. While it is open no
// other process mirrors into it.
func OpenMirror(dir string, src Source, l *Log) (*Mirror, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening mirror: %w", err)
	}
	m := &Mirror{Source: src, Log: l, dir: dir, disk: osDisk{}}
	if err := makeDir(m.disk, dir); err != nil {
		return nil, fmt.Errorf("opening mirror: %w", err)
	}
	if m.folder, err = openFolder(dir); err != nil {
		return nil, err
	}
	if m.lock, err = os.Open(dir); err != nil {
		return nil, fmt.Errorf("opening mirror: %w", err)
	}
	if err := lock(m.lock); err != nil {
		m.lock.Close()
		return nil, err
	}
	return m, nil
}

// Close lets others mirror into the folder.
func (m *Mirror) Close() error { return m.lock.Close() }

// Update brings the folder up to the head that the source shows. Its errors are
// those of [Auditor.Round]. After an error, or after ctx has ended, the folder
// is as complete as it was before, and the next update goes on from there.
//
// The order is what makes that so: the head that is worked towards, durable;
// tiles and bundles, each durable under another name before it gets its own;
// their directories; and last the head becomes the checkpoint.
func (m *Mirror) Update(ctx context.Context) (Report, error) {
	have, known, err := m.heads()
	if err != nil {
		return Report{}, err
	}
	shown, err := m.Log.fetchHead(ctx, m.Source)
	if err != nil {
		return Report{}, err
	}
	k := &mirrorKeeper{m: m, dirs: map[string]bool{m.dir: true}}
	report := func() Report {
		return Report{Head: shown.Checkpoint, Signed: shown.signed, Written: k.written, Follows: len(known.signed) > 0}
	}
	if !m.Again && len(have.signed) > 0 && shown.Size == have.Size && shown.Root == have.Root && known.Size == have.Size {
		m.progress(shown.Size, shown.Size)
		if bytes.Equal(shown.signed, have.signed) {
			return report(), nil
		}
		// The same tree, with other cosignatures.
		return report(), writeFile(m.disk, m.path(checkpointFile), shown.signed)
	}
	mine := m.Source
	if known.Size == have.Size {
		mine = m.folder // its tree is all here
	}
	v, err := m.Log.follow(ctx, m.Source, mine, known, shown)
	if err != nil {
		return Report{}, err
	}
	if err := writeFile(m.disk, m.path(nextFile), shown.signed); err != nil {
		return Report{}, fmt.Errorf("writing %s: %w", nextFile, err)
	}
	v.keepIn(k)
	from := have.Size / merkle.TileWidth
	if m.Again {
		from = 0
	}
	if err := m.fill(ctx, v, from); err != nil {
		return Report{}, err
	}
	if m.Again {
		if err := m.mendEarlier(v, k); err != nil {
			return Report{}, err
		}
	}
	if err := k.sync(); err != nil {
		return Report{}, err
	}
	// Everything that the head covers is durable.
	if err := m.disk.rename(m.path(nextFile), m.path(checkpointFile)); err != nil {
		return Report{}, fmt.Errorf("writing checkpoint: %w", err)
	}
	if err := m.disk.syncDir(m.dir); err != nil {
		return Report{}, fmt.Errorf("syncing directory: %w", err)
	}
	if m.Again {
		err = m.pruneAll(shown.Size)
	} else {
		err = m.prune(shown.Size, have.Size, known.Size)
	}
	if err != nil {
		return Report{}, err
	}
	r := report()
	r.New = shown.Size - min(from*merkle.TileWidth, shown.Size)
	return r, nil
}

// heads returns the checkpoint of the folder, and the newest head that it knows.
func (m *Mirror) heads() (have, known head, err error) {
	if have, err = m.head(checkpointFile); err != nil {
		return head{}, head{}, err
	}
	if known, err = m.head(nextFile); err != nil {
		return head{}, head{}, err
	}
	if known.Size < have.Size || len(known.signed) == 0 {
		known = have
	}
	return have, known, nil
}

func (m *Mirror) head(name string) (head, error) {
	b, err := m.disk.read(m.path(name), maxCheckpoint)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return head{}, fmt.Errorf("reading mirror: %w", err)
	}
	h, err := m.Log.remembered(b)
	if err != nil {
		return head{}, &StateError{File: m.path(name), Err: err}
	}
	return h, nil
}

// fill writes every file that the head covers, from the given bundle on.
func (m *Mirror) fill(ctx context.Context, v *view, from uint64) error {
	rng, err := merkle.RangeFromTiles(ctx, from*merkle.TileWidth, v.tiles)
	if err != nil {
		return err
	}
	bundles, err := merkle.NewRange(from, rng.Hashes())
	if err != nil {
		return err
	}
	m.progress(from*merkle.TileWidth, v.head.Size)
	err = v.walk(ctx, from, parallel(m.Parallel), func(index uint64, root merkle.Hash) error {
		bundles.Append(root, nil)
		m.progress((index+1)*merkle.TileWidth, v.head.Size)
		return nil
	})
	if err != nil {
		return err
	}
	leaves, err := v.obtainEdge(ctx)
	if err != nil {
		return err
	}
	m.progress(v.head.Size, v.head.Size)
	return checkRoot(v.head, bundles, leaves)
}

// prune removes partial tiles and bundles of earlier sizes that are full now.
// Clients that still have an older head fall back to the full ones.
func (m *Mirror) prune(size uint64, earlier ...uint64) error {
	slices.Sort(earlier)
	for _, old := range slices.Compact(earlier) {
		for l := range levels {
			index := old >> (merkle.TileHeight * (uint(l) + 1))
			if w := merkle.TileWidthAt(l, index, old); w == 0 || merkle.TileWidthAt(l, index, size) < merkle.TileWidth {
				continue
			}
			if err := m.pruneTile(l, index); err != nil {
				return err
			}
		}
	}
	return nil
}

// pruneAll is prune for all earlier sizes, also where an update was interrupted before
// it came to that.
func (m *Mirror) pruneAll(size uint64) error {
	for l := range levels {
		for index := range size >> (merkle.TileHeight * (uint(l) + 1)) {
			if err := m.pruneTile(l, index); err != nil {
				return err
			}
		}
	}
	return nil
}

// pruneTile removes what was there of a tile before it was full, and of its bundle.
func (m *Mirror) pruneTile(level int, index uint64) error {
	paths := []string{merkle.Tile{Level: level, Index: index, Width: merkle.TileWidth}.Path()}
	if level == 0 {
		paths = append(paths, merkle.EntriesPath(index, merkle.TileWidth))
	}
	for _, p := range paths {
		if err := m.disk.removeAll(m.path(p + ".p")); err != nil {
			return fmt.Errorf("removing what is no longer needed: %w", err)
		}
	}
	return nil
}

// mendEarlier verifies the partial tiles and bundles that stand in the folder for
// clients with an earlier head. Those of the newest head are right already; an earlier
// one is its beginning.
func (m *Mirror) mendEarlier(v *view, k *mirrorKeeper) error {
	for l := range levels {
		t := v.edgeTile(l)
		if t.Width == 0 {
			continue
		}
		var tiles, bundles [][]byte // of each width, from one on
		whole := merkle.AppendTile(nil, v.edge[l])
		for w := 1; w < t.Width; w++ {
			tiles = append(tiles, whole[:w*merkle.HashSize])
		}
		if err := m.mend(k, tiles, func(w int) string { return merkle.Tile{Level: l, Index: t.Index, Width: w}.Path() }); err != nil {
			return err
		}
		if l > 0 {
			continue
		}
		path := merkle.EntriesPath(t.Index, t.Width)
		bundle, err := m.disk.read(m.path(path), maxBundle)
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		end := 0
		for e, err := range merkle.BundleEntries(bundle, t.Width) {
			if err != nil {
				return fmt.Errorf("reading %s: %w", path, err)
			}
			end += 2 + len(e)
			bundles = append(bundles, bundle[:end])
		}
		if err := m.mend(k, bundles, func(w int) string { return merkle.EntriesPath(t.Index, w) }); err != nil {
			return err
		}
	}
	return nil
}

// mend writes those files anew that are there and are not what they should be.
func (m *Mirror) mend(k *mirrorKeeper, want [][]byte, path func(width int) string) error {
	for i, b := range want {
		p := path(i + 1)
		if _, err := m.disk.read(m.path(p), len(b)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := k.put(p, b); err != nil {
			return err
		}
	}
	return nil
}

func (m *Mirror) path(name string) string {
	return filepath.Join(m.dir, filepath.FromSlash(name))
}

func (m *Mirror) progress(done, total uint64) {
	if m.Progress != nil {
		m.Progress(done, total)
	}
}
