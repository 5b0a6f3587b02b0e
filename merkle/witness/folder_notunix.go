//go:build !unix

package witness

import (
	"errors"
	"os"
)

// Without a lock two processes could cosign two checkpoints of one size, and
// without synced folders one that was restarted could go back.
func lockFile(*os.File) error {
	return errors.New("a witness needs a system that can lock files and sync folders")
}

func syncDir(string) error { return nil }
