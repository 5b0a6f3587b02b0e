package audit

import (
	"errors"
	"os"

	"github.com/lacunalog/lacuna/merkle/internal/osfile"
)

// lock keeps a second process out. Where that cannot be, an auditor works without:
// two of them disturb each other, and make neither believe anything wrong.
func lock(f *os.File) error {
	switch err := osfile.Lock(f); {
	case errors.Is(err, osfile.ErrLocked):
		return &LockedError{File: f.Name()}
	case errors.Is(err, osfile.ErrNoLocks):
		return nil
	default:
		return err
	}
}
