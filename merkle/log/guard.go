package log

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The engine does not survive every error of the disk. While it changes to the
// next write-ahead log, every 16 MiB, it panics, and on the way out a deferred
// call unlocks a mutex that is not locked, which for Go is the end of the process,
// whoever would recover; and where a new manifest cannot get its name it panics on
// a goroutine of its own. Nobody is told why then, and readers are cut off from a
// head that stays true. So an error of the write-ahead log or in syncing a
// directory breaks the log first, and the engine never hears of it: halt does not
// return.
//
// Errors that the engine hands back while it is opened and closed are ours to
// return, and pass.

// halt breaks the log and keeps a goroutine of the engine from going on. What it
// would do next cannot be known to be right, and nobody waits for it any more.
func (e *ears) halt(what string, err error) {
	if e.closing.Load() || opening() {
		return
	}
	err = fmt.Errorf("%s: %w", what, oneLine(err))
	e.log.Error("storage engine: fatal", "err", err)
	e.halting.Do(func() {
		e.halted <- err
		e.fatal(err)
	})
	select {}
}

// opening reports whether it is called by the engine's Open, and not by a
// goroutine that Open has started.
func opening() bool {
	pc := make([]uintptr, 64)
	frames := runtime.CallersFrames(pc[:runtime.Callers(2, pc)])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, "/pebble/v2.Open") {
			return true
		}
		if !more {
			return false
		}
	}
}

// unlessBroken makes a call of the engine that may never return.
func (l *Log) unlessBroken(call func() error) error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-l.broke:
		return *l.broken.Load()
	}
}

// guardFS is the engine's file system, watched where the engine must not hear of
// an error: in the directory of the log. A backup goes elsewhere.
type guardFS struct {
	vfs.FS
	dir  string
	ears *ears
}

func (f guardFS) guards(dir string) bool { return f.PathJoin(dir) == f.PathJoin(f.dir) }

// Unwrap lets the engine find the file system below.
func (f guardFS) Unwrap() vfs.FS { return f.FS }

func (f guardFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(f.PathBase(name), "marker.") && f.guards(f.PathDir(name)) {
		// The marker says which manifest is the newest. The engine syncs both names
		// at once, and where names become durable in any order, a power failure may
		// leave the marker of a manifest that is not there.
		if err := f.syncDir(); err != nil {
			return nil, err
		}
	}
	file, err := f.FS.Create(name, c)
	if !strings.HasSuffix(name, ".log") || !f.guards(f.PathDir(name)) {
		return file, err
	}
	if err != nil {
		f.ears.halt("creating the write-ahead log", err)
		return nil, err
	}
	return guardFile{file, f.ears, "write-ahead log"}, nil
}

func (f guardFS) syncDir() error {
	d, err := f.FS.OpenDir(f.dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

func (f guardFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil || !f.guards(name) {
		return file, err
	}
	return guardFile{file, f.ears, "directory"}, nil
}

type guardFile struct {
	vfs.File
	ears *ears
	what string
}

func (f guardFile) heard(doing string, err error) error {
	if err != nil {
		f.ears.halt(doing+" the "+f.what, err)
	}
	return err
}

func (f guardFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	return n, f.heard("writing", err)
}

func (f guardFile) Preallocate(offset, length int64) error {
	return f.heard("extending", f.File.Preallocate(offset, length))
}

func (f guardFile) Sync() error     { return f.heard("syncing", f.File.Sync()) }
func (f guardFile) SyncData() error { return f.heard("syncing", f.File.SyncData()) }

func (f guardFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.heard("syncing", err)
}

func (f guardFile) Close() error { return f.heard("closing", f.File.Close()) }
