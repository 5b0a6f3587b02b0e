package witness_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/witness"
)

func TestServerLimits(t *testing.T) {
	log := newTree(t, origin, 9)
	o := options(t, log)
	o.MaxRequests = 1
	o.Dir = filepath.Join(t.TempDir(), "logs")
	if err := witness.Create(o.Dir); err != nil {
		t.Fatal(err)
	}
	s, err := witness.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	long := append(log.add(0, 5), bytes.Repeat([]byte("x"), witness.MaxBody)...)
	if code, _ := post(s, long); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a long request: status %d", code)
	}

	// One request is on its way in, so there is no place for another.
	slow, body := io.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/add-checkpoint", slow))
		if w.Code != http.StatusOK {
			t.Errorf("the slow request: status %d", w.Code)
		}
	})
	good := log.add(0, 5)
	if _, err := body.Write(good[:3]); err != nil { // returns when the server has read it
		t.Fatal(err)
	}
	code, _, head := do(s, http.MethodGet, "/", nil)
	if code != http.StatusServiceUnavailable || head.Get("Retry-After") == "" {
		t.Errorf("beside it: status %d", code)
	}
	_, err = body.Write(good[3:])
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if code, _, _ := do(s, http.MethodGet, "/", nil); code != http.StatusNotFound {
		t.Errorf("after it: status %d", code)
	}
}

// Many ask at once. Whatever order they come in, each answer continues the one
// before.
func TestServerConcurrent(t *testing.T) {
	const most = 120
	log := newTree(t, origin, most)
	fork := log.fork(3)
	s := newServer(t, log)
	post(s, log.add(0, 4))
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for {
				seen, err := merkle.ParseCheckpoint(string(textOf(t, latest(t, s))))
				if err != nil {
					t.Error(err)
					return
				}
				old := int(seen.Size)
				if old == most {
					return
				}
				size := min(most, old+1+worker%3)
				code, answer := post(s, log.add(old, size))
				if code != http.StatusOK && code != http.StatusConflict {
					t.Errorf("%d to %d: status %d, %s", old, size, code, answer)
				}
				if code, _ := post(s, fork.add(old, size)); code == http.StatusOK {
					t.Errorf("%d to %d: cosigned a fork", old, size)
				}
				after, err := merkle.ParseCheckpoint(string(textOf(t, latest(t, s))))
				if err != nil || after.Size < seen.Size || after.Root != log.head(int(after.Size)).Root {
					t.Errorf("went from %v to %v, %v", seen, after, err)
				}
			}
		})
	}
	wg.Wait()
}
