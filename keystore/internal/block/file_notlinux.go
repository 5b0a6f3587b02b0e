//go:build !linux

package block

import "os"

func openDirect(path string, _ bool) (*os.File, bool, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	return f, false, err
}

// flush syncs; on macOS that is F_FULLFSYNC.
func flush(f *os.File) error { return f.Sync() }

// Probe implements [Device].
func (d *File) Probe() Probe {
	if err := d.canary(); err != nil {
		return Probe{Warning: "the root holder's file could not be tested: " + err.Error()}
	}
	return Probe{Warning: "this system cannot show that the root is overwritten in place: an erased root may stay on the disk"}
}
