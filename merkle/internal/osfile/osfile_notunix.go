//go:build !unix

package osfile

import "os"

// Lock fails with ErrNoLocks: whether to go on without is for the caller to say.
func Lock(*os.File) error { return ErrNoLocks }

// SyncDir does nothing: folders cannot be synced here.
func SyncDir(string) error { return nil }
