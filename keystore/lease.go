package keystore

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
)

// A Lease lends the use of one key. The key itself never leaves; what is derived
// from it does. An erasure of the key waits until every lease of it has ended.
// A lease must not be used after Done.
type Lease struct {
	t    *Tree
	k    *key
	done atomic.Bool
}

func (t *Tree) lease(k *key) *Lease {
	if k == nil {
		return nil
	}
	return &Lease{t: t, k: k}
}

// A Key is what is kept of a lease to take another one of the same key. It keeps
// nothing of the key in memory that has to be wiped.
type Key struct {
	t *Tree
	k *key
}

// Key returns what another lease of the same key is taken with.
func (l *Lease) Key() Key { return Key{l.t, l.k} }

// Lease is Find for who has had a lease of the key before: as long as it is loaded,
// nothing is looked for.
func (k Key) Lease(ctx context.Context) (*Lease, error) {
	t := k.t
	if t.sys.Load() == nil {
		return nil, ErrClosed
	}
	if q, ok, err := t.keys.again(k.k); ok {
		return t.lease(q), err
	}
	return t.acquireSlow(ctx, k.k.id, false, false, 0)
}

// Ref names the key.
func (k Key) Ref() Ref { return Ref{k.k.id} }

// LeaseOf takes a lease by reference. Unlike Use, Find and Key.Lease it also works
// on a key that is fenced, until the epoch that erases it is prepared: this is how an
// erasure reads what it has to report.
func (t *Tree) LeaseOf(ctx context.Context, r Ref) (*Lease, error) {
	if t.sys.Load() == nil {
		return nil, ErrClosed
	}
	if r.id.alias {
		return nil, ErrNoKey
	}
	if k, ok, err := t.keys.lease(r.id, true); ok {
		return t.lease(k), err
	}
	return t.acquireSlow(ctx, r.id, false, true, 0)
}

// Ref names the key.
func (l *Lease) Ref() Ref { return Ref{l.k.id} }

// Info says what is known of the key.
func (l *Lease) Info() KeyInfo {
	s := l.t.keys.shard(l.k.id)
	s.mu.Lock()
	e := l.k.entry()
	s.mu.Unlock()
	return e.info(l.t.system())
}

// EventSecret derives the secret of one event from its random e.
func (l *Lease) EventSecret(suite byte, e [16]byte) (s [32]byte) {
	if runtimeSecret {
		guarded(func() { l.k.derived.eventSecret(suite, &e, &s) })
		return s
	}
	l.k.derived.eventSecret(suite, &e, &s)
	return s
}

// RowName is HMAC(K_rows, 0x01 || u32 g || u64 seq), under which the subject's
// list keeps its entry seq.
func (l *Lease) RowName(g uint32, seq uint64) (t [32]byte) {
	l.k.derived.must()
	l.k.derived.rows.numbered(&t, 1, g, seq)
	return t
}

// SealRow seals the value of a row under a key that is derived from the row's
// name. A name must be used once: two values under one name would share a key
// and a nonce. Names have at least 8 bytes; shorter ones panic.
func (l *Lease) SealRow(name, plaintext []byte) []byte { return l.k.derived.sealRow(name, plaintext) }

// OpenRow opens what SealRow sealed under the same name.
func (l *Lease) OpenRow(name, sealed []byte) ([]byte, error) {
	return l.k.derived.openRow(name, sealed)
}

// RowsKey copies K_rows out, for an erasure that has to find the person's rows
// when their key is gone.
func (l *Lease) RowsKey() RowsKey {
	l.k.derived.must()
	return RowsKey{l.k.derived.kRows, l.k.derived.rows}
}

// Pending reports whether this key's creation has not been queued yet: then what
// TakePending returns must be queued before, or together with, the first thing
// that is sealed under the key.
func (l *Lease) Pending() bool {
	s := l.t.keys.shard(l.k.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.k.untaken
}

// Done ends the lease. A key that was made for it and never taken is forgotten:
// an event that was refused leaves no key behind.
func (l *Lease) Done() {
	if l.done.Swap(true) {
		return
	}
	s := l.t.keys.shard(l.k.id)
	s.mu.Lock()
	l.k.leases--
	idle := l.k.leases == 0
	if idle {
		s.idle(l.k.id)
	}
	forget := idle && l.k.untaken
	s.mu.Unlock()
	if forget {
		l.t.forget(l.k)
	}
}

// forget takes back a creation. While an epoch runs it stays: the page that is
// about to replace this one may have been written with it. A key without events
// harms nobody.
func (t *Tree) forget(k *key) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	sys := t.sys.Load()
	if sys == nil || t.next != nil {
		return
	}
	p := t.resident(t.cur, sys.routeOf(&k.id.tag))
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := t.keys.shard(k.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.leases > 0 || !k.untaken || s.m[k.id] != k || k.state != Active {
		return
	}
	p.remove(k.id)
	s.drop(k)
}

func (e *entry) info(s *system) KeyInfo {
	return KeyInfo{
		Ref: Ref{e.id()}, Compartment: s.name(e.comp), Cohort: Cohort(e.cohort), State: e.state,
		Created: e.created, Expiry: e.expiry, Review: e.review,
		Held: e.flags&flagHeld != 0, Restricted: e.flags&flagRestricted != 0, Alias: e.flags&flagAlias != 0,
	}
}

const redactedLease = "[lease]"

func (l *Lease) String() string             { return redactedLease }
func (l *Lease) GoString() string           { return redactedLease }
func (l *Lease) Format(f fmt.State, _ rune) { io.WriteString(f, redactedLease) }
func (Key) String() string                  { return redactedRef }
func (Key) GoString() string                { return redactedRef }
func (Key) Format(f fmt.State, _ rune)      { io.WriteString(f, redactedRef) }
func (l *Lease) MarshalJSON() ([]byte, error) {
	return []byte(`"` + redactedLease + `"`), nil
}
