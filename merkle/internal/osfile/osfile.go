// Package osfile has what files need of the operating system and the standard
// library does not offer: a lock that ends with the process that holds it, and a
// folder whose names are durable. It is for packages below merkle.
package osfile

import "errors"

// ErrLocked says that another process, or another file of this one, has the lock.
var ErrLocked = errors.New("locked by another process")

// ErrNoLocks says that this system has no locks that end with their process.
var ErrNoLocks = errors.New("this system cannot lock files")
