package block

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Drivers that write a block where it was, as far as the kernel knows, by the
// beginning of the device's name. What the disk itself does below, as flash does,
// cannot be seen from here.
var disks = []string{"sd", "vd", "xvd", "hd", "nvme", "mmcblk", "pmem", "md"}

// probePartition asks the kernel what a partition lies on.
func (d *File) probePartition() error {
	if !d.direct {
		return errors.New("the partition cannot be written past the cache")
	}
	if err := d.canary(); err != nil {
		return fmt.Errorf("the partition could not be tested (%w)", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(d.f.Fd()), &st); err != nil {
		return fmt.Errorf("asking for the partition: %w", err)
	}
	sys, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)))
	if err != nil {
		return fmt.Errorf("asking what the partition lies on: %w", err)
	}
	if _, err := os.Stat(filepath.Join(sys, "partition")); err == nil {
		sys = filepath.Dir(sys) // the disk
	}
	name := filepath.Base(sys)
	switch {
	case slices.ContainsFunc(disks, func(p string) bool { return strings.HasPrefix(name, p) }):
		return nil
	case strings.HasPrefix(name, "loop"):
		return d.probeLoop(filepath.Join(sys, "loop"))
	case strings.HasPrefix(name, "dm-"):
		return errors.New("the partition belongs to the device mapper (LVM, encryption, snapshots), whose lower layers cannot be seen")
	}
	return fmt.Errorf("overwriting in place was not tested on this kind of device (%s)", name)
}

// probeLoop looks at the file behind a loop device as at any other file.
func (d *File) probeLoop(sys string) error {
	name, err := os.ReadFile(filepath.Join(sys, "backing_file"))
	if err != nil {
		return fmt.Errorf("asking for the file behind a loop device: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(sys, "offset"))
	if err != nil {
		return fmt.Errorf("asking for the file behind a loop device: %w", err)
	}
	offset, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return fmt.Errorf("asking for the file behind a loop device: %w", err)
	}
	f, err := os.Open(strings.TrimSuffix(string(name), "\n"))
	if err != nil {
		return fmt.Errorf("asking for the file behind a loop device: %w", err)
	}
	defer f.Close()
	return examine(func() *os.File { return f }, offset, d.canary)
}
