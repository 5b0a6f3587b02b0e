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
	dir := filepath.Join(t.TempDir(), "ledger")
	if err := Init(t.Context(), InitOptions{Dir: dir, Origin: "evict.example/log"}); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
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
	clear(st.byID)
}
