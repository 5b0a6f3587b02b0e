package ledger

import (
	"fmt"
	"path/filepath"
	"testing"
)

// TestEvictSpares: who is loaded into a full stripe where everybody else has something
// queued stays there: what is about to be queued of them is known to the cache alone,
// and who loaded them anew would go on with their chain from where it is written.
func TestEvictSpares(t *testing.T) {
	l := openToEvict(t)
	st := &l.subjects.stripes[0]
	st.mu.Lock()
	defer st.mu.Unlock()
	for i := range 300 {
		id := fmt.Sprint("p-", i)
		s, err := l.readableSubject(t.Context(), st, id)
		if err != nil {
			t.Fatal(err)
		}
		if st.byID[id] != s {
			t.Fatal("who was just loaded has left the cache")
		}
		s.inflight = []*Submission{{}}
	}
	for _, s := range st.byID {
		st.drop(s)
	}
	if len(st.ring) > 0 {
		t.Fatal("who left is still in the ring")
	}
}

// TestEvictOldest: a stripe keeps no more people than it may, and of them those who are
// asked for again.
func TestEvictOldest(t *testing.T) {
	l := openToEvict(t)
	st := &l.subjects.stripes[0]
	st.mu.Lock()
	defer st.mu.Unlock()
	load := func(id string) {
		if _, err := l.readableSubject(t.Context(), st, id); err != nil {
			t.Fatal(err)
		}
	}
	const most = subjectsMost / stripes
	for i := range 10 * most {
		load(fmt.Sprint("p-", i))
		load("asked again and again")
		if st.byID["p-0"] != nil && i == 2*most {
			t.Fatal("who was asked for once stays for ever")
		}
		if i == 5*most {
			st.drop(st.byID[fmt.Sprint("p-", i)])
		}
	}
	load("p-0")
	kept := st.byID["asked again and again"]
	for i := range most - 1 {
		load(fmt.Sprint("q-", i))
	}
	if st.byID["asked again and again"] != kept {
		t.Error("who was asked for a moment ago has left before those who were not")
	}
	if len(st.byID) != most || len(st.ring) != most {
		t.Fatalf("%d people, %d of them in the ring, want %d", len(st.byID), len(st.ring), most)
	}
	for i, s := range st.ring {
		if s.pos != i || st.byID[s.id()] != s {
			t.Fatal("the ring is out of order")
		}
	}
}

func openToEvict(t *testing.T) *Ledger {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ledger")
	if err := Init(t.Context(), InitOptions{Dir: dir, Origin: "evict.example/log"}); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
