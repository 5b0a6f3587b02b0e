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
// until the heap is five times what is alive, or Go's part of the memory 512 MiB;
// the storage engine has up to 150 MiB beside it. A ledger makes about 4 KB of
// garbage with each event. At Go's defaults the collector takes a sixth of the time
// of an append and with this percentage a twentieth. A limit near to what the caches
// keep alive costs far more than it saves: with 200,000 people and 192 MiB the second
// million events took twice the time, see docs/explanation/performance.md. GOGC and
// GOMEMLIMIT in the environment are obeyed.
func TuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
