// Package block reads and writes the few 4 KiB blocks in which a root holder
// keeps its share. It goes past every layer it can: what is written must replace
// what was there on the medium, not beside it, and what is read back must come
// from the medium.
package block

import "errors"

// Size is the size of a block, Count how many a file has: two slots, and one on
// which the file system is tested.
const (
	Size  = 4096
	Count = 3
)

// A Device is Count blocks that are overwritten in place. Write returns when the
// block is durable; if it is interrupted, any of the block's 512-byte sectors may
// be the old or the new one, and other blocks are untouched. b has Size bytes, and
// is not kept; for Read it may have several times that, for blocks that follow.
type Device interface {
	Read(block int, b []byte) error
	Write(block int, b []byte) error
	// Probe finds out whether writing in place overwrites what was there.
	Probe() Probe
	Close() error
}

// A Probe says what is known of the medium.
type Probe struct {
	InPlace bool   // writes replace what was there, as far as can be seen from here
	Warning string // one line, why not
}

var (
	// ErrLocked says that another process has the file open.
	ErrLocked = errors.New("another process has the file open")
	// ErrSize says that a file has another size than a holder's.
	ErrSize = errors.New("not a root holder's file")
	// ErrInUse says that a partition is not empty.
	ErrInUse = errors.New("the partition is not empty")
)
