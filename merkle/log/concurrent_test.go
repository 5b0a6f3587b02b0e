package log_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// TestConcurrent appends, changes, reads, proves, serves and backs up at once,
// and closes the log in the middle of it. It is for the race detector, and for
// what must hold at every moment: an entry that was acknowledged can be read and
// proven at once, and every snapshot is one consistent state.
func TestConcurrent(t *testing.T) {
	o := options(t)
	l := create(t, "log", o)
	ctx := t.Context()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	done := func() bool {
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	ended := func(err error) bool {
		if errors.Is(err, log.ErrClosed) {
			return true
		}
		if err != nil {
			t.Error(err)
			return true
		}
		return false
	}
	for c := range 8 {
		wg.Go(func() {
			for i := 0; !done(); i++ {
				acked, err := appendSome(l, fmt.Sprintf("%d of %d", i, c), 1+(i*c)%40)
				if ended(err) {
					return
				}
				s := l.Snapshot()
				h := s.Head()
				for _, a := range acked[:min(len(acked), 2)] {
					proof, err := s.InclusionProof(ctx, a.index, h.Size)
					if err == nil {
						err = merkle.VerifyInclusion(a.index, h.Size, merkle.LeafHash(a.leaf), proof, h.Root)
					}
					if err == nil {
						_, err = s.Get(ctx, a.key)
					}
					if ended(err) {
						s.Close()
						return
					}
				}
				s.Close()
			}
		})
	}
	wg.Go(func() {
		for i := 0; !done(); i++ {
			key := []byte{'k', byte(i)}
			c := log.Change{Set: []log.Row{{Key: key, Value: []byte("v")}}}
			if i%10 == 9 {
				c.DeleteRange = [][2][]byte{{[]byte("k"), []byte("l")}}
			}
			if ended(l.Apply(ctx, c)) {
				return
			}
		}
	})
	wg.Go(func() {
		last := l.Head()
		for !done() {
			s := l.Snapshot()
			h := s.Head()
			if h.Signed == nil {
				return // closed
			}
			proof, err := s.ConsistencyProof(ctx, last.Size, h.Size)
			if err == nil {
				err = merkle.VerifyConsistency(last.Size, h.Size, proof, last.Root, h.Root)
			}
			rows := uint64(0)
			if err == nil {
				err = s.Scan(ctx, []byte("e"), []byte("f"), func(_, _ []byte) error { rows++; return nil })
			}
			s.Close()
			if ended(err) {
				return
			}
			if rows != h.Size {
				t.Errorf("a snapshot of %d leaves has %d of their rows", h.Size, rows)
			}
			last = h
		}
	})
	wg.Go(func() {
		for i := 0; i < 3; i++ {
			if ended(l.Backup(ctx, fmt.Sprintf("backup %d", i))) || ended(l.Fsck(ctx, nil)) {
				return
			}
			_ = l.Stats()
		}
	})
	wg.Go(func() {
		for !done() {
			h := l.Handler()
			for _, path := range []string{"checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"} {
				if code := status(h, path); code != http.StatusOK && code != http.StatusNotFound && code != http.StatusServiceUnavailable {
					t.Errorf("GET /%s: status %d", path, code)
				}
			}
		}
	})
	for l.Head().Size < 3000 {
		if _, err := appendSome(l, "driver", 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	close(stop)
	wg.Wait()
	l = open(t, "log", o)
	if err := l.Fsck(ctx, nil); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCloseWaitsForReaders: a snapshot keeps the log open.
func TestCloseWaitsForReaders(t *testing.T) {
	l := create(t, "log", options(t))
	if _, err := l.Append(t.Context(), leaves("x")); err != nil {
		t.Fatal(err)
	}
	s := l.Snapshot()
	closed := make(chan error)
	go func() { closed <- l.Close() }()
	for !errors.Is(second(l.Leaf(t.Context(), 0)), log.ErrClosed) {
		select {
		case err := <-closed:
			t.Fatalf("Close returned before its reader: %v", err)
		default:
		}
	}
	if _, err := s.Leaf(t.Context(), 0); err != nil {
		t.Errorf("reading an open snapshot while the log closes: %v", err)
	}
	s.Close()
	s.Close() // does nothing
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if _, err := s.Leaf(t.Context(), 0); !errors.Is(err, log.ErrClosed) {
		t.Errorf("reading a closed snapshot: got %v, want ErrClosed", err)
	}
}
