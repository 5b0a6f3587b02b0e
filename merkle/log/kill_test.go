package log_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// killDir and killKey tell a copy of the test binary to be the victim.
const killDir, killKey = "LACUNA_TEST_KILL_DIR", "LACUNA_TEST_KILL_KEY"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		victim(dir)
	}
	os.Exit(m.Run())
}

// victim appends with several callers until it is killed, and writes one line for
// each acknowledged entry: index and leaf.
func victim(dir string) {
	signer, err := merkle.NewSigner(os.Getenv(killKey))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l, err := log.Open(context.Background(), dir, log.Options{Signer: signer, Spaces: []byte(testSpaces)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for c := range 20 {
		wg.Go(func() {
			for i := 0; ; i++ {
				acked, err := appendSome(l, fmt.Sprintf("%d-%d-%d", os.Getpid(), c, i), 1+i%3)
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				mu.Lock()
				for _, a := range acked {
					fmt.Printf("%d %s\n", a.index, a.leaf)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// TestKill kills a process that appends, on the real file system. The page cache
// survives that, so this finds no missing sync (the crashes of crash_test.go do);
// it shows that recovery works outside of memory, and that a dead process leaves
// no lock behind.
func TestKill(t *testing.T) {
	o := options(t)
	o.FS = vfs.Default
	dir := filepath.Join(t.TempDir(), "log")
	if err := log.Create(dir, o); err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	for round := range min(histories(t, 3), 20) { // every round verifies all that was ever acknowledged
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killDir+"="+dir, killKey+"="+skey)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() }) // if we end early
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			index, leaf, ok := parseAck(lines.Text())
			if !ok {
				t.Fatalf("the victim says %q", lines.Text())
			}
			w.ack(ackedEntry{index: index, leaf: []byte(leaf), key: indexKey("e", index), value: []byte("row of " + leaf)})
			if n == 200+50*(round%7) {
				_ = cmd.Process.Kill()
				break
			}
		}
		_ = cmd.Wait() // it was killed
		l := open(t, dir, o)
		if err := w.refutes(l); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.acked) < 200 {
		t.Errorf("%d entries were acknowledged, the victim did not run", len(w.acked))
	}
}

func parseAck(line string) (index uint64, leaf string, ok bool) {
	var a, b string
	n, err := fmt.Sscanf(line, "%d %s %s", &index, &a, &b)
	return index, a + " " + b, n == 3 && err == nil
}
