package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestServeRefusesL0: a root in memory cannot be shown to be overwritten in place, so
// it is served only by somebody who says so.
func TestServeRefusesL0(t *testing.T) {
	shm, err := os.MkdirTemp("/dev/shm", "lacuna")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(shm)
	dir := filepath.Join(t.TempDir(), "crm")
	runOK(t, "", "init", "--ledger", dir, "--origin", "l0.lacuna.test", "--root", filepath.Join(shm, "root"))
	t.Setenv("LACUNA_ACCEPT_L0", "")
	code, text := runCode(t, "serve", "--ledger", dir)
	if code != exitUsage || !strings.Contains(text, "destruction level L0: the root lies on tmpfs") || !strings.Contains(text, "--accept-l0") {
		t.Errorf("exit %d\n%s", code, text)
	}
	cmd, _, talk := startServe(t, "--ledger", dir, "--accept-l0")
	if code := stop(t, cmd, talk); code != exitOK {
		t.Errorf("accepted, it ends with exit %d", code)
	}
}
