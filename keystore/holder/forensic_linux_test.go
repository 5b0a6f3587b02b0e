package holder_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

// TestForensics keeps a root on file systems in images, changes it 49 times, and
// looks for old roots in the raw image. At level L1 there may be none. At L0 there
// are, and the reason names why: those are the controls, of the scan and of the test
// that a holder makes when it is opened. One of them keeps its root as libraries
// write files safely, by a new file that is renamed.
func TestForensics(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and mounts file systems")
	}
	for _, c := range []struct {
		name    string
		mkfs    []string // without one: the holder is on the device itself
		options string
		tune    string // given to tune2fs -o
		folder  string // given to chattr
		rename  bool
		level   keystore.Level
		reason  string
	}{
		{name: "ext4", mkfs: []string{"mkfs.ext4", "-q", "-F"}, level: keystore.L1},
		{name: "ext4 data=journal", mkfs: []string{"mkfs.ext4", "-q", "-F"}, options: "data=journal", reason: "data=journal"},
		{name: "ext4 data=journal by default", mkfs: []string{"mkfs.ext4", "-q", "-F"}, tune: "journal_data", reason: "data=journal"},
		{name: "ext4 chattr +j", mkfs: []string{"mkfs.ext4", "-q", "-F"}, folder: "+j", reason: "flag j"},
		{name: "ext4, a file that is renamed", mkfs: []string{"mkfs.ext4", "-q", "-F"}, rename: true, reason: "to a new place"},
		{name: "xfs", mkfs: []string{"mkfs.xfs", "-q", "-f"}, level: keystore.L1},
		{name: "xfs, a file that is renamed", mkfs: []string{"mkfs.xfs", "-q", "-f"}, rename: true, reason: "to a new place"},
		{name: "btrfs", mkfs: []string{"mkfs.btrfs", "-q", "-f"}, reason: "btrfs copies on write"},
		{name: "btrfs chattr +C", mkfs: []string{"mkfs.btrfs", "-q", "-f"}, folder: "+C", level: keystore.L1},
		{name: "partition", level: keystore.L1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDisk(t)
			var h *holder.File
			if c.mkfs == nil {
				h = must(holder.CreateFile(d.attach()))(t)
			} else {
				d.run(c.mkfs[0], append(c.mkfs[1:], d.image)...)
				if c.tune != "" {
					d.run("tune2fs", "-o", c.tune, d.image)
				}
				dir := d.mount(c.options)
				if c.folder != "" {
					dir = filepath.Join(dir, "folder")
					if err := os.Mkdir(dir, 0o700); err != nil {
						t.Fatal(err)
					}
					if out, err := exec.Command("chattr", c.folder, dir).CombinedOutput(); err != nil {
						t.Skipf("this machine does not let us set the flag %s: %s", c.folder, out)
					}
				}
				if c.rename {
					h = must(holder.OnDevice(newRenamed(t, filepath.Join(dir, "root"))))(t)
				} else {
					h = must(holder.CreateFile(filepath.Join(dir, "root")))(t)
				}
			}
			if got := h.Caps(); got.Level != c.level || !strings.Contains(got.Warning, c.reason) || (got.Warning == "") != (c.level == keystore.L1) {
				t.Errorf("level %v, want %v; warning %q, want %q", got.Level, c.level, got.Warning, c.reason)
			}
			live, old := history(t, h, 50)
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			d.detach()
			if found := d.scan(live.Secret); found != 1 {
				t.Error("the live root is not on the disk: the search finds nothing")
			}
			var secrets []keystore.Secret
			for _, s := range old {
				secrets = append(secrets, s.Secret)
			}
			found := d.scan(secrets...)
			t.Logf("%s: %v, %d of %d old roots on the device", c.name, c.level, found, len(old))
			if c.level == keystore.L1 && found > 0 {
				t.Errorf("%d of %d old roots are on the disk at level L1", found, len(old))
			}
			if c.level == keystore.L0 && found == 0 {
				t.Error("control: no old root is found where one was expected")
			}
		})
	}
}

// history takes a holder through epochs, and returns the live share and all others.
func history(t *testing.T, h keystore.Holder, epochs uint64) (live keystore.Share, old []keystore.Share) {
	t.Helper()
	var tree keystore.TreeID
	live = share(tree, 1)
	if err := h.Prepare(ctx, live); err != nil {
		t.Fatal(err)
	}
	for epoch := uint64(2); epoch <= epochs; epoch++ {
		next := share(tree, epoch)
		if err := h.Prepare(ctx, next); err != nil {
			t.Fatal(err)
		}
		must(h.Destroy(ctx, tree, epoch, next.Attempt))(t)
		old = append(old, live)
		live = next
	}
	return live, old
}

