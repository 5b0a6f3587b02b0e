package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lacunalog/lacuna/bench"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle"
)

// A bareLoop is the floor under any log that seals its events: nothing but
//
//	seal        the whole event as docs/spec/envelope.md says, under a key that is at hand
//	leaf hash   and the compact range that makes it a tree
//	rows        as many and as long as ours: envelope, list row under a random name, request tag, leaf
//	commit      everything that came meanwhile as one batch of the same engine with the same settings, one sync
//
// There is no parsing, no register, no state, no key tree, no masks, no queue
// limits, no signature, no reader, no shuffling and no error handling beyond
// stopping. What it writes cannot be read again.
type bareLoop struct {
	db     *pebble.DB
	how    *pebble.WriteOptions // pebble.Sync, but in the control of a test
	origin [32]byte
	size   int
	events []envelope.Member

	mu      sync.Mutex
	gather  *loopGroup
	closing bool
	wake    chan struct{}
	stopped chan struct{}

	// Of the committer.
	leaves *merkle.Range
	bundle []byte
}

// A loopGroup is what is committed together.
type loopGroup struct {
	items []loopItem
	bytes int
	done  chan struct{}
	err   error
}

type loopItem struct {
	sealed envelope.Sealed
	name   [24]byte
	tag    [36]byte
}

// Groups as large as those of the log, and a little less than what the engine
// handles inside its write buffer.
const loopGroupBytes = 4 << 20

func newLoop(dir string, size int) (*bareLoop, error) {
	return newLoopOn(vfs.Default, pebble.Sync, dir, size)
}

