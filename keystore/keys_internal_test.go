package keystore

import (
	"encoding/binary"
	"testing"
)

// TestKeysRing: a shard keeps no more keys than it may, but for those that are leased or
// not taken; of the others those stay that are leased again; and what is derived of a key
// that has left is wiped and found by nobody.
func TestKeysRing(t *testing.T) {
	k := newKeys(keyShards * 16)
	load := func(n int, fresh bool) *key {
		e := entry{comp: 1, state: Active, dek: newSecret()}
		binary.BigEndian.PutUint32(e.tag[:], uint32(n)) // all in one shard
		q, err := k.load(&e, route{}, fresh)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	s := k.shard(keyID{})
	check := func(want int) {
		t.Helper()
		if len(s.ring) != want || len(s.m) != want {
			t.Fatalf("%d keys, %d in the ring, want %d", len(s.m), len(s.ring), want)
		}
		for i, q := range s.ring {
			if int(q.pos) != i || s.m[q.id] != q || q.derived == nil || !q.derived.loaded {
				t.Fatal("the ring is out of order")
			}
		}
	}
	first := load(0, false)
	var leased []*key
	for n := 1; n < 40; n++ {
		leased = append(leased, load(n, n%2 == 0))
	}
	check(40) // none can leave
	for _, q := range leased {
		q.leases, q.untaken = 0, false
	}
	for n := range 40 {
		load(100+n, false).leases = 0
		if first.derived == nil {
			t.Fatal("a key that is leased has left")
		}
	}
	check(16)
	seen := make(map[*derived]bool)
	for _, q := range s.ring {
		if seen[q.derived] {
			t.Fatal("two keys share what is derived of one")
		}
		seen[q.derived] = true
	}
	for _, q := range leased {
		if q.derived != nil {
			t.Fatal("what is derived of a key that has left is still there")
		}
	}
	again := load(200, false)
	again.leases = 0
	for n := range 100 {
		load(300+n, false).leases = 0
		if _, ok, _ := k.lease(again.id, false); !ok {
			t.Fatal("a key has left that is leased again and again")
		}
		again.leases = 0
	}
	k.drop(again.id)
	check(15)
}
