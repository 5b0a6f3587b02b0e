package log

import (
	"errors"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// tableFS gives the engine's tables larger writes. The engine writes them four
// kilobytes at a time, and each call costs the kernel more than the copying: a
// quarter of what the engine costs in all. Nothing is promised of a table before
// its Sync, which writes what is left; write-ahead log and manifest are not
// touched.
type tableFS struct{ vfs.FS }

func (fs tableFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	if err != nil || filepath.Ext(name) != ".sst" {
		return f, err
	}
	return &tableFile{File: f, buf: make([]byte, 0, tableWrite)}, nil
}

// tableWrite is how much of a table is written in one call.
const tableWrite = 64 << 10

// tableFile is a table that is being written: by one goroutine, from its start to
// its end.
type tableFile struct {
	vfs.File
	buf []byte
}

func (f *tableFile) Write(p []byte) (int, error) {
	if len(f.buf)+len(p) > cap(f.buf) {
		if err := f.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) >= cap(f.buf) {
		return f.File.Write(p)
	}
	f.buf = append(f.buf, p...)
	return len(p), nil
}

func (f *tableFile) flush() error {
	if len(f.buf) == 0 {
		return nil
	}
	_, err := f.File.Write(f.buf)
	f.buf = f.buf[:0]
	return err
}

func (f *tableFile) Sync() error     { return errors.Join(f.flush(), f.File.Sync()) }
func (f *tableFile) SyncData() error { return errors.Join(f.flush(), f.File.SyncData()) }
func (f *tableFile) Close() error    { return errors.Join(f.flush(), f.File.Close()) }
