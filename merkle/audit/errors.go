package audit

import "fmt"

// A MismatchError says that what a source holds is not what the log signed.
type MismatchError struct {
	// Place is the path of the file that is wrong.
	Place string
	// What says what is wrong with it, in a sentence without a full stop.
	What string
	// Missing is true if the file is not there, although the head covers it. A
	// cache that remembers that it was not there yet does that for a while.
	Missing bool
}

func (e *MismatchError) Error() string { return e.Place + ": " + e.What }

// An UnreachableError says that a source could not be asked: the network, a
// server that is busy or refuses, a disk. Nothing is known about the log then.
type UnreachableError struct {
	Source, Path string
	Err          error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("asking %s for %s: %v", e.Source, e.Path, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// A ConflictError says that the head that is shown does not follow the one that
// is remembered. Evidence holds both.
type ConflictError struct {
	Evidence *Evidence
	// File is where the evidence was written, if it was.
	File string
}

func (e *ConflictError) Error() string {
	s := e.Evidence.Summary()
	if e.File != "" {
		s += "; both signed heads are in " + e.File
	}
	return s
}

// A StateError says that what is remembered cannot be used: it is damaged, or it
// is of another log. File is empty for a state that lives in memory.
type StateError struct {
	File string
	Err  error
}

func (e *StateError) Error() string { return fmt.Sprintf("remembered in %s: %v", e.File, e.Err) }
func (e *StateError) Unwrap() error { return e.Err }

// A LockedError says that another process works with the same file or folder.
type LockedError struct{ File string }

func (e *LockedError) Error() string {
	return e.File + " is in use by another process"
}
