package block

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// File systems on which overwriting in place was measured to leave no old block:
// ext4 with ordered or writeback data, and XFS. On btrfs only a file without
// copy-on-write is. See docs/spec/holder-slot.md.
const (
	flagJournalData = 0x4000   // FS_JOURNAL_DATA_FL, chattr +j
	flagNoCOW       = 0x800000 // FS_NOCOW_FL, chattr +C
)

// File systems of which it is known why they do not overwrite in place, or why we
// cannot know, by the number that statfs(2) gives.
var unfit = map[uint32]string{
	unix.OVERLAYFS_SUPER_MAGIC: "an overlay, as in a container: what lies below it cannot be seen",
	unix.TMPFS_MAGIC:           "tmpfs: the file is in memory, is lost when the machine stops, and may be written to swap",
	unix.RAMFS_MAGIC:           "ramfs: the file is in memory, and is lost when the machine stops",
	unix.NFS_SUPER_MAGIC:       "NFS: another machine decides where it writes",
	unix.SMB_SUPER_MAGIC:       "SMB: another machine decides where it writes",
	unix.SMB2_SUPER_MAGIC:      "SMB: another machine decides where it writes",
	unix.CIFS_SUPER_MAGIC:      "SMB: another machine decides where it writes",
	unix.V9FS_MAGIC:            "9P: another machine decides where it writes",
	unix.CEPH_SUPER_MAGIC:      "Ceph: other machines decide where they write",
	unix.AFS_SUPER_MAGIC:       "AFS: another machine decides where it writes",
	unix.FUSE_SUPER_MAGIC:      "FUSE: another program decides where it writes",
	unix.F2FS_SUPER_MAGIC:      "F2FS, which writes to a new place each time",
	unix.NILFS_SUPER_MAGIC:     "NILFS, which writes to a new place each time",
	0x2fc12fc1:                 "ZFS, which copies on write",
	0xca451a4e:                 "bcachefs, which copies on write",
}

// Probe implements [Device].
func (d *File) Probe() Probe {
	if d.partition {
		return answer(d.probePartition())
	}
	p := Examine(func() *os.File { return d.f }, d.canary)
	if p.InPlace && !d.direct { // last, because what is known of the file system says more
		return answer(errors.New("the file system cannot be written past its cache"))
	}
	return p
}

func answer(err error) Probe {
	if err != nil {
		return Probe{Warning: fmt.Sprintf("%v: an erased root may stay on the disk", err)}
	}
	return Probe{InPlace: true}
}

// Examine finds out whether overwrite replaces what was in a file. It asks before
// and after where the file lies: a copy-on-write file system moves it, and so does
// whoever writes a new file and renames it. A journal of data does not show there,
// so mount options and the inode are read. What cannot be seen: snapshots below the
// file system, and flash that remaps.
func Examine(file func() *os.File, overwrite func() error) Probe {
	return answer(examine(file, 0, overwrite))
}

// examine looks at the Size × Count bytes of a file from an offset on.
func examine(file func() *os.File, offset uint64, overwrite func() error) error {
	if err := fileSystem(file()); err != nil {
		return err
	}
	before, err := extents(file(), offset)
	if err != nil {
		return fmt.Errorf("the file system does not say where the root holder's file lies (%w)", err)
	}
	if err := overwrite(); err != nil {
		return fmt.Errorf("the root holder's file could not be tested (%w)", err)
	}
	after, err := extents(file(), offset)
	if err != nil {
		return fmt.Errorf("the file system does not say where the root holder's file lies (%w)", err)
	}
	if !slices.Equal(before, after) {
		return errors.New("the root is written to a new place instead of over the old one")
	}
	return nil
}

