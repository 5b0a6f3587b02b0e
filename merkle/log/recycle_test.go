package log_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"github.com/lacunalog/lacuna/merkle/log"
)

// secret is a value that no other value contains.
func secret(i int) []byte {
	h := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("secret"), uint64(i)))
	return h[:]
}

// remaining counts the secrets that are in any file of the directory.
func remaining(t *testing.T, fs log.FS, dir string, n int) (found int, where map[string]int) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	where = map[string]int{}
	seen := map[int]bool{}
	for _, name := range names {
		f, err := fs.Open(fs.PathJoin(dir, name))
		if err != nil {
			continue // a directory
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if bytes.Contains(b, secret(i)) {
				seen[i] = true
				where[name]++
			}
		}
	}
	return len(seen), where
}

// TestRecycledLogs looks for deleted values in the files of a log. The engine's
// own way of re-using write-ahead logs keeps them all; that is the control, which
// shows that the search would find them. Our way leaves none.
func TestRecycledLogs(t *testing.T) {
	const n = 200
	for name, recycle := range map[string]bool{"recycled, as the engine would": true, "deleted, as we do": false} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			if recycle {
				log.Recycle(&o)
			}
			l := create(t, "log", o)
			for i := range n {
				_, err := l.Append(t.Context(), []log.Entry{{
					Leaf: fmt.Appendf(nil, "leaf %d", i),
					Rows: []log.Row{{Key: []byte("e\x01"), Value: secret(i), Place: log.KeyIndex}},
				}})
				if err != nil {
					t.Fatal(err)
				}
			}
			if found, _ := remaining(t, o.FS, "log", n); found != n {
				t.Fatalf("before the deletion %d of %d values are in files", found, n)
			}
			// A generation is dropped, and somebody reads while that happens.
			s := l.Snapshot()
			drop := log.Change{DeleteRange: [][2][]byte{{[]byte("e\x01"), []byte("e\x02")}}}
			if err := l.Apply(t.Context(), drop); err != nil {
				t.Fatal(err)
			}
			s.Close()
			if err := log.Flush(l); err != nil {
				t.Fatal(err)
			}
			if err := l.Compact(t.Context(), []byte("e"), []byte("f")); err != nil {
				t.Fatal(err)
			}
			log.WaitForCleaning(l)
			found, where := remaining(t, o.FS, "log", n)
			if recycle && found == 0 {
				t.Error("the control found nothing: this test cannot tell any more")
			}
			if !recycle && found != 0 {
				t.Errorf("%d of %d deleted values are still in files: %v", found, n, where)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
