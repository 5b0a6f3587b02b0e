package keystore_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
)

// TestForensics runs the real program with everything it writes (ledger, root, key
// pages, a backup) on a file system in an image, erases people one after the other, and
// searches the raw image: for every key that was ever derived, of a subject or of a
// page, living or erased, which may never have been written; and for every share of the
// root that was destroyed. Old key pages are there, and are of no use.
//
// The controls: the root as it is now is found, and on btrfs and with data=journal old
// ones are, which doctor says beforehand.
func TestForensics(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and mounts file systems")
	}
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	program := newVictim(t, "").program
	for _, c := range []struct {
		name, options, warns string
		mkfs                 []string
	}{
		{name: "ext4", mkfs: []string{"mkfs.ext4", "-q", "-F"}},
		{name: "xfs", mkfs: []string{"mkfs.xfs", "-q", "-f"}},
		{name: "ext4 data=journal", mkfs: []string{"mkfs.ext4", "-q", "-F"}, options: ",data=journal", warns: "data=journal"},
		{name: "btrfs", mkfs: []string{"mkfs.btrfs", "-q", "-f"}, warns: "btrfs copies on write"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
			if err := os.WriteFile(image, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			// Pebble keeps 512 MiB free; the image is sparse.
			if err := errors.Join(os.Truncate(image, 2<<30), os.Mkdir(mount, 0o700)); err != nil {
				t.Fatal(err)
			}
			tool(t, append(c.mkfs, image)...)
			tool(t, "mount", "-o", "loop"+c.options, image, mount)
			defer exec.Command("umount", mount).Run() // fails where the test has done it

			x := &victim{t: t, program: program, dir: mount}
			x.run("init", "--origin", "forensics.example/log", "--root", x.path("root"), "--pages", x.path("pages"))
			if out, _ := x.command("doctor").Output(); c.warns == "" == strings.Contains(string(out), "destruction level L0") || !strings.Contains(string(out), c.warns) {
				t.Errorf("doctor does not say %q:\n%s", c.warns, out)
			}
			events := `{"type":"purpose.declared","purpose_id":"service","description":{"en":"Service"},"legal_basis":"A6-1-b","categories":["Name"],"storage":["DE"],"retention":"P2Y"}` + "\n"
			const people = 8
			for i := range people {
				events += fmt.Sprintf(`{"type":"processing.performed","subject":"s-%d","purpose":"service","operation":"store"}`+"\n", i)
			}
			x.record(events)
			never, old := make(map[keystore.Secret]bool), make(map[keystore.Secret]bool)
			for i := range people - 1 {
				for _, s := range x.shares() {
					old[s] = true
				}
				x.run("erase", "--subject", fmt.Sprintf("s-%d", i), "--yes")
				got := x.steal()
				for _, s := range got.keys {
					never[s] = true
				}
			}
			x.run("backup", x.path("backup"))
			live := make(map[keystore.Secret]bool)
			for _, s := range x.shares() {
				live[s] = true
				delete(old, s)
			}
			tool(t, "umount", mount)

			if n := findIn(t, image, live); n != len(live) || n == 0 {
				t.Errorf("control: %d of %d living shares are on the disk", n, len(live))
			}
			if n := findIn(t, image, never); n > 0 || len(never) < people {
				t.Errorf("%d of %d keys were written as they are", n, len(never))
			}
			n := findIn(t, image, old)
			t.Logf("%d of %d old shares are on the disk; none of %d keys", n, len(old), len(never))
			if len(old) < people-1 {
				t.Fatalf("there were %d shares", len(old))
			}
			if (n == 0) == (c.warns != "") {
				t.Errorf("%d of %d old shares are on the disk, and doctor warns %q", n, len(old), c.warns)
			}
		})
	}
}

// tool runs a program of the system.
func tool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		why := args[0] + " is missing: apt-get install e2fsprogs xfsprogs btrfs-progs mount"
		if os.Getenv("LACUNA_TEST_REQUIRE") == "all" {
			t.Fatal(why)
		}
		t.Skip(why)
	case err != nil && args[0] == "mount":
		t.Skipf("this machine does not let us mount: %v: %s", err, out)
	case err != nil:
		t.Fatalf("%s: %v: %s", args[0], err, out)
	}
}

// shares are what the root file keeps.
func (x *victim) shares() (all []keystore.Secret) {
	x.t.Helper()
	h, err := holder.OpenFile(x.path("root"))
	if err != nil {
		x.t.Fatal(err)
	}
	defer h.Close()
	shares, err := h.Current(ctx)
	if err != nil {
		x.t.Fatal(err)
	}
	for _, s := range shares {
		all = append(all, s.Secret)
	}
	return all
}

// findIn counts which of some secrets are in a file, at any offset.
func findIn(t *testing.T, name string, secrets map[keystore.Secret]bool) int {
	t.Helper()
	var some [1 << 16]bool
	first := make(map[uint64]keystore.Secret)
	for s := range secrets {
		some[binary.LittleEndian.Uint16(s[:])] = true
		first[binary.LittleEndian.Uint64(s[:])] = s
	}
	found := make(map[keystore.Secret]bool)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for from, to := range parts(t, f) {
		b := make([]byte, to-from)
		if _, err := f.ReadAt(b, from); err != nil {
			t.Fatal(err)
		}
		for i := 0; i+32 <= len(b); i++ {
			if !some[binary.LittleEndian.Uint16(b[i:])] {
				continue
			}
			if s, ok := first[binary.LittleEndian.Uint64(b[i:])]; ok && string(b[i:i+32]) == string(s[:]) {
				found[s] = true
			}
		}
	}
	return len(found)
}

// parts are those of a sparse file that are not holes.
func parts(t *testing.T, f *os.File) func(yield func(from, to int64) bool) {
	return func(yield func(from, to int64) bool) {
		for at := int64(0); ; {
			from, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
			if errors.Is(err, unix.ENXIO) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if at, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE); err != nil {
				t.Fatal(err)
			}
			if !yield(from, at) {
				return
			}
		}
	}
}
