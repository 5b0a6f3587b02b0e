//go:build unix

package bench

import (
	"syscall"
	"time"
)

// processTime is the time that all threads of the process have used, in the
// program and in the kernel on its behalf.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// diskBytes is what a file takes on the disk, holes left out and blocks
// allocated beyond its end included.
func diskBytes(path string) (int64, error) {
	var s syscall.Stat_t
	if err := syscall.Lstat(path, &s); err != nil {
		return 0, err
	}
	return int64(s.Blocks) * 512, nil
}
