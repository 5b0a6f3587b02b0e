package audit

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync"
)

// mirrorKeeper stores verified files in the folder of a mirror.
type mirrorKeeper struct {
	m *Mirror

	mu      sync.Mutex
	dirs    map[string]bool // whose names must be durable before the checkpoint
	written uint64
}

func (k *mirrorKeeper) stored(path string, limit int) []byte {
	full := k.m.path(path)
	b, err := k.m.disk.read(full, limit)
	if err != nil {
		// Whatever is the matter with it, it is fetched and written anew.
		return nil
	}
	// The run that wrote it may not have come to syncing its name.
	k.touch(filepath.Dir(full))
	return b
}

func (k *mirrorKeeper) put(path string, b []byte) error {
	full := k.m.path(path)
	if err := k.mkdir(filepath.Dir(full)); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if old, err := k.m.disk.read(full, len(b)); err == nil && bytes.Equal(old, b) {
		return nil
	}
	if err := replace(k.m.disk, full, b); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.written++
	return nil
}

// mkdir makes a directory that is not known to be there.
func (k *mirrorKeeper) mkdir(dir string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dirs[dir] {
		return nil
	}
	if err := k.m.disk.mkdir(dir); err != nil {
		return err
	}
	k.touchLocked(dir)
	return nil
}

// touch notes that the names in a directory, and those of the directories above
// it, must be made durable.
func (k *mirrorKeeper) touch(dir string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.touchLocked(dir)
}

func (k *mirrorKeeper) touchLocked(dir string) {
	for ; !k.dirs[dir]; dir = filepath.Dir(dir) {
		k.dirs[dir] = true
	}
}

// sync makes the names of all files durable.
func (k *mirrorKeeper) sync() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for dir := range k.dirs {
		if err := k.m.disk.syncDir(dir); err != nil {
			return fmt.Errorf("syncing directory: %w", err)
		}
	}
	return nil
}
