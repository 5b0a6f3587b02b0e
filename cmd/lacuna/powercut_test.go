package main

import (
	"bytes"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest/recorded"
)

// exportedLog exports one log at two sizes, and writes its public key into a file.
func exportedLog(t *testing.T) (small, large, key string) {
	t.Helper()
	dir := t.TempDir()
	skey, vkey, err := merkle.GenerateKey(crand.Reader, "powercut.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	o := log.Options{Origin: "powercut.example", Signer: signer, VKey: vkey, FS: log.MemFS(), MinFree: -1}
	if err := log.Create("log", o); err != nil {
		t.Fatal(err)
	}
	l, err := log.Open(t.Context(), "log", o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	site := func(name string, grow int) string {
		entries := make([]log.Entry, grow)
		for i := range entries {
			entries[i].Leaf = []byte{byte(l.Head().Size >> 8), byte(i), byte(i >> 8)}
		}
		if _, err := l.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		s := l.Snapshot()
		defer s.Close()
		for tile := range merkle.TilesOf(l.Head().Size) {
			hashes, err := s.ReadTile(t.Context(), tile)
			if err != nil {
				t.Fatal(err)
			}
			writeTree(t, filepath.Join(to, filepath.FromSlash(tile.Path())), merkle.AppendTile(nil, hashes))
			if tile.Level == 0 {
				b, err := s.ReadBundle(t.Context(), tile.Index, tile.Width)
				if err != nil {
					t.Fatal(err)
				}
				writeTree(t, filepath.Join(to, filepath.FromSlash(merkle.EntriesPath(tile.Index, tile.Width))), b)
			}
		}
		writeTree(t, filepath.Join(to, "checkpoint"), l.Head().Signed)
		return to
	}
	small, large = site("small", 300), site("large", 400)
	key = filepath.Join(dir, "log.vkey")
	writeTree(t, key, []byte(vkey+"\n"))
	return small, large, key
}

func writeTree(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func lacuna(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(filepath.Join(programs(t), "lacuna"), args...)
	cmd.Env = append(os.Environ(), "LACUNA_TEST_RUN_MAIN=1")
	return cmd
}

// exitCode runs the program to its end.
func exitCode(t *testing.T, args ...string) (int, string) {
	t.Helper()
	out, err := lacuna(t, args...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode(), string(out)
	case err != nil:
		t.Fatal(err)
	}
	return 0, string(out)
}

// cutsOf records a run of the program in a folder, and calls check with what a
// power failure leaves of the folder, and what the program had said by then. The
// control is the last moment of the same program if it never synced: check must
// find that out.
func cutsOf(t *testing.T, dir string, check func(left string, said []byte) error, args ...string) {
	t.Helper()
	r, err := recorded.Run(lacuna(t, args...), dir)
	if errors.Is(err, recorded.ErrNoStrace) && os.Getenv("LACUNA_TEST_REQUIRE") != "all" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	moments, err := r.Moments()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 5))
	cut := func(r *recorded.Recording, m recorded.Moment, percent int) error {
		left := filepath.Join(t.TempDir(), "left")
		if err := r.Crash(m, percent, rng, left); err != nil {
			t.Fatal(err)
		}
		return check(left, m.Output)
	}
	const most = 24
	last := len(moments) - 1
	for i, m := range moments {
		if i < last && rng.IntN(len(moments)) >= most {
			continue
		}
		percent := []int{0, 50, 100}[rng.IntN(3)]
		if i == last {
			percent = 0
		}
		if err := cut(r, m, percent); err != nil {
			t.Errorf("moment %d, %s, %d%% of what was not synced survived, said %q: %v", i, m.What, percent, m.Output, err)
		}
	}
	forgetful := r.WithoutSyncs(func(string) bool { return true })
	if err := cut(forgetful, moments[last], 0); err == nil {
		t.Error("a program that syncs nothing went unnoticed")
	}
}

// TestMirrorPowerCuts cuts the power of lacuna mirror, on real files. A mirror that
// has a checkpoint has all that it speaks of, what was said is there, and the
// mirror can be finished.
func TestMirrorPowerCuts(t *testing.T) {
	if testing.Short() {
		t.Skip("a child process is recorded, in which the race detector sees nothing; without -short this runs")
	}
	small, large, key := exportedLog(t)
	dir := t.TempDir()
	for _, from := range []string{small, large} {
		want, err := os.ReadFile(filepath.Join(from, "checkpoint"))
		if err != nil {
			t.Fatal(err)
		}
		cutsOf(t, dir, func(left string, said []byte) error {
			mirror := filepath.Join(left, "m")
			got, err := os.ReadFile(filepath.Join(mirror, "checkpoint"))
			if len(said) > 0 && !bytes.Equal(got, want) {
				return fmt.Errorf("the checkpoint is %q, %v", got, err)
			}
			if err == nil {
				if code, out := exitCode(t, "audit", "--url", mirror, "--key", key); code != 0 {
					return fmt.Errorf("what is mirrored does not verify: status %d, %s", code, out)
				}
			}
			if code, out := exitCode(t, "mirror", "--url", large, "--key", key, "-o", mirror); code != 0 {
				return fmt.Errorf("going on: status %d, %s", code, out)
			}
			return nil
		}, "mirror", "--url", from, "--key", key, "-o", "m")
	}
}

// TestAuditPowerCuts cuts the power of lacuna audit. It goes on from what it
// remembers, and having said that it verified a head it refuses an older one.
func TestAuditPowerCuts(t *testing.T) {
	if testing.Short() {
		t.Skip("a child process is recorded, in which the race detector sees nothing; without -short this runs")
	}
	small, large, key := exportedLog(t)
	dir := t.TempDir()
	if code, out := exitCode(t, "audit", "--url", small, "--key", key, "--state", filepath.Join(dir, "s")); code != 0 {
		t.Fatalf("status %d, %s", code, out)
	}
	cutsOf(t, dir, func(left string, said []byte) error {
		state := filepath.Join(left, "s")
		if code, out := exitCode(t, "audit", "--url", small, "--key", key, "--state", state); len(said) > 0 && code != 10 {
			return fmt.Errorf("shown an old head: status %d, %s", code, out)
		}
		if code, out := exitCode(t, "audit", "--url", large, "--key", key, "--state", state); code != 0 {
			return fmt.Errorf("going on: status %d, %s", code, out)
		}
		return nil
	}, "audit", "--url", large, "--key", key, "--state", "s")
}
