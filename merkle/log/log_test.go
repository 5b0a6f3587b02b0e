package log_test

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

const origin = "log.example/test"

// Spaces that tests use; rows in gatherSpace are Gather rows.
const (
	testSpaces  = "ekpqs\xff"
	gatherSpace = 'q'
)

var skey, vkey = func() (string, string) {
	s, v, err := merkle.GenerateKey(rand.Reader, origin)
	if err != nil {
		panic(err)
	}
	return s, v
}()

// options returns what most tests open a log with.
func options(t testing.TB) log.Options {
	t.Helper()
	signer, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return log.Options{
		Origin: origin, Signer: signer, VKey: vkey,
		Spaces: []byte(testSpaces),
		FS:     log.MemFS(),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// create makes a log and opens it.
func create(t testing.TB, dir string, o log.Options) *log.Log {
	t.Helper()
	if err := log.Create(dir, o); err != nil {
		t.Fatal(err)
	}
	return open(t, dir, o)
}

func open(t testing.TB, dir string, o log.Options) *log.Log {
	t.Helper()
	l, err := log.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// indexKey is the key of a KeyIndex row.
func indexKey(prefix string, index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(prefix), index)
}

// parseHead verifies a signed checkpoint.
func parseHead(t testing.TB, signed []byte) log.Head {
	t.Helper()
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := merkle.OpenCheckpoint(signed, origin, v)
	if err != nil {
		t.Fatal(err)
	}
	return log.Head{Checkpoint: c, Signed: signed}
}

// TestAppend is the way of one caller who waits for each answer.
func TestAppend(t *testing.T) {
	o := options(t)
	l := create(t, "log", o)
	for i := range 700 {
		index, err := l.Append(t.Context(), []log.Entry{{
			Leaf: fmt.Appendf(nil, "leaf %d", i),
			Rows: []log.Row{{Key: []byte("e"), Value: fmt.Appendf(nil, "row %d", i), Place: log.KeyIndex}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if len(index) != 1 || index[0] != uint64(i) {
			t.Fatalf("append %d: got index %v", i, index)
		}
	}
	h := l.Head()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, "log", o)
	if got := l.Head(); got.Size != h.Size || got.Root != h.Root || string(got.Signed) != string(h.Signed) {
		t.Fatalf("head after reopening: got\n%s\nwant\n%s", got.Signed, h.Signed)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
