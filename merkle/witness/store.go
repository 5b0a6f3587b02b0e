package witness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
)

// ErrLocked says that another process is the witness of this folder.
var ErrLocked = errors.New("another process is the witness of this folder")

// errUnknown is wrapped by an error of save after which either checkpoint may be
// the one on the disk.
var errUnknown = errors.New("whether the checkpoint was stored is not known")

// A store holds one file for each log: the newest checkpoint that was cosigned,
// with the signatures of the log and of the witness. Nothing is ever deleted.
type store struct{ files files }

// files are the operations on the one folder of a store, by the names of files.
type files interface {
	// Read returns fs.ErrNotExist if there is no such file.
	Read(name string) ([]byte, error)
	// Write replaces a file and makes its content durable, though perhaps not its
	// name.
	Write(name string, b []byte) error
	// Rename replaces one file by another at once, though perhaps not durably.
	Rename(from, to string) error
	// Sync makes the content of a file durable, SyncNames all names.
	Sync(name string) error
	SyncNames() error
	Close() error
}

// fileName is how the file of a log is called, and what monitors ask for.
func fileName(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return hex.EncodeToString(sum[:])
}

// load returns what was saved last, or nil. What it returns is durable: the
// process that wrote it may have ended before it was.
func (s *store) load(origin string) ([]byte, error) {
	name := fileName(origin)
	b, err := s.files.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.files.Sync(name); err != nil {
		return nil, err
	}
	return b, s.files.SyncNames()
}

// save stores a checkpoint instead of the one before. If it is interrupted
// anywhere, load returns either of the two, whole:
//
//  1. The new one is written beside the old one, and synced. Up to here a stop
//     leaves the old one, and a file that the next save overwrites.
//  2. It is renamed over the old one. A stop leaves either.
//  3. The folder is synced. From here on a stop leaves the new one, and only now
//     may anybody see it.
//
// An error of step 1 leaves the old one for sure. After one of steps 2 or 3 it is
// errUnknown, and the store must be loaded anew.
func (s *store) save(origin string, signed []byte) error {
	name := fileName(origin)
	if err := s.files.Write(name+".new", signed); err != nil {
		return err
	}
	if err := s.files.Rename(name+".new", name); err != nil {
		return fmt.Errorf("%w: %w", errUnknown, err)
	}
	if err := s.files.SyncNames(); err != nil {
		return fmt.Errorf("%w: %w", errUnknown, err)
	}
	return nil
}
