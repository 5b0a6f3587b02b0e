package log

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/lacunalog/lacuna/merkle"
)

// FS is the file system below a log. Only tests have a reason to bring their own.
type FS = vfs.FS

// MemFS returns an empty file system in memory.
func MemFS() FS { return vfs.NewMem() }

// Options configure a log. Origin and Signer are required (a log that is opened
// for reading only needs neither); everything else has a default.
type Options struct {
	// Origin is the name of the log, the first line of each checkpoint: a URL
	// without scheme that nobody else uses. It is written down at Create; Open
	// refuses another one, and takes the stored one if it is empty.
	Origin string
	// Signer signs the checkpoints. It must be deterministic, as Ed25519 is:
	// after a crash the newest head is signed again.
	Signer merkle.Signer
	// VKey is the public key of Signer, as merkle.VerifierOf returns it.
	// Required by Create, which writes it down; if given to Open, it must be the
	// stored one.
	VKey string
	// Spaces are the first bytes of the keys that the caller uses. Any other
	// key is refused with ErrSpace; 'b', 'c', 't' and 'h' belong to the log.
	Spaces []byte

	// ReadOnly opens the log without writing and without signing: the head is
	// the newest one that was stored. Rows of a group that was committed after
	// that one may be seen. ErrRolledBack is not raised.
	ReadOnly bool
	// HeadCopy keeps a copy of the newest signed head away from the directory;
	// without one a log cannot notice that its directory is an old copy.
	HeadCopy HeadCopy
	// Publishing says which heads strangers see, and whose cosignatures they need.
	Publishing Publishing

	// MaxGroupBytes limits one commit group, and so one call of Enqueue. Default
	// and maximum 4 MiB: the engine handles larger batches outside its
	// write buffer, which costs a flush each.
	MaxGroupBytes int
	// MaxQueueBytes and MaxQueueEntries limit what waits for a commit; beyond,
	// Enqueue returns ErrBusy. Defaults 4 MiB, which is one full group behind the one
	// that is being committed: what waits behind that is only memory that the garbage
	// collector has to walk; and 65,536.
	MaxQueueBytes, MaxQueueEntries int
	// Linger is the longest time a group waits for more, which only happens
	// while many callers append at once. Default 1 ms; negative for none.
	Linger time.Duration
	// MinFree is the number of free bytes on the disk below which appends are
	// refused with ErrDiskFull; changes (an erasure, say) go on until a quarter
	// of it. Default 512 MiB; negative for no check.
	MinFree int64
	// CacheBytes is the size of the block cache. Memtables count towards it, two of them
	// always: what they take is not there for blocks. Default 88 MiB, 24 for blocks.
	CacheBytes int64

	// Logger takes what the operator should know. Default slog.Default().
	// Nothing that callers store is ever logged.
	Logger *slog.Logger
	// OnBroken is called once, on any goroutine, when the log becomes broken
	// (see ErrBroken): a program prints the error and exits with status 1. If
	// the engine cannot go on at all and OnBroken returns or is nil, the log may
	// panic.
	OnBroken func(error)

	// FS defaults to the file system of the operating system.
	FS FS

	// seams are those of tests, see export_test.go.
	seams *seams
}

// A HeadCopy stores one small file somewhere else than in the log's directory:
// beside each holder of the root key, on another disk, at a custodian.
type HeadCopy interface {
	// Load returns what Store was given last, nil if nothing was yet.
	Load() ([]byte, error)
	// Store replaces the copy. It must be durable when it returns. It is called
	// by Create, at most once a second after commits, and by Close, never by two
	// goroutines at once.
	Store(checkpoint []byte) error
}

const (
	defaultMaxGroupBytes   = 4 << 20
	defaultMaxQueueBytes   = defaultMaxGroupBytes
	defaultMaxQueueEntries = 1 << 16
	defaultLinger          = time.Millisecond
	defaultMinFree         = 512 << 20
	defaultCacheBytes      = 88 << 20
)

func (o *Options) fill() error {
	if strings.ContainsFunc(o.Origin, func(r rune) bool { return r < 0x20 }) {
		return errors.New("origin with a control character")
	}
	if o.MaxGroupBytes == 0 {
		o.MaxGroupBytes = defaultMaxGroupBytes
	}
	if o.MaxGroupBytes < 0 || o.MaxGroupBytes > defaultMaxGroupBytes {
		return fmt.Errorf("MaxGroupBytes is %d, at most %d", o.MaxGroupBytes, defaultMaxGroupBytes)
	}
	if o.MaxQueueBytes <= 0 {
		o.MaxQueueBytes = defaultMaxQueueBytes
	}
	if o.MaxQueueEntries <= 0 {
		o.MaxQueueEntries = defaultMaxQueueEntries
	}
	if o.Linger == 0 {
		o.Linger = defaultLinger
	}
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.seams == nil {
		o.seams = &seams{}
	}
	o.seams.fill()
	return o.Publishing.fill()
}

// seams hold what only tests set.
type seams struct {
	// step is called by the sequencer between the steps of a commit.
	step func(string)
	// publishEarly releases the head before its sync: the draft that attack 17
	// of docs/explanation/log.md defeats, kept so that its test can be tested.
	publishEarly bool
	// copyPause returns a channel that fires when the next head copy may be made.
	copyPause func() <-chan time.Time
	// cleaner of the engine: "recycle" is the engine's default, which keeps old
	// write-ahead logs for re-use.
	recycle bool
	// lingering is called when the sequencer starts to wait for more.
	lingering func()
	// gatherFor is how long entries gather that nobody waits for.
	gatherFor time.Duration
	// publishing is called by Publish between its steps.
	publishing func(string)
	// pause waits between two heads that are signed to be published.
	pause func(context.Context, time.Duration) error
	// straggle is for how long Publish waits for witnesses that the policy can do without.
	straggle time.Duration
	// showEarly shows a head before it is archived: the draft that loses a head
	// that somebody has seen.
	showEarly bool
}

func (t *seams) fill() {
	if t.step == nil {
		t.step = func(string) {}
	}
	if t.copyPause == nil {
		t.copyPause = func() <-chan time.Time { return time.After(time.Second) }
	}
	if t.gatherFor == 0 {
		t.gatherFor = gatherFor
	}
	if t.publishing == nil {
		t.publishing = func(string) {}
	}
	if t.pause == nil {
		t.pause = pause
	}
	if t.straggle == 0 {
		t.straggle = minPause
	}
}
