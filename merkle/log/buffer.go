package log

import (
	"errors"
	"path/filepath"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// bufferFS gives the engine's tables and write-ahead logs larger writes. The engine
// writes tables four kilobytes at a time and logs 32, and what a call costs the
// kernel is more than the copying. Nothing is promised of either before its Sync,
// which writes what is left; the manifest is not touched.
type bufferFS struct{ vfs.FS }

func (fs bufferFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	if ext := filepath.Ext(name); err != nil || ext != ".sst" && ext != ".log" {
		return f, err
	}
	return &bufferFile{File: f, buf: buffers.Get().(*[]byte)}, nil
}

// bufferSize is how much is written in one call.
const bufferSize = 256 << 10

// buffers are kept for the next file: new memory costs more than its use saves.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, bufferSize)
	return &b
}}

// bufferFile is a file that is being written: by one goroutine, from its start to its
// end.
type bufferFile struct {
	vfs.File
	buf *[]byte // nil once the file is closed
}

func (f *bufferFile) Write(p []byte) (int, error) {
	if f.buf == nil {
		return f.File.Write(p) // says that the file is closed
	}
	if len(*f.buf)+len(p) > bufferSize {
		if err := f.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) >= bufferSize {
		return f.File.Write(p)
	}
	*f.buf = append(*f.buf, p...)
	return len(p), nil
}

func (f *bufferFile) flush() error {
	if f.buf == nil || len(*f.buf) == 0 {
		return nil
	}
	_, err := f.File.Write(*f.buf)
	*f.buf = (*f.buf)[:0]
	return err
}

func (f *bufferFile) Sync() error     { return errors.Join(f.flush(), f.File.Sync()) }
func (f *bufferFile) SyncData() error { return errors.Join(f.flush(), f.File.SyncData()) }

func (f *bufferFile) Close() error {
	err := f.flush()
	if f.buf != nil {
		buffers.Put(f.buf)
		f.buf = nil
	}
	return errors.Join(err, f.File.Close())
}
