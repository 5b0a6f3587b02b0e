package witness_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// A server that is opened again knows what it knew.
func TestServerReopen(t *testing.T) {
	log := newTree(t, origin, 30)
	o := options(t, log)
	o.Dir = filepath.Join(t.TempDir(), "logs")
	if _, err := witness.NewServer(o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
	if err := witness.Create(o.Dir); err != nil {
		t.Fatal(err)
	}
	if err := witness.Create(o.Dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created twice: %v", err)
	}
	open := func() *witness.Server {
		t.Helper()
		s, err := witness.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	if _, err := witness.NewServer(o); !errors.Is(err, witness.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	s.SetClock(at(1000))
	post(s, log.add(0, 20))
	shown := latest(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open()
	if got := latest(t, s); !bytes.Equal(got, shown) || shown == nil {
		t.Errorf("monitors get %q, before %q", got, shown)
	}
	s.SetClock(at(900))
	if code, _ := post(s, log.add(20, 21)); code != http.StatusInternalServerError {
		t.Errorf("the clock went back while it was closed: status %d", code)
	}
	s.SetClock(at(1001))
	if code, answer := post(s, log.fork(10).add(0, 20)); code != http.StatusConflict || answer != "20\n" {
		t.Errorf("a fork: status %d, %s", code, answer)
	}
	if code, _ := post(s, log.add(20, 25)); code != http.StatusOK {
		t.Errorf("the log: status %d", code)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// What it finds must be its own, and whole.
	path := filepath.Join(o.Dir, witness.FileName(origin))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	stranger := newTree(t, "log.example/stranger", 9)
	other := newServer(t, stranger)
	_, lines := post(other, stranger.add(0, 5))
	for name, b := range map[string][]byte{
		"empty":             {},
		"cut":               good[:len(good)-7],
		"a changed size":    bytes.Replace(good, []byte("\n25\n"), []byte("\n20\n"), 1),
		"not cosigned":      log.signed(25),
		"of another log":    append(stranger.signed(5), lines...),
		"a hash is another": bytes.Replace(good, []byte(log.head(25).Root.String()), []byte(log.head(24).Root.String()), 1),
	} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := witness.NewServer(o); err == nil {
			t.Errorf("%s: opened", name)
			s.Close()
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	o.Cosigners = []*merkle.Cosigner{cosigner(t, witnessName, 77, merkle.CosignatureEd25519)}
	if s, err := witness.NewServer(o); err == nil {
		t.Error("opened with other keys")
		s.Close()
	}
	// One of its keys is enough, so keys can be added.
	o.Cosigners = append(o.Cosigners, cosigners(t)[0])
	open().Close()
}
