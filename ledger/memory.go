package ledger

import (
	"os"
	"runtime/debug"
)

// Bounds of TuneMemory.
const (
	gcPercent   = 400
	memoryLimit = 176 << 20
)

// TuneMemory is for programs whose business is a ledger: it lets garbage gather
// until the heap is five times what is alive, or Go's part of the memory 176 MiB; the
// storage engine has its blocks and tables in memory beside it. A ledger makes about
// 4 KB of garbage with each event, and full caches of people kept 60 MB alive (100,000
// people, 400,000 events): then the heap has room for the garbage of some 20,000
// events between two collections. Less would be collected all the time, more would
// make the collector a little rarer: GOGC and GOMEMLIMIT in the environment are
// obeyed, see docs/explanation/performance.md.
func TuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
