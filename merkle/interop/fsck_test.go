package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// programs is a folder for what is built, for as long as the tests run.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "interop"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(programs) // what is left behind lies in the system's own folder for that
	os.Exit(code)
}

// fsckProgram builds Tessera's fsck once.
var fsckProgram = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(programs, "fsck")
	out, err := exec.Command("go", "build", "-o", bin, "github.com/transparency-dev/tessera/cmd/fsck").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return bin, nil
})

// checkFsck lets Tessera's fsck re-derive the whole log. The program exits with
// status 0 whatever it finds, and with one worker it would wait for ever after a
// tile that differs; so only the line it prints at the end counts.
func checkFsck(t *testing.T, s *site) error {
	bin, err := fsckProgram()
	if err != nil {
		missing(t, "building Tessera's fsck", err)
	}
	key := filepath.Join(t.TempDir(), "log.pub")
	if err := os.WriteFile(key, []byte(s.vkey), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-storage_url", s.url+"/", "-public_key", key, "-N", "64", "-ui=false")
	cmd.Env = append(os.Environ(), s.env...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Error("fsck did not come to an end")
	}
	if strings.Contains(string(out), fmt.Sprintf("Successfully fsck'd log with size %d ", s.size)) {
		return nil
	}
	return fmt.Errorf("fsck does not say that it succeeded (%v), it says %q", err, lastLine(string(out)))
}

// lastLine returns the end of what a program said, or the beginning of that if
// it is a dump of a tile.
func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	last := lines[len(lines)-1]
	for _, l := range lines {
		if strings.Contains(l, "fsck failed") {
			last = l
		}
	}
	return last[:min(len(last), 200)]
}
