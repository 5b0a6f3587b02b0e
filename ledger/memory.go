package ledger

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much garbage may gather, in percent of what is alive, while there
// is room below memoryLimit.
const gcPercent = 400

// TuneMemory is for programs whose business is a ledger: it lets garbage gather
// until the heap is five times what is alive, or Go's part of the memory is at its
// limit. A ledger makes about 4 KB of garbage with each event, and full caches of
// people kept 60 to 80 MB alive (a million people, two million events). Less would be
// collected all the time, more would make the collector a little rarer: GOGC and
// GOMEMLIMIT in the environment are obeyed, see docs/explanation/performance.md.
//
// Where there is a C compiler, blocks and memtables of the storage engine are C
// memory, beside Go's; without one they are part of it, and the limit is higher.
func TuneMemory() {
	tuneAllocator()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
