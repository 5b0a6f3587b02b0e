package block

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unsafe"
)

// A File is a device in a file that is opened once, locked, never renamed and
// never truncated.
type File struct {
	f      *os.File
	direct bool // past the page cache
	buf    []byte
	path   string
}

// Create makes a file and fills it with random bytes, so that every block of it
// is allocated before the first share comes. It refuses a file that exists.
func Create(path string) (*File, error) {
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

// Open opens and locks a file that Create made.
func Open(path string) (*File, error) {
	f, direct, err := openDirect(path)
	if err != nil {
		return nil, err
	}
	d := &File{f: f, direct: direct, buf: aligned(), path: path}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	st, err := f.Stat()
	if err == nil && (st.Size() != Size*Count || !st.Mode().IsRegular()) {
		err = ErrSize
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return d, nil
}

// aligned returns a buffer that starts where O_DIRECT needs it.
func aligned() []byte {
	b := make([]byte, 2*Size)
	skip := int(-uintptr(unsafe.Pointer(&b[0])) & (Size - 1))
	return b[skip : skip+Size : skip+Size]
}

// Read implements [Device].
func (d *File) Read(block int, b []byte) error {
	if d.f == nil {
		return fs.ErrClosed
	}
	defer clear(d.buf)
	if _, err := d.f.ReadAt(d.buf, int64(block)*Size); err != nil {
		return fmt.Errorf("reading the root holder's file: %w", err)
	}
	copy(b, d.buf)
	return nil
}

// Write implements [Device].
func (d *File) Write(block int, b []byte) error {
	if d.f == nil {
		return fs.ErrClosed
	}
	defer clear(d.buf)
	copy(d.buf, b)
	if _, err := d.f.WriteAt(d.buf, int64(block)*Size); err != nil {
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
