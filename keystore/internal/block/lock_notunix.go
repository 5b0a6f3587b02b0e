//go:build !unix

package block

import "os"

// Elsewhere a second process is not kept out, and folders cannot be synced.
func lock(*os.File) error { return nil }

func syncDir(string) error { return nil }

// SameVolume cannot say it here.
func SameVolume(string, string) bool { return false }