// fileSystem refuses a file whose file system is known not to write in place, or
// was not tested.
func fileSystem(f *os.File) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("asking for the file system: %w", err)
	}
	kind := uint32(st.Type)
	if why, ok := unfit[kind]; ok {
		return fmt.Errorf("the root lies on %s", why)
	}
	if kind != unix.EXT4_SUPER_MAGIC && kind != unix.XFS_SUPER_MAGIC && kind != unix.BTRFS_SUPER_MAGIC {
		return fmt.Errorf("overwriting in place was not tested on this file system (type %#x)", kind)
	}
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return fmt.Errorf("asking for the flags of the root holder's file: %w", err)
	}
	options, err := mountOptions(f)
	if err != nil {
		return fmt.Errorf("asking how the file system is mounted: %w", err)
	}
	switch {
	case kind == unix.EXT4_SUPER_MAGIC && slices.Contains(options, "data=journal"):
		return errJournalled
	case kind == unix.EXT4_SUPER_MAGIC && flags&flagJournalData != 0:
		return errors.New("the file has the flag j (chattr): what is written to it is in the journal of ext4, too")
	case kind == unix.BTRFS_SUPER_MAGIC && flags&flagNoCOW == 0 && !slices.Contains(options, "nodatacow"):
		return errors.New("btrfs copies on write (a file made in a folder with chattr +C does not)")
	case kind == unix.EXT4_SUPER_MAGIC:
		return ext4Defaults(f)
	}
	return nil
}

var errJournalled = errors.New("ext4 is mounted with data=journal: everything written is in its journal, too")

// ext4Defaults refuses data=journal where it is the file system's own default
// (tune2fs -o journal_data): then no mount option says so, only this list does.
func ext4Defaults(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("asking for the device: %w", err)
	}
	device, err := os.Readlink(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)))
	if err != nil {
		return fmt.Errorf("asking how ext4 writes data (%w)", err)
	}
	options, err := os.ReadFile(filepath.Join("/proc/fs/ext4", filepath.Base(device), "options"))
	if err != nil {
		return fmt.Errorf("asking how ext4 writes data (%w)", err)
	}
	if slices.Contains(strings.Split(string(options), "\n"), "data=journal") {
		return errJournalled
	}
	return nil
}

// An extent is a part of a file and where it lies.
type extent struct {
	logical, physical, length uint64
	flags                     uint32
}

const (
	fsIocFiemap = 0xC020660B
	fiemapSync  = 1

	extentUnknown   = 0x2
	extentDelalloc  = 0x4
	extentEncoded   = 0x8
	extentInline    = 0x200
	extentTail      = 0x400
	extentUnwritten = 0x800
	extentShared    = 0x2000
)

// extents asks, with FIEMAP, where a part of a file lies.
func extents(f *os.File, offset uint64) ([]extent, error) {
	type rawExtent struct {
		logical, physical, length uint64
		_                         [2]uint64
		flags                     uint32
		_                         [3]uint32
	}
	var m struct {
		start, length         uint64
		flags, mapped, count_ uint32
		_                     uint32
		extents               [16]rawExtent
	}
	m.start, m.length, m.flags, m.count_ = offset, Size*Count, fiemapSync, uint32(len(m.extents))
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), fsIocFiemap, uintptr(unsafe.Pointer(&m)))
	if errno != 0 {
		return nil, errno
	}
	if m.mapped == 0 || int(m.mapped) > len(m.extents) {
		return nil, errors.New("it is scattered")
	}
	var out []extent
	const bad = extentUnknown | extentDelalloc | extentEncoded | extentInline | extentTail | extentUnwritten | extentShared
	for _, e := range m.extents[:m.mapped] {
		if e.flags&bad != 0 {
			return nil, fmt.Errorf("extent flags %#x", e.flags)
		}
		out = append(out, extent{e.logical, e.physical, e.length, e.flags})
	}
	return out, nil
}

// mountOptions returns the options of the mount that a file lies on. The kernel names
// it for an open file; the number of the device would not do, because btrfs gives
// each subvolume one of its own.
func mountOptions(f *os.File) ([]string, error) {
	about, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", f.Fd()))
	if err != nil {
		return nil, err
	}
	var id string
	for line := range strings.Lines(string(about)) {
		if name, value, _ := strings.Cut(line, ":"); name == "mnt_id" {
			id = strings.TrimSpace(value)
		}
	}
	info, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer info.Close()
	lines := bufio.NewScanner(info)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		// proc(5): id, parent, major:minor, root, mount point, options, …, "-", type, source, super options
		if len(fields) >= 10 && fields[0] == id {
			return append(strings.Split(fields[5], ","), strings.Split(fields[len(fields)-1], ",")...), nil
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return nil, errors.New("its mount is not listed")
}
