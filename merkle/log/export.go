package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/lacunalog/lacuna/merkle"
)

// Export writes the log at its newest published head into a folder that any
// static web server can serve (https://c2sp.org/tlog-tiles): bundles, tiles, and
// at last the checkpoint. Every file appears whole or not at all, and the checkpoint
// only after all that it speaks of is durable. An export that was interrupted,
// or is repeated after the log has grown, writes only what is missing; a file
// that differs from what the log says is never overwritten.
//
// Progress, if not nil, is called with the number of files done and in all.
func (l *Log) Export(ctx context.Context, dir string, progress func(done, total uint64)) error {
	s := l.Snapshot()
	defer s.Close()
	if err := s.Export(ctx, dir, progress); err != nil {
		return fmt.Errorf("exporting to %s: %w", dir, err)
	}
	return nil
}

// Export is [Log.Export] at the newest head that was published when the snapshot
// was taken; without a policy, that is the head of the snapshot. If there is none
// it returns ErrUnpublished.
func (s *Snapshot) Export(ctx context.Context, dir string, progress func(done, total uint64)) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	head, err := s.published()
	if err != nil {
		return err
	}
	x := &exporter{s: s, head: head, fs: s.log.opts.FS, dir: dir, made: map[string]bool{}}
	if err := x.mkdir(dir); err != nil {
		return err
	}
	if err := x.checkOld(ctx); err != nil {
		return err
	}
	size := head.Size
	total := uint64(1)
	for t := range merkle.TilesOf(size) {
		total++
		if t.Level == 0 {
			total++
		}
	}
	done := uint64(0)
	step := func() {
		if done++; progress != nil {
			progress(done, total)
		}
	}
	for t := range merkle.TilesOf(size) {
		hashes, err := s.ReadTile(ctx, t)
		if err != nil {
			return err
		}
		if err := x.put(t.Path(), merkle.AppendTile(nil, hashes)); err != nil {
			return err
		}
		step()
		if t.Level > 0 {
			continue
		}
		b, err := s.ReadBundle(ctx, t.Index, t.Width)
		if err != nil {
			return err
		}
		if err := x.put(merkle.EntriesPath(t.Index, t.Width), b); err != nil {
			return err
		}
		step()
	}
	// The names must be durable before the checkpoint says that they exist.
	if err := x.syncDirs(); err != nil {
		return err
	}
	if err := x.write("checkpoint", head.Signed); err != nil {
		return err
	}
	if err := x.syncDirs(); err != nil {
		return err
	}
	step()
	return nil
}

// An exporter writes files below one folder.
type exporter struct {
	s    *Snapshot
	head Head
	fs   vfs.FS
	dir  string
	made map[string]bool // directories known to exist; true until they are synced
}

// checkOld refuses a folder that holds another log, or a newer state of this one.
func (x *exporter) checkOld(ctx context.Context) error {
	old, err := x.read("checkpoint")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := merkle.OpenCheckpoint(old, x.s.log.meta.origin, x.s.log.verifier)
	if err != nil {
		return fmt.Errorf("the folder holds another log: %w", err)
	}
	if have := x.s.v.head.Checkpoint; c.Size > have.Size {
		return fmt.Errorf("the folder holds a newer state: %w", ErrRolledBack{Have: have, Known: c})
	}
	if c.Size > x.head.Size {
		return fmt.Errorf("%w: the folder shows a head of size %d, the newest published one has %d", ErrUnpublished, c.Size, x.head.Size)
	}
	root, err := x.s.RootAt(ctx, c.Size)
	if err != nil {
		return err
	}
	if root != c.Root {
		return fmt.Errorf("the folder holds another history: %w",
			ErrRolledBack{Have: merkle.Checkpoint{Origin: c.Origin, Size: c.Size, Root: root}, Known: c})
	}
	return nil
}

// put writes a file that never changes, unless it is there.
func (x *exporter) put(path string, b []byte) error {
	old, err := x.read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return x.write(path, b)
	case err != nil:
		return err
	case !bytes.Equal(old, b):
		return fmt.Errorf("%s: the file differs from the log", path)
	}
	return x.mkdir(x.fs.PathDir(x.path(path)))
}

func (x *exporter) read(path string) ([]byte, error) {
	f, err := x.fs.Open(x.path(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// write makes a file appear whole: under another name first, synced, renamed.
// The directory is synced by syncDirs.
func (x *exporter) write(path string, b []byte) (err error) {
	to := x.path(path)
	dir := x.fs.PathDir(to)
	if err := x.mkdir(dir); err != nil {
		return err
	}
	// A name that no tile has, and that a later export overwrites.
	tmp := x.fs.PathJoin(dir, ".new")
	f, err := x.fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	// The engine's file systems own what they are given to write, and may
	// scribble over it.
	_, err = f.Write(bytes.Clone(b))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = x.fs.Rename(tmp, to)
	}
	if err != nil {
		_ = x.fs.Remove(tmp) // the first error is the one that helps
		return fmt.Errorf("writing %s: %w", path, err)
	}
	x.made[dir] = true
	return nil
}

// mkdir makes a directory. Names that are there are synced as well: an export that
// was interrupted may have made them, and nobody has synced them since.
func (x *exporter) mkdir(dir string) error {
	if _, ok := x.made[dir]; ok {
		return nil
	}
	_, err := x.fs.Stat(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := x.fs.PathDir(dir)
	if err != nil {
		if parent != dir {
			if err := x.mkdir(parent); err != nil {
				return err
			}
		}
		if err := x.fs.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	x.made[dir], x.made[parent] = true, true
	return nil
}

func (x *exporter) syncDirs() error {
	for dir, dirty := range x.made {
		if !dirty {
			continue
		}
		d, err := x.fs.OpenDir(dir)
		if errors.Is(err, fs.ErrPermission) && !strings.HasPrefix(dir, x.dir) {
			continue // the folder was made for us, by somebody who may
		}
		if err != nil {
			return fmt.Errorf("syncing directory: %w", err)
		}
		err = d.Sync()
		if cerr := d.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("syncing directory: %w", err)
		}
		x.made[dir] = false
	}
	return nil
}

func (x *exporter) path(path string) string {
	return x.fs.PathJoin(append([]string{x.dir}, strings.Split(path, "/")...)...)
}
