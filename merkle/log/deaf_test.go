package log_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// deafFS is the control: a file system that keeps errors to itself, as a program
// would have it that ignores them.
type deafFS struct {
	log.FS
	to func(logtest.Op) bool
}

func (f deafFS) Unwrap() log.FS { return f.FS }

func (f deafFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return deafFile{file, f.to, name}, err
}

func (f deafFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	return deafFile{file, f.to, name}, err
}

type deafFile struct {
	vfs.File
	to   func(logtest.Op) bool
	name string
}

func (f deafFile) hear(k logtest.Kind, err error) error {
	if f.to(logtest.Op{Kind: k, Path: f.name}) {
		return nil
	}
	return err
}

func (f deafFile) Sync() error     { return f.hear(logtest.Sync, f.File.Sync()) }
func (f deafFile) SyncData() error { return f.hear(logtest.Sync, f.File.SyncData()) }

func (f deafFile) SyncTo(n int64) (bool, error) {
	full, err := f.File.SyncTo(n)
	return full, f.hear(logtest.Sync, err)
}

func (f deafFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	if err != nil && f.hear(logtest.Write, err) == nil {
		return len(b), nil
	}
	return n, err
}

// TestIgnoredFault shows that TestEveryFault finds a log that ignores what the
// disk says: of each kind of operation there is one whose error must be heard.
func TestIgnoredFault(t *testing.T) {
	if slow {
		t.Skip("a control of other tests, which finds no race")
	}
	of := func(k logtest.Kind, in string) func(logtest.Op) bool {
		return func(op logtest.Op) bool { return op.Kind == k && strings.Contains(op.Path, in) }
	}
	wal := func(k logtest.Kind) func(logtest.Op) bool {
		return func(op logtest.Op) bool {
			return op.Kind == k && strings.HasPrefix(op.Path, "log/") && strings.HasSuffix(op.Path, ".log")
		}
	}
	for name, ignored := range map[string]func(logtest.Op) bool{
		"syncing the write-ahead log": wal(logtest.Sync),
		"syncing tables":              of(logtest.Sync, ".sst"),
		"syncing the manifest":        of(logtest.Sync, "MANIFEST"),
		"syncing the directory":       func(op logtest.Op) bool { return op.Kind == logtest.Sync && op.Path == "log" },
		"writing the write-ahead log": wal(logtest.Write),
		"syncing an export":           of(logtest.Sync, "export/tile"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fault{err: logtest.ErrLost, kinds: []logtest.Kind{logtest.Sync, logtest.Write}, times: 1}
			if strings.HasSuffix(name, "directory") {
				f.times = 1 << 30 // a later sync, through another handle, would make up for it
			}
			for n := 1; ; n++ {
				r := newLifeWhere(f, n, ignored)
				r.fs = deafFS{r.fs, ignored}
				err := r.end(t, rand.New(rand.NewPCG(uint64(n), 7)))
				if r.hit == nil {
					t.Errorf("%d errors were ignored, one at a time, and nothing came of it", n-1)
					return
				}
				if err != nil {
					t.Logf("%s: %.200v", *r.hit, err)
					return
				}
			}
		})
	}
}
