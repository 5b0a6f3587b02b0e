package logtest

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

var (
	// ErrShort, given to a write by the function of [Disk.Before], makes it write
	// half of its bytes and fail.
	ErrShort = fmt.Errorf("disk: %w", io.ErrShortWrite)
	// ErrLost, given to a sync, makes it fail as a kernel does that has given up:
	// what was not on the disk by then never will be, although later syncs through
	// the same handle say that all is well.
	ErrLost = errors.New("disk: sync failed, what was written is lost")
)

// takeFate returns what the injector has decided about an operation.
func (d *Disk) takeFate(o Op) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.fate[o]
	delete(d.fate, o)
	return err
}

// faultFS stands below the injector. Its files fail half-way, which an injector
// that stands before the operation cannot make them do.
type faultFS struct {
	vfs.FS
	d *Disk
}

func (f *faultFS) file(name string, file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &faultFile{File: file, name: name, d: f.d}, nil
}

func (f *faultFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return f.file(name, file, err)
}

// ReuseForWrite gives its file to the injector, which forgets to take it.
func (f *faultFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(old, name, c)
	if file, err = f.file(name, file, err); err != nil {
		return nil, err
	}
	return errorfs.WrapFile(file, errorfs.InjectorFunc(func(op errorfs.Op) error {
		op.Path = name
		return f.d.inject(op)
	})), nil
}

func (f *faultFS) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.Open(name, o...)
	return f.file(name, file, err)
}

func (f *faultFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, c, o...)
	return f.file(name, file, err)
}

func (f *faultFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	return f.file(name, file, err)
}

type faultFile struct {
	vfs.File
	name string
	d    *Disk
	lost atomic.Bool
}

func (f *faultFile) Write(b []byte) (int, error) {
	fate := f.d.takeFate(Op{Write, f.name})
	if fate == nil {
		return f.File.Write(b)
	}
	n, err := f.File.Write(b[:len(b)/2])
	if err == nil {
		err = fate
	}
	return n, err
}

func (f *faultFile) sync(do func() error) error {
	if fate := f.d.takeFate(Op{Sync, f.name}); fate != nil {
		f.lost.Store(true)
		return fate
	}
	if f.lost.Load() {
		return nil
	}
	return do()
}

func (f *faultFile) Sync() error     { return f.sync(f.File.Sync) }
func (f *faultFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *faultFile) SyncTo(length int64) (full bool, err error) {
	full = true
	err = f.sync(func() error {
		var err error
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

// Close is not among what the injector fails.
func (f *faultFile) Close() error {
	f.d.mu.Lock()
	rest := f.d.rest
	f.d.mu.Unlock()
	var fate error
	if rest != nil {
		fate = rest(Op{Close, f.name})
	}
	return errors.Join(f.File.Close(), fate)
}
