//go:build !cgo

package ledger

// memoryLimit is all that Go manages, blocks and memtables of the storage engine
// among it.
const memoryLimit = 320 << 20

// cachesLive is what is alive of it when the caches of people and keys, and those of
// the engine, are full.
const cachesLive = (76 + 88) << 20

func tuneAllocator() {}