// TestPartition: a root begins only on a partition that is empty and that nobody
// uses, opens again, is not opened twice, and leaves the rest of it alone.
func TestPartition(t *testing.T) {
	d := newDisk(t)
	path := d.attach()
	h := must(holder.CreateFile(path))(t)
	s := share(keystore.TreeID{}, 1)
	if err := h.Prepare(ctx, s); err != nil {
		t.Fatal(err)
	}
	if _, err := holder.OpenFile(path); !errors.Is(err, keystore.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	h.Close()
	h = must(holder.OpenFile(path))(t)
	if got := must(h.Current(ctx))(t); len(got) != 1 || !got[0].Secret.Equal(&s.Secret) {
		t.Error("the share is not there")
	}
	h.Close()
	if _, err := holder.CreateFile(path); !errors.Is(err, block.ErrInUse) {
		t.Errorf("made a root over a root: %v", err)
	}
	if err := holder.Discard(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the device itself was removed: %v", err)
	}
	must(holder.CreateFile(path))(t).Close()
	if err := holder.Discard(path); err != nil {
		t.Fatal(err)
	}
	d.detach()
	if d.scan(s.Secret) != 0 {
		t.Error("the share is there after it was discarded")
	}

	d.run("mkfs.ext4", "-q", "-F", d.image)
	dir := d.mount("")
	before := must(os.ReadFile(d.image))(t)
	device := must(exec.Command("findmnt", "-n", "-o", "SOURCE", dir).Output())(t)
	if _, err := holder.CreateFile(strings.TrimSpace(string(device))); !errors.Is(err, keystore.ErrLocked) {
		t.Errorf("made a root on a mounted device: %v", err)
	}
	d.detach()
	path = d.attach()
	if _, err := holder.CreateFile(path); !errors.Is(err, block.ErrInUse) {
		t.Errorf("made a root over a file system: %v", err)
	}
	d.detach()
	if after := must(os.ReadFile(d.image))(t); len(after) != len(before) {
		t.Error("the image has another size")
	}
	d.mount("") // it is still a file system
}

// A disk is an image that is mounted, or attached as a device of blocks.
type disk struct {
	t       *testing.T
	image   string
	mounted string
	loop    string
}

// newDisk skips where the machine does not let us mount.
func newDisk(t *testing.T) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	d := &disk{t: t, image: filepath.Join(t.TempDir(), "image")}
	f := must(os.Create(d.image))(t)
	defer f.Close()
	if err := f.Truncate(320 << 20); err != nil { // XFS wants 300 MiB; the file is sparse
		t.Fatal(err)
	}
	t.Cleanup(d.detach)
	return d
}

func (d *disk) run(name string, args ...string) string {
	d.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		skip(d.t, name+" is missing: apt-get install e2fsprogs xfsprogs btrfs-progs util-linux")
	case err != nil && (name == "mount" || name == "losetup"):
		d.t.Skipf("this machine does not let us mount: %v: %s", err, out)
	case err != nil:
		d.t.Fatalf("%s: %v: %s", name, err, out)
	}
	return strings.TrimSpace(string(out))
}

// skip skips, but fails where nothing may be skipped.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("LACUNA_TEST_REQUIRE") == "all" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func (d *disk) mount(options string) string {
	d.t.Helper()
	dir := d.t.TempDir()
	d.run("mount", "-o", strings.Trim("loop,"+options, ","), d.image, dir)
	d.mounted = dir
	return dir
}

func (d *disk) attach() string {
	d.t.Helper()
	d.loop = d.run("losetup", "--find", "--show", d.image)
	return d.loop
}

// detach puts everything into the image.
func (d *disk) detach() {
	if d.mounted != "" {
		d.run("umount", d.mounted)
	}
	if d.loop != "" {
		d.run("losetup", "-d", d.loop)
	}
	d.mounted, d.loop = "", ""
}

// scan counts the secrets that are in the image, at any offset.
func (d *disk) scan(secrets ...keystore.Secret) int {
	d.t.Helper()
	var some [1 << 16]bool
	first := make(map[uint64]keystore.Secret)
	for _, s := range secrets {
		some[binary.BigEndian.Uint16(s[:])] = true
		first[binary.BigEndian.Uint64(s[:])] = s
	}
	found := make(map[keystore.Secret]bool)
	f := must(os.Open(d.image))(d.t)
	defer f.Close()
	for at := int64(0); ; {
		data, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return len(found)
		}
		if err != nil {
			d.t.Fatal(err)
		}
		hole, err := unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			d.t.Fatal(err)
		}
		b := make([]byte, hole-data)
		if _, err := io.ReadFull(io.NewSectionReader(f, data, hole-data), b); err != nil {
			d.t.Fatal(err)
		}
		for i := 0; i+len(keystore.Secret{}) <= len(b); i++ {
			if !some[binary.BigEndian.Uint16(b[i:])] {
				continue
			}
			if s, ok := first[binary.BigEndian.Uint64(b[i:])]; ok && bytes.HasPrefix(b[i:], s[:]) {
				found[s] = true
			}
		}
		at = hole
	}
}

// renamed is a device that writes as libraries write files safely: a new file beside
// the old one, synced, renamed over it.
type renamed struct {
	path string
	f    *os.File
}

func newRenamed(t *testing.T, path string) *renamed {
	b := make([]byte, block.Size*block.Count)
	rand.Read(b)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return &renamed{path, must(os.OpenFile(path, os.O_RDWR, 0))(t)}
}

func (r *renamed) Read(i int, b []byte) error {
	_, err := r.f.ReadAt(b, int64(i)*block.Size)
	return err
}

func (r *renamed) Write(i int, b []byte) error {
	all, err := os.ReadFile(r.path)
	if err != nil {
		return err
	}
	copy(all[i*block.Size:], b)
	f, err := os.OpenFile(r.path+".new", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(all); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(r.path+".new", r.path); err != nil {
		return err
	}
	r.f.Close()
	r.f = f
	dir, err := os.Open(filepath.Dir(r.path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func (r *renamed) Probe() block.Probe {
	return block.Examine(func() *os.File { return r.f }, func() error {
		b := make([]byte, block.Size)
		rand.Read(b)
		return r.Write(block.Count-1, b)
	})
}

func (r *renamed) Close() error { return r.f.Close() }

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
	if c := h.Caps(); c.Level != keystore.L0 || !strings.Contains(c.Warning, "tmpfs") {
		t.Errorf("level %v, warning %q", c.Level, c.Warning)
	}
}
