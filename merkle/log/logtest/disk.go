// Package logtest has a disk for tests of everything that stands on a log: one
// whose power can be cut at any moment, whose syncs can be held back, and which
// fails on request.
//
//	d := logtest.NewDisk()
//	l, err := log.Open(ctx, "log", log.Options{FS: d.FS(), ...})
//	...
//	after := d.Crash(50, rng) // half of what was not synced survives
//	l2, err := log.Open(ctx, "log", log.Options{FS: after.FS(), ...})
//
// The old disk, and the log on it, go on as if nothing had happened: a test may
// cut the power many times during one run. Only tests import this package.
package logtest

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/lacunalog/lacuna/merkle/log"
)

// Kind is what an operation does to the disk.
type Kind string

// Operations that change the disk.
const (
	Create Kind = "create" // a file, or an old file for re-use
	Write  Kind = "write"
	Sync   Kind = "sync" // a file or a directory
	Rename Kind = "rename"
	Remove Kind = "remove"
	Link   Kind = "link"
	Mkdir  Kind = "mkdir"
)

// Operations that do not change it.
const (
	Open  Kind = "open" // a file or a directory
	Read  Kind = "read"
	Stat  Kind = "stat"
	List  Kind = "list"
	Lock  Kind = "lock"
	Close Kind = "close"
)

// Op is one operation on the disk.
type Op struct {
	Kind Kind
	Path string
}

// A Disk is a file system in memory that remembers what has been synced. All
// methods may be called by any goroutine.
type Disk struct {
	mem *vfs.MemFS
	fs  vfs.FS

	mu           sync.Mutex
	before, rest func(Op) error
	fate         map[Op]error // of the operation that comes next
	held         map[string]*hold
	free         uint64
	known        bool // free is set
}

// NewDisk returns an empty disk.
func NewDisk() *Disk { return newDisk(vfs.NewCrashableMem()) }

func newDisk(mem *vfs.MemFS) *Disk {
	d := &Disk{mem: mem, held: map[string]*hold{}, fate: map[Op]error{}}
	d.fs = &diskFS{FS: errorfs.Wrap(&faultFS{mem, d}, errorfs.InjectorFunc(d.inject)), d: d}
	return d
}

// FS returns the file system of the disk.
func (d *Disk) FS() log.FS { return d.fs }

// Crash returns what is on the disk if the power fails now: all that was synced,
// and of each block and each name that was not, so many percent, chosen by rng,
// which may be nil if the percentage is 0 or 100. Locks are gone too.
func (d *Disk) Crash(percent int, rng *rand.Rand) *Disk {
	if rng == nil {
		rng = rand.New(rand.NewPCG(0, 0))
	}
	return newDisk(d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
}

// Before makes f be called before each operation that changes the disk, on
// whatever goroutine does it. If f returns an error, the operation fails with it
// and does nothing; but see [ErrShort] and [ErrLost]. A nil f ends it.
func (d *Disk) Before(f func(Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = f
}

// BeforeRest is Before for the operations that do not change the disk. A file
// whose closing fails is closed all the same.
func (d *Disk) BeforeRest(f func(Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rest = f
}

// SetFree makes the disk say that it has so many free bytes. Until then it says
// that it cannot tell.
func (d *Disk) SetFree(bytes uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free, d.known = bytes, true
}

type hold struct {
	reached chan struct{}
	once    sync.Once
	release chan struct{}
}

// HoldSyncs makes syncs of files whose name ends in suffix wait until release is
// called. The channel is closed when the first of them has arrived.
func (d *Disk) HoldSyncs(suffix string) (reached <-chan struct{}, release func()) {
	h := &hold{reached: make(chan struct{}), release: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held[suffix] = h
	return h.reached, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.held[suffix] == h {
			delete(d.held, suffix)
			close(h.release)
		}
	}
}

func (d *Disk) inject(op errorfs.Op) error {
	kind, ok := kinds[op.Kind]
	if !ok {
		return nil
	}
	d.mu.Lock()
	before := d.before
	if !kind.changes() {
		before = d.rest
	}
	var h *hold
	if kind == Sync {
		for suffix, held := range d.held {
			if strings.HasSuffix(op.Path, suffix) {
				h = held
			}
		}
	}
	d.mu.Unlock()
	if h != nil {
		h.once.Do(func() { close(h.reached) })
		<-h.release
	}
	if before == nil {
		return nil
	}
	o := Op{Kind: kind, Path: op.Path}
	err := before(o)
	if kind == Write && errors.Is(err, ErrShort) || kind == Sync && errors.Is(err, ErrLost) {
		// Left to the file itself, whose turn is next.
		d.mu.Lock()
		d.fate[o] = err
		d.mu.Unlock()
		return nil
	}
	return err
}

// changes reports whether operations of a kind change the disk.
func (k Kind) changes() bool {
	switch k {
	case Open, Read, Stat, List, Lock, Close:
		return false
	}
	return true
}

var kinds = map[errorfs.OpKind]Kind{
	errorfs.OpCreate:        Create,
	errorfs.OpReuseForWrite: Create,
	errorfs.OpLink:          Link,
	errorfs.OpRemove:        Remove,
	errorfs.OpRemoveAll:     Remove,
	errorfs.OpRename:        Rename,
	errorfs.OpMkdirAll:      Mkdir,
	errorfs.OpFileWrite:     Write,
	errorfs.OpFileWriteAt:   Write,
	errorfs.OpFileSync:      Sync,
	errorfs.OpFileSyncData:  Sync,
	errorfs.OpFileSyncTo:    Sync,

	errorfs.OpOpen:       Open,
	errorfs.OpOpenDir:    Open,
	errorfs.OpFileRead:   Read,
	errorfs.OpFileReadAt: Read,
	errorfs.OpStat:       Stat,
	errorfs.OpFileStat:   Stat,
	errorfs.OpList:       List,
	errorfs.OpLock:       Lock,
}

// diskFS adds to the failing file system how much room there is.
type diskFS struct {
	vfs.FS
	d *Disk
}

func (f *diskFS) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if !f.d.known {
		return vfs.DiskUsage{}, vfs.ErrUnsupported
	}
	return vfs.DiskUsage{AvailBytes: f.d.free, TotalBytes: 1 << 40, UsedBytes: 1<<40 - f.d.free}, nil
}
