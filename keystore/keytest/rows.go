// Package keytest has what tests of the key tree, and of what is built on it,
// need: rows in memory that behave as a store with a queue does, that can crash,
// and that remember every row that was ever written, as the logs, replicas and
// backups of a real store would.
package keytest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/lacunalog/lacuna/keystore"
)

// Rows are rows in memory. What is queued becomes visible, and survives a crash,
// when it is waited for, when something queued later is, when Commit is called, or
// on its own after a few reads.
type Rows struct {
	mu     sync.Mutex
	keys   sorted
	rows   map[string][]byte
	queue  []batch
	done   int // batches committed since the start
	ever   []keystore.KV
	failed error
	reads  int

	// Sync is called for every batch that becomes durable, with its size. A
	// benchmark writes and syncs a file in it.
	Sync func(bytes int) error
	// Forget does not remember what was written.
	Forget bool
}

type batch struct {
	set []keystore.KV
	del [][2][]byte
}

// NewRows returns empty rows.
func NewRows() *Rows { return &Rows{rows: make(map[string][]byte)} }

// lag is how many reads the oldest queued batch waits for.
const lag = 3

func (r *Rows) read() {
	if r.reads++; r.reads >= lag {
		r.reads = 0
		r.commit(min(1, len(r.queue)))
	}
}

// Get implements [keystore.Rows].
func (r *Rows) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read()
	v, ok := r.rows[string(key)]
	if !ok {
		return nil, keystore.ErrNoRow
	}
	return bytes.Clone(v), nil
}

// Scan implements [keystore.Rows].
func (r *Rows) Scan(ctx context.Context, from, to []byte, f func(k, v []byte) error) error {
	r.mu.Lock()
	r.read()
	r.mu.Unlock()
	for at := string(from); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.mu.Lock()
		k, ok := r.keys.from(at)
		if !ok || to != nil && k >= string(to) {
			r.mu.Unlock()
			return nil
		}
		v := bytes.Clone(r.rows[k])
		r.mu.Unlock()
		if err := f([]byte(k), v); err != nil {
			return err
		}
		at = k + "\x00"
	}
}

// Enqueue implements [keystore.Rows].
func (r *Rows) Enqueue(set []keystore.KV, del [][2][]byte) (func(context.Context) error, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return nil, r.failed
	}
	b := batch{del: del}
	for _, kv := range set {
		kv = keystore.KV{Key: bytes.Clone(kv.Key), Value: bytes.Clone(kv.Value)}
		b.set = append(b.set, kv)
		if !r.Forget {
			r.ever = append(r.ever, kv)
		}
	}
	r.queue = append(r.queue, b)
	number := r.done + len(r.queue)
	return func(ctx context.Context) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.failed != nil {
			return r.failed
		}
		r.commit(number - r.done)
		return r.failed
	}, nil
}

// Commit makes everything that is queued durable and visible.
func (r *Rows) Commit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commit(len(r.queue))
}

func (r *Rows) commit(n int) {
	for ; n > 0; n-- {
		b := r.queue[0]
		r.queue = r.queue[1:]
		r.done++
		for _, d := range b.del {
			for {
				k, ok := r.keys.from(string(d[0]))
				if !ok || d[1] != nil && k >= string(d[1]) {
					break
				}
				r.keys.remove(k)
				delete(r.rows, k)
			}
		}
		size := 0
		for _, kv := range b.set {
			size += len(kv.Key) + len(kv.Value)
			k := string(kv.Key)
			if _, ok := r.rows[k]; !ok {
				r.keys.insert(k)
			}
			r.rows[k] = kv.Value
		}
		if r.Sync != nil && r.failed == nil {
			r.failed = r.Sync(size)
		}
	}
}

// ErrCrashed is what everything returns between Crash and Restart.
var ErrCrashed = errors.New("crashed")

// Crash stops the store. Of what is queued it keeps the first n batches: a queue
// loses a suffix and nothing else.
func (r *Rows) Crash(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commit(min(max(n, 0), len(r.queue)))
	r.queue = nil
	r.failed = ErrCrashed
}

// Restart lets a crashed store go on with what it kept.
func (r *Rows) Restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = nil
}

// Queued is how many batches are not durable yet.
func (r *Rows) Queued() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue)
}

// Ever returns every row that was ever handed to the store, in order, durable or
// not, deleted or not. The caller must not change it.
func (r *Rows) Ever() []keystore.KV {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.ever)
}

// Backup copies what is durable now into rows of its own.
func (r *Rows) Backup() *Rows {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := NewRows()
	for k, v := range r.rows {
		b.keys.insert(k)
		b.rows[k] = v
	}
	return b
}
