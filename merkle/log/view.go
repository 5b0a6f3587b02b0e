package log

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/lacunalog/lacuna/merkle"
)

// A Head is the newest state of the log that is durable and signed.
type Head struct {
	merkle.Checkpoint
	// Signed is the checkpoint as a signed note. It must not be changed.
	Signed []byte
}

// A view is everything that readers see at one head: the head, the right edge
// of its tree, and a snapshot of the database. The engine shows a batch to
// readers before it is synced, so nobody reads the database itself.
//
// A view is published whole, behind one atomic pointer, and released when its
// successor is there and its last reader has left.
type view struct {
	head Head
	edge edge
	snap *pebble.Snapshot

	log  *Log
	refs atomic.Int64 // one is the log's own, until the next view is published
}

// acquire returns the current view, to be released by the caller.
func (l *Log) acquire() (*view, error) {
	for {
		if err := l.readable(); err != nil {
			return nil, err
		}
		v := l.view.Load()
		for {
			n := v.refs.Load()
			if n == 0 {
				break // replaced since we loaded it, or the log is closing
			}
			if v.refs.CompareAndSwap(n, n+1) {
				return v, nil
			}
		}
	}
}

func (v *view) release() {
	if v.refs.Add(-1) > 0 {
		return
	}
	// A broken database is not touched again, not even to let go of a snapshot.
	if v.log.broken.Load() == nil {
		_ = v.snap.Close() // only fails when it was closed before
	}
	v.log.readers.Done()
}

// publish makes a head and all rows up to it visible. From here on readers,
// proofs and the HTTP handler show the new tree.
func (l *Log) publish(h Head, e edge) {
	v := &view{head: h, edge: e, snap: l.engine.db.NewSnapshot(), log: l}
	v.refs.Store(1)
	l.readers.Add(1)
	if old := l.view.Swap(v); old != nil {
		old.release()
	}
}

// Head returns the newest head. It also answers when the log is closed or
// broken: what was once published stays true.
func (l *Log) Head() Head { return l.view.Load().head }
