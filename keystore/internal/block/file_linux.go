package block

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openDirect opens past the page cache where the file system can do that. A
// partition is opened exclusively: not while it is mounted, nor by two of us.
func openDirect(path string, partition bool) (*os.File, bool, error) {
	flags := os.O_RDWR | unix.O_DSYNC
	if partition {
		flags |= unix.O_EXCL
	}
	f, err := os.OpenFile(path, flags|unix.O_DIRECT, 0)
	if err == nil {
		return f, true, nil
	}
	if partition && errors.Is(err, unix.EBUSY) {
		return nil, false, errors.Join(ErrLocked, err)
	}
	if !errors.Is(err, unix.EINVAL) {
		return nil, false, err
	}
	f, err = os.OpenFile(path, flags, 0)
	return f, false, err
}

// flush does nothing: O_DSYNC makes each write durable.
func flush(*os.File) error { return nil }
