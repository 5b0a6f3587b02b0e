package keystore

import "sync"

// A key is a loaded key: what is derived from a DEK, and who uses it. Who had a lease
// may remember it for longer than the cache does, so what is derived lies by itself.
type key struct {
	id      keyID
	leases  int32
	facts   keyFacts
	state   State
	untaken bool     // made by Use, and not yet taken
	used    bool     // since the hand of the shard came by
	pos     int32    // in its ring
	route   route    // where its page is
	derived *derived // nil from when the key leaves the cache
}

// forget wipes a key that leaves the cache, and returns the memory, which nobody has any
// more. The lock of its shard is held.
func (k *key) forget() (room *derived) {
	room, k.derived = k.derived, nil
	room.zero()
	return room
}

// A route says where the keys of a tag lie, and of which generation of the tree that is true.
type route struct {
	to  uint64
	gen uint32
}

// keyFacts are what an entry says beside what it is called, its state and its DEK.
type keyFacts struct {
	created, expiry, review uint16
	flags                   uint8
}

func (e *entry) facts() keyFacts { return keyFacts{e.created, e.expiry, e.review, e.flags} }

// entry is the key's entry without the DEK.
func (k *key) entry() entry {
	return entry{
		tag: k.id.tag, comp: k.id.comp, cohort: k.id.cohort, state: k.state,
		flags: k.facts.flags, created: k.facts.created, expiry: k.facts.expiry, review: k.facts.review,
	}
}

// keys is the bounded cache of loaded keys. A key that is leased stays.
type keys struct {
	max    int // in each shard
	shards [keyShards]keyShard
}

const keyShards = 32

type keyShard struct {
	mu      sync.Mutex
	m       map[keyID]*key
	ring    []*key // all of them, in the order of a clock's hand
	hand    int
	closing map[keyID]bool          // an epoch erases them: no lease at all
	drained map[keyID]chan struct{} // closed when the last lease ends, where somebody waits for that
}

func newKeys(max int) *keys {
	k := &keys{max: (max + keyShards - 1) / keyShards}
	for i := range k.shards {
		k.shards[i].m = make(map[keyID]*key)
	}
	return k
}

func (k *keys) shard(id keyID) *keyShard { return &k.shards[id.tag[15]%keyShards] }

// lease takes a lease of a key that is loaded; ok says whether it is.
func (k *keys) lease(id keyID, fenced bool) (_ *key, ok bool, err error) {
	s := k.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lend(id, s.m[id], fenced)
}

// again is lease for a key that was loaded once, and may not be any more.
func (k *keys) again(q *key) (_ *key, ok bool, err error) {
	s := k.shard(q.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.derived != nil {
		return s.lend(q.id, q, false)
	}
	return s.lend(q.id, nil, false)
}

func (s *keyShard) lend(id keyID, q *key, fenced bool) (_ *key, ok bool, err error) {
	switch {
	case s.closing[id]:
		return nil, true, ErrErasing
	case q == nil:
		return nil, false, nil
	case q.state == Erasing && !fenced:
		return nil, true, ErrErasing
	}
	q.leases++
	q.used = true
	return q, true, nil
}

// load brings an entry's key into the cache, with a lease. The caller holds the
// lock of the entry's page.
func (k *keys) load(e *entry, r route, fresh bool) (*key, error) {
	id := e.id()
	s := k.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing[id] {
		return nil, ErrErasing
	}
	q := s.m[id]
	if q == nil {
		q = &key{id: id, state: e.state, untaken: fresh, facts: e.facts(), route: r}
		if q.derived = s.put(q, k.max); q.derived == nil {
			q.derived = new(derived)
		}
		q.derived.load(&e.dek)
	}
	q.leases++
	return q, nil
}

// close refuses leases of a key from now on, and returns what is closed when the
// last one has ended: nil where there is none.
func (k *keys) close(id keyID) <-chan struct{} {
	s := k.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing == nil {
		s.closing = make(map[keyID]bool)
	}
	s.closing[id] = true
	return s.wait(id)
}

// drain is close for leases that go on being given, as those of a fenced key are
// to its erasure.
func (k *keys) drain(id keyID) <-chan struct{} {
	s := k.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wait(id)
}

func (s *keyShard) wait(id keyID) <-chan struct{} {
	q := s.m[id]
	if q == nil || q.leases == 0 {
		return nil
	}
	c := s.drained[id]
	if c == nil {
		if s.drained == nil {
			s.drained = make(map[keyID]chan struct{})
		}
		c = make(chan struct{})
		s.drained[id] = c
	}
	return c
}

// idle tells who waits that the last lease of a key has ended.
func (s *keyShard) idle(id keyID) {
	if c, ok := s.drained[id]; ok {
		close(c)
		delete(s.drained, id)
	}
}

func (k *keys) reopen(id keyID) {
	s := k.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.closing, id)
}

// put adds a key. Where the shard has as many as it may have, it takes the place of one
// that leaves, whose wiped memory is returned.
func (s *keyShard) put(q *key, most int) (room *derived) {
	if old := s.idlest(most); old != nil {
		q.pos = old.pos
		s.ring[q.pos] = q
		delete(s.m, old.id)
		room = old.forget()
	} else {
		q.pos = int32(len(s.ring))
		s.ring = append(s.ring, q)
	}
	s.m[q.id] = q
	if len(s.ring) > most { // a while ago none could leave
		if old := s.idlest(most); old != nil && old != q {
			s.drop(old)
		}
	}
	return room
}

// idlestLooks bounds how many keys are looked at for one that may leave.
const idlestLooks = 8

// idlest returns a key that may leave where there are so many: one that was not leased
// since the hand came by last, or else one that it came by just now.
func (s *keyShard) idlest(most int) (idlest *key) {
	if len(s.ring) < most {
		return nil
	}
	for range idlestLooks {
		if s.hand++; s.hand >= len(s.ring) {
			s.hand = 0
		}
		q := s.ring[s.hand]
		if q.leases > 0 || q.untaken {
			continue
		}
		if !q.used {
			return q
		}
		q.used, idlest = false, q
	}
	return idlest
}

// drop wipes a key and takes it out.
func (s *keyShard) drop(q *key) {
	end := len(s.ring) - 1
	last := s.ring[end]
	s.ring[q.pos], last.pos = last, q.pos
	s.ring[end] = nil
	s.ring = s.ring[:end]
	delete(s.m, q.id)
	q.forget()
}

// routeOf says where a key lies as sys has it. Of one that is loaded that is known, and
// need not be computed again whenever its page is looked for.
func (k *keys) routeOf(sys *system, id keyID) uint64 {
	s := k.shard(id)
	s.mu.Lock()
	q := s.m[id]
	if q != nil && q.route.gen == sys.generation() {
		defer s.mu.Unlock()
		return q.route.to
	}
	s.mu.Unlock()
	return sys.routeOf(&id.tag)
}

// with runs f on a key if it is loaded, under the lock.
func (k *keys) with(id keyID, f func(*key)) {
	s := k.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.m[id]; q != nil {
		f(q)
	}
}

// drop wipes keys that no lease holds.
func (k *keys) drop(id keyID) {
	s := k.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.m[id]; q != nil {
		s.drop(q)
	}
}
