package holder_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
)

// TestForensics looks for old roots in the raw image of a file system. It mounts
// one, so it runs only where LACUNA_TEST_MOUNT is set and as root.
func TestForensics(t *testing.T) {
	if os.Getenv("LACUNA_TEST_MOUNT") == "" || os.Geteuid() != 0 {
		t.Skip("needs root and LACUNA_TEST_MOUNT=1, because it mounts a file system")
	}
	for _, c := range []struct {
		name    string
		options string
		level   keystore.Level
	}{
		{"ordered", "loop", keystore.L1},
		{"journal", "loop,data=journal", keystore.L0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
			run := func(name string, args ...string) {
				t.Helper()
				if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
					t.Skipf("%s: %v: %s", name, err, out)
				}
			}
			if err := os.WriteFile(image, make([]byte, 32<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			run("mkfs.ext4", "-q", "-F", image)
			if err := os.Mkdir(mount, 0o700); err != nil {
				t.Fatal(err)
			}
			run("mount", "-o", c.options, image, mount)
			mounted := true
			defer func() {
				if mounted {
					exec.Command("umount", mount).Run()
				}
			}()
			h := must(holder.CreateFile(filepath.Join(mount, "root")))(t)
			if got := h.Caps(); got.Level != c.level || (got.Warning == "") != (c.level == keystore.L1) {
				t.Errorf("level %v, want %v; warning %q", got.Level, c.level, got.Warning)
			}
			var tree keystore.TreeID
			var old []keystore.Share
			live := share(tree, 1)
			if err := h.Prepare(ctx, live); err != nil {
				t.Fatal(err)
			}
			for epoch := uint64(2); epoch <= 50; epoch++ {
				next := share(tree, epoch)
				if err := h.Prepare(ctx, next); err != nil {
					t.Fatal(err)
				}
				must(h.Destroy(ctx, tree, epoch, next.Attempt))(t)
				old = append(old, live)
				live = next
			}
			h.Close()
			run("umount", mount)
			mounted = false
			raw := must(os.ReadFile(image))(t)
			found := 0
			for _, s := range old {
				if bytes.Contains(raw, s.Secret[:]) {
					found++
				}
			}
			if !bytes.Contains(raw, live.Secret[:]) {
				t.Error("the live root is not on the disk: the search finds nothing")
			}
			t.Logf("%d of %d old roots on the raw disk at level %v", found, len(old), c.level)
			if c.level == keystore.L1 && found > 0 {
				t.Errorf("%d of %d old roots are on the disk at level L1", found, len(old))
			}
			if c.level == keystore.L0 && found == 0 {
				t.Log("nothing was found; the warning was cautious")
			}
		})
	}
}

// TestLevelOfMemoryFileSystem: what has no blocks cannot be shown to overwrite
// them.
func TestLevelOfMemoryFileSystem(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "holder")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)
	h := must(holder.CreateFile(filepath.Join(dir, "root")))(t)
	defer h.Close()
	if c := h.Caps(); c.Level != keystore.L0 || c.Warning == "" {
		t.Errorf("level %v, warning %q", c.Level, c.Warning)
	}
}
