package block

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"unsafe"
)

// A File is a device in a file that is opened once, locked, never renamed and
// never truncated; or at the beginning of a partition without a file system.
type File struct {
	f         *os.File
	direct    bool // past the page cache
	partition bool
	buf       []byte
}

// Create makes a file and fills it with random bytes, so that every block of it
// is allocated before the first share comes. It refuses a file that exists, and a
// partition that is not empty.
func Create(path string) (*File, error) {
	if isPartition(path) {
		return createOn(path)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = io.CopyN(f, rand.Reader, Size*Count)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(path)
		return nil, fmt.Errorf("making %s: %w", path, err)
	}
	return Open(path)
}

// emptyLen is how much of a partition has to be zero before we write on it. Every
// file system, volume manager and partition table that begins at the front of a
// device has written something there.
const emptyLen = 1 << 20

// createOn begins on a partition.
func createOn(path string) (*File, error) {
	d, err := Open(path)
	if err != nil {
		return nil, err
	}
	err = d.empty()
	for i := 0; i < Count && err == nil; i++ {
		b := make([]byte, Size)
		rand.Read(b)
		err = d.Write(i, b)
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("beginning on %s: %w", path, err)
	}
	return d, nil
}

// empty refuses a partition that has something in front.
func (d *File) empty() error {
	buf := d.buf[:Size]
	for at := int64(0); at < emptyLen; at += Size {
		n, err := d.f.ReadAt(buf, at)
		if slices.ContainsFunc(buf[:n], func(b byte) bool { return b != 0 }) {
			return ErrInUse
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Discard undoes Create: it removes a file, and overwrites what Create wrote on a
// partition with zeroes.
func Discard(path string) error {
	if !isPartition(path) {
		return os.Remove(path)
	}
	d, err := Open(path)
	if err != nil {
		return err
	}
	for i := range Count {
		if werr := d.Write(i, make([]byte, Size)); err == nil {
			err = werr
		}
	}
	return errors.Join(err, d.Close())
}

// isPartition reports whether a path leads to a device of blocks.
func isPartition(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode()&os.ModeDevice != 0 && st.Mode()&os.ModeCharDevice == 0
}

// Open opens and locks a file that Create made.
func Open(path string) (*File, error) {
	partition := isPartition(path)
	f, direct, err := openDirect(path, partition)
	if err != nil {
		return nil, err
	}
	d := &File{f: f, direct: direct, partition: partition, buf: aligned()}
	if !partition { // which was opened exclusively
		if err := lock(f); err != nil {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
	}
	if err := d.fits(); err != nil {
		f.Close()
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return d, nil
}

// fits refuses what cannot be a root holder's.
func (d *File) fits() error {
	if d.partition {
		size, err := d.f.Seek(0, io.SeekEnd)
		if err == nil && size < Size*Count {
			err = ErrSize
		}
		return err
	}
	st, err := d.f.Stat()
	if err == nil && (st.Size() != Size*Count || !st.Mode().IsRegular()) {
		err = ErrSize
	}
	return err
}

// aligned returns a buffer for all blocks that starts where O_DIRECT needs it.
func aligned() []byte {
	b := make([]byte, (Count+1)*Size)
	skip := int(-uintptr(unsafe.Pointer(&b[0])) & (Size - 1))
	return b[skip : skip+Count*Size : skip+Count*Size]
}

// Read implements [Device].
func (d *File) Read(block int, b []byte) error {
	if d.f == nil {
		return fs.ErrClosed
	}
	buf := d.buf[:len(b)]
	defer clear(buf)
	if _, err := d.f.ReadAt(buf, int64(block)*Size); err != nil {
		return fmt.Errorf("reading the root holder's file: %w", err)
	}
	copy(b, buf)
	return nil
}

// Write implements [Device].
func (d *File) Write(block int, b []byte) error {
	if d.f == nil {
		return fs.ErrClosed
	}
	buf := d.buf[:Size]
	defer clear(buf)
	copy(buf, b)
	if _, err := d.f.WriteAt(buf, int64(block)*Size); err != nil {
		return fmt.Errorf("writing the root holder's file: %w", err)
	}
	if err := flush(d.f); err != nil {
		return fmt.Errorf("syncing the root holder's file: %w", err)
	}
	return nil
}

// Close implements [Device].
func (d *File) Close() error {
	if d.f == nil {
		return nil
	}
	err := d.f.Close()
	d.f = nil
	return err
}

// canary overwrites the block that holds no share.
func (d *File) canary() error {
	b := make([]byte, Size)
	rand.Read(b)
	if err := d.Write(Count-1, b); err != nil {
		return err
	}
	back := make([]byte, Size)
	if err := d.Read(Count-1, back); err != nil {
		return err
	}
	if string(b) != string(back) {
		return errors.New("what was written does not read back")
	}
	return nil
}
