package ledger

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// gcPercent is how much garbage may gather, in percent of what is alive, while there
// is room below memoryLimit.
const gcPercent = 400

// TuneMemory is for programs whose business is a ledger: it lets garbage gather
// until the heap is five times what is alive, or Go's part of the memory is at its
// limit, which is higher only while so much is alive that the collector would have
// little room. A ledger makes 4 to 5 KB of garbage with each event, and full caches
// keep 60 to 70 MB alive (ten million events, a million people). With less room it
// would be collected all the time, with more a little more rarely: GOGC and GOMEMLIMIT
// in the environment are obeyed, see docs/explanation/performance.md.
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
		go holdLimit()
	}
}

// limitFor is the limit for a heap of which so much is alive. Full caches fit below
// memoryLimit. What is alive beyond them is events that wait for the disk, tens of
// thousands of them, and a collector that had to stay below it all the same would do
// little else (measured with 16,384 on their way: half of the CPU time).
func limitFor(live uint64) int64 {
	if live <= cachesLive {
		return memoryLimit
	}
	return memoryLimit + 3*int64(live-cachesLive)
}

// holdLimit moves the limit with what is alive. To set it stops all goroutines for a
// moment, so it is left alone where it is about right. It ends with the program.
func holdLimit() {
	limit := int64(memoryLimit)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for range time.Tick(time.Second) {
		metrics.Read(live)
		if next := limitFor(live[0].Value.Uint64()); next > limit || next < limit-limit/8 {
			limit = next
			debug.SetMemoryLimit(limit)
		}
	}
}