// newLoopOn is newLoop on a file system that a test has brought, and with what it
// wants done at a commit.
func newLoopOn(fs vfs.FS, commit *pebble.WriteOptions, dir string, size int) (*bareLoop, error) {
	o := &pebble.Options{
		FS:                 fs,
		FormatMajorVersion: pebble.FormatWALSyncChunks, CacheSize: 64 << 20,
		MemTableSize: 16 << 20, MemTableStopWritesThreshold: 6, L0CompactionThreshold: 4, L0StopWritesThreshold: 24,
		CompactionConcurrencyRange: func() (int, int) { return 1, 2 },
		Logger:                     quiet{},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	db, err := pebble.Open(filepath.Join(dir, "loop"), o)
	if err != nil {
		return nil, fmt.Errorf("opening the engine for a bare loop: %w", err)
	}
	l := &bareLoop{db: db, how: commit, origin: envelope.Origin("bench.example/loop"), size: size, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	l.gather = newLoopGroup()
	if l.leaves, err = merkle.NewRange(0, nil); err == nil {
		l.events, err = bench.FullMembers(size)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	go l.commits()
	return l, nil
}

// quiet keeps the engine's chatter away from the figures; an error ends the run
// by the error that the commit returns.
type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func newLoopGroup() *loopGroup { return &loopGroup{done: make(chan struct{})} }

// put adds to the group that gathers, and waits while it is full.
func (l *bareLoop) put(it loopItem) (*loopGroup, error) {
	for {
		l.mu.Lock()
		g := l.gather
		if l.closing {
			l.mu.Unlock()
			return nil, errors.New("the loop is closed")
		}
		if len(g.items) > 0 && g.bytes >= loopGroupBytes {
			l.mu.Unlock()
			<-g.done
			continue
		}
		g.items = append(g.items, it)
		g.bytes += len(it.sealed.Envelope) + 512
		l.mu.Unlock()
		select {
		case l.wake <- struct{}{}:
		default:
		}
		return g, nil
	}
}

// commits commits one group after the other.
func (l *bareLoop) commits() {
	defer close(l.stopped)
	for range l.wake {
		l.mu.Lock()
		g, closing := l.gather, l.closing
		if len(g.items) == 0 {
			g = nil
		} else {
			l.gather = newLoopGroup()
		}
		l.mu.Unlock()
		if g != nil {
			g.err = l.commit(g.items)
			close(g.done)
		}
		if closing {
			return
		}
	}
}

// commit writes a group and syncs it.
func (l *bareLoop) commit(items []loopItem) error {
	batch := l.db.NewBatchWithSize(len(items) * 900)
	first := l.leaves.Size()
	// A row of the batch is filled before the next one is begun: the batch may move.
	set := func(space byte, n uint64, value int) []byte {
		op := batch.SetDeferred(9, value)
		op.Key[0] = space
		binary.BigEndian.PutUint64(op.Key[1:], n)
		return op.Value
	}

	leaves := set('c', first, len(items)*(2+34))[:0]
	for i := range items {
		leaf := items[i].sealed.Leaf[:]
		leaves = append(append(leaves, 0, byte(len(leaf))), leaf...)
	}
	for i := range items {
		leaf := items[i].sealed.Leaf[:]
		l.leaves.Append(merkle.LeafHash(leaf), nil)
		l.bundle = append(append(l.bundle, 0, byte(len(leaf))), leaf...)
		if n := l.leaves.Size(); n%256 == 0 {
			copy(set('b', n/256-1, len(l.bundle)), l.bundle)
			l.bundle = l.bundle[:0]
		}
	}
	for i := range items {
		op := batch.SetDeferred(13, len(items[i].sealed.Envelope))
		copy(op.Key, "e\x00\x00\x00\x01")
		binary.BigEndian.PutUint64(op.Key[5:], first+uint64(i))
		copy(op.Value, items[i].sealed.Envelope)
	}
	tags := set('q', first, len(items)*36)
	for i := range items {
		copy(tags[i*36:], items[i].tag[:])
	}
	slices.SortFunc(items, func(x, y loopItem) int { return bytes.Compare(x.name[:16], y.name[:16]) })
	for i := range items {
		op := batch.SetDeferred(21, 8)
		copy(op.Key, "s\x00\x00\x00\x01")
		copy(op.Key[5:], items[i].name[:16])
		copy(op.Value, items[i].name[16:])
	}
	root := l.leaves.Root()
	copy(set('h', 0, len(root)), root[:])
	if err := batch.Commit(l.how); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// loopKey derives the secrets of events from one key, with everything that can be
// computed once computed once. It belongs to one goroutine.
type loopKey struct{ mac hash.Hash }

func (k loopKey) EventSecret(suite byte, e [16]byte) (s [32]byte) {
	k.mac.Reset()
	k.mac.Write(append(append([]byte("lacuna/v1/event"), suite), e[:]...))
	k.mac.Write([]byte{1})
	k.mac.Sum(s[:0])
	return s
}

// Name implements [bench.Path].
func (l *bareLoop) Name() string { return "loop" }

// Caller implements [bench.Path].
func (l *bareLoop) Caller(size, window int, seed uint64) func(context.Context) (int, error) {
	if size != l.size {
		return func(context.Context) (int, error) { return 0, fmt.Errorf("a loop for events of %d bytes", l.size) }
	}
	key := loopKey{hmac.New(sha256.New, binary.BigEndian.AppendUint64(make([]byte, 24), seed))}
	random := bench.LeafMaker(60, seed)
	groups := make([]*loopGroup, 0, window)
	return func(ctx context.Context) (int, error) {
		groups = groups[:0]
		for range window {
			sealed, err := envelope.SealMembers(key, envelope.ChaCha20Poly1305, l.origin, l.events)
			if err != nil {
				return 0, err
			}
			it := loopItem{sealed: sealed}
			r := random()
			copy(it.name[:], r)
			copy(it.tag[:], r[24:])
			g, err := l.put(it)
			if err != nil {
				return 0, err
			}
			if n := len(groups); n == 0 || groups[n-1] != g {
				groups = append(groups, g)
			}
		}
		for _, g := range groups {
			select {
			case <-g.done:
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
			if g.err != nil {
				return 0, g.err
			}
		}
		return window, nil
	}
}

// Close ends the loop and closes the engine.
func (l *bareLoop) Close() error {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	<-l.stopped
	return l.db.Close()
}
