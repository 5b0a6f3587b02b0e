package witness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lacunalog/lacuna/merkle/internal/osfile"
)

// A folder is the files of a store on a real disk. Nobody else may have it.
type folder struct {
	dir  string
	lock *os.File
}

// Create makes the folder of a new witness. It fails if there is such a folder.
func Create(dir string) error {
	err := create(filepath.Clean(dir))
	if err != nil {
		return fmt.Errorf("creating the folder of a witness: %w", err)
	}
	return nil
}

func create(dir string) error {
	// All that is made now must be there after a crash, or the witness would
	// begin anew with the same keys.
	stands := filepath.Dir(dir)
	for {
		_, err := os.Stat(stands)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		stands = filepath.Dir(stands)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for d := dir; ; d = filepath.Dir(d) {
		if err := osfile.SyncDir(d); err != nil {
			return err
		}
		if d == stands {
			return nil
		}
	}
}

// openFolder locks the folder. The lock is the operating system's: it ends with
// the process, however that ends.
func openFolder(dir string) (*folder, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = osfile.Lock(f)
	if errors.Is(err, osfile.ErrLocked) {
		err = ErrLocked
	}
	if err != nil {
		// Also where there are no locks: two processes could cosign two checkpoints
		// of one size.
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), f.Close())
	}
	return &folder{dir, f}, nil
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) Read(name string) ([]byte, error) { return os.ReadFile(f.path(name)) }

func (f *folder) Write(name string, b []byte) error {
	w, err := os.OpenFile(f.path(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	if err == nil {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

func (f *folder) Rename(from, to string) error { return os.Rename(f.path(from), f.path(to)) }

func (f *folder) Sync(name string) error {
	w, err := os.OpenFile(f.path(name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(w.Sync(), w.Close())
}

func (f *folder) SyncNames() error { return osfile.SyncDir(f.dir) }

func (f *folder) Close() error { return f.lock.Close() }
