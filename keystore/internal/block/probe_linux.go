package block

import (
	"bufio"
	"errors"
	"fmt"
	"os"
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

// Probe implements [Device]. It overwrites the block that holds no share and asks
// before and after where the file lies: a copy-on-write file system moves it. A
// journal of data does not show there, so mount options and the inode are read.
// What it cannot see: snapshots below the file system, and flash that remaps.
func (d *File) Probe() Probe {
	if err := d.probe(); err != nil {
		return Probe{Warning: fmt.Sprintf("%v: an erased root may stay on the disk", err)}
	}
	return Probe{InPlace: true}
}

func (d *File) probe() error {
	before, err := extents(d.f)
	if err != nil {
		return fmt.Errorf("the file system does not say where the root holder's file lies (%w)", err)
	}
	if err := d.canary(); err != nil {
		return fmt.Errorf("the root holder's file could not be tested (%w)", err)
	}
	after, err := extents(d.f)
	if err != nil {
		return fmt.Errorf("the file system does not say where the root holder's file lies (%w)", err)
	}
	if !slices.Equal(before, after) {
		return errors.New("the file system writes the root to a new place instead of over the old one")
	}
	if !d.direct {
		return errors.New("the file system cannot be written past its cache")
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(d.f.Fd()), &st); err != nil {
		return fmt.Errorf("asking for the file system: %w", err)
	}
	flags, err := unix.IoctlGetInt(int(d.f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return fmt.Errorf("asking for the flags of the root holder's file: %w", err)
	}
	options, err := mountOptions(d.f)
	if err != nil {
		return fmt.Errorf("asking how the file system is mounted: %w", err)
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC:
		if flags&flagJournalData != 0 || slices.Contains(options, "data=journal") {
			return errors.New("the file system keeps written data in its journal")
		}
		return nil
	case unix.XFS_SUPER_MAGIC:
		return nil
	case unix.BTRFS_SUPER_MAGIC:
		if flags&flagNoCOW == 0 && !slices.Contains(options, "nodatacow") {
			return errors.New("the file system copies on write")
		}
		return nil
	}
	return fmt.Errorf("overwriting in place was not tested on this file system (type %#x)", uint32(st.Type))
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

// extents asks, with FIEMAP, where a file lies.
func extents(f *os.File) ([]extent, error) {
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
	m.length, m.flags, m.count_ = Size*Count, fiemapSync, uint32(len(m.extents))
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

// mountOptions returns the options of the mount that a file lies on.
func mountOptions(f *os.File) ([]string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	device := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	info, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer info.Close()
	var options []string
	for s := bufio.NewScanner(info); s.Scan(); {
		fields := strings.Fields(s.Text())
		// proc(5): id, parent, major:minor, root, mount point, options, …, "-", type, source, super options
		if len(fields) < 10 || fields[2] != device {
			continue
		}
		options = append(options, strings.Split(fields[5], ",")...)
		options = append(options, strings.Split(fields[len(fields)-1], ",")...)
	}
	if options == nil {
		return nil, errors.New("its mount is not listed")
	}
	return options, nil
}
