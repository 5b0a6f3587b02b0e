//go:build unix

package block

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// SameVolume reports whether two paths lie on one file system, false where one
// cannot be asked. A partition is not on the file system that its name is on.
func SameVolume(a, b string) bool {
	var x, y unix.Stat_t
	if unix.Stat(a, &x) != nil || unix.Stat(b, &y) != nil {
		return false
	}
	for _, st := range []*unix.Stat_t{&x, &y} {
		if uint32(st.Mode)&unix.S_IFMT == unix.S_IFBLK {
			st.Dev = st.Rdev
		}
	}
	return x.Dev == y.Dev
}
