package ledger

import (
	"os"
	"runtime/debug"
)

// Bounds of TuneMemory.
const (
	gcPercent   = 400
	memoryLimit = 192 << 20
)

// TuneMemory is for programs whose business is a ledger: it lets garbage gather
// until the heap is five times what is alive, or Go's part of the memory 192 MiB;
// the storage engine has up to 150 MiB beside it, so a process stays at about a
// quarter of a gigabyte. A ledger keeps at most some 100 MiB alive, its caches, and
// makes about 4 KB of garbage with each event. At Go's defaults the collector takes
// a sixth of the time of an append and with this percentage a twentieth; the limit
// costs another tenth where the caches fill up, so who has the memory sets GOMEMLIMIT
// higher. GOGC and GOMEMLIMIT in the environment are obeyed.
func TuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
