//go:build cgo

package ledger

// #include <stdlib.h>
// #ifdef __GLIBC__
// #include <malloc.h>
// #endif
//
// static void tune(void) {
// #ifdef __GLIBC__
// 	mallopt(M_ARENA_MAX, 2);
// 	mallopt(M_MMAP_THRESHOLD, 256 << 10);
// #endif
// }
//
// static void trim(void) {
// #ifdef __GLIBC__
// 	malloc_trim(1 << 20);
// #endif
// }
import "C"

import "time"

// memoryLimit is Go's part of the memory. The engine has up to 88 MiB beside it, and
// the program itself 25.
const memoryLimit = 120 << 20

// cachesLive is what is alive of it when the caches of people and keys are full.
const cachesLive = 76 << 20

// trimEvery is how often C's allocator gives back what is free.
const trimEvery = 5 * time.Second

// tuneAllocator bounds what C's allocator keeps of what the storage engine has given
// back, blocks and memtables. Where a memtable was freed, glibc takes chunks of that
// size from its arenas from then on instead of from the system, unless told not to; and
// of what the arenas have, it gives back only what lies free at their ends: of 46 MiB,
// 3 were in use. The goroutine ends with the program.
func tuneAllocator() {
	C.tune()
	go func() {
		for range time.Tick(trimEvery) {
			C.trim()
		}
	}()
}
