package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lacunalog/lacuna/merkle/internal/osfile"
)

// disk is what is needed of a file system. Tests bring one whose power can be
// cut.
type disk interface {
	// create writes a new file, or an old one anew, and syncs it.
	create(path string, b []byte) error
	rename(from, to string) error
	// read returns a file, or an error if it has more than limit bytes.
	read(path string, limit int) ([]byte, error)
	mkdir(path string) error // with what is above it
	removeAll(path string) error
	syncDir(path string) error
}

// osDisk is the disk of the operating system.
type osDisk struct{}

func (osDisk) create(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func (osDisk) read(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return readAll(f, limit, info.Size())
}

func (osDisk) rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) mkdir(path string) error      { return os.MkdirAll(path, 0o755) }
func (osDisk) removeAll(path string) error  { return os.RemoveAll(path) }
func (osDisk) syncDir(path string) error    { return osfile.SyncDir(path) }

// makeDir makes a folder, with what is above it, and returns when their names are
// durable. Every folder above is synced, since an earlier attempt may have been
// interrupted after it made some; not those that may not be read, which it has not
// made.
func makeDir(d disk, dir string) error {
	if err := d.mkdir(dir); err != nil {
		return err
	}
	for above := filepath.Dir(dir); above != dir; dir, above = above, filepath.Dir(above) {
		if err := d.syncDir(above); err != nil && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("syncing directory: %w", err)
		}
	}
	return nil
}

// replace makes a file appear whole, or not at all: if the power fails before
// the directory is synced, the old file may be back, but never half of the new
// one.
func replace(d disk, path string, b []byte) error {
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := d.create(tmp, b); err != nil {
		_ = d.removeAll(tmp) // the first error is the one that helps
		return err
	}
	if err := d.rename(tmp, path); err != nil {
		_ = d.removeAll(tmp)
		return err
	}
	return nil
}

// writeFile replaces a file and returns when that is durable.
func writeFile(d disk, path string, b []byte) error {
	if err := replace(d, path, b); err != nil {
		return err
	}
	if err := d.syncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("syncing directory: %w", err)
	}
	return nil
}
