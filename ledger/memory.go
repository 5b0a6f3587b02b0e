package ledger

import (
	"os"
	"runtime/debug"
)

// Bounds of TuneMemory.
const (
	gcPercent   = 400
	memoryLimit = 512 << 20
)

// TuneMemory is for programs whose business is a ledger: it lets garbage gather
// until the heap is five times what is alive, or half a gigabyte. A ledger keeps
// little alive and makes about 4 KB of garbage with each event; at Go's defaults
// the collector takes a sixth of the time of an append, and with this a twentieth.
// GOGC and GOMEMLIMIT in the environment are obeyed instead.
func TuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
