//go:build !cgo

package ledger

// memoryLimit is all that Go manages, blocks and memtables of the storage engine
// among it.
const memoryLimit = 320 << 20

func tuneAllocator() {}
