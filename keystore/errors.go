package keystore

import (
	"crypto/fips140"
	"errors"
	"fmt"
)

var (
	// ErrNoKey says that the tree has no such key: never made, or erased.
	ErrNoKey = errors.New("no such key")
	// ErrErasing says that the key is fenced: its erasure has begun.
	ErrErasing = errors.New("the key is being erased")
	// ErrPageMissing is what lookups on a lost page wrap; others work on.
	ErrPageMissing = errors.New("a key page is missing")
	// ErrExists says that there is a tree already where one was to be created.
	ErrExists = errors.New("there is a key tree already")
	// ErrHolderMissing says that a place that keeps a share of the root is not there.
	ErrHolderMissing = errors.New("a root holder is missing")
	// ErrUnreachable says that a root holder on another machine does not answer.
	ErrUnreachable = errors.New("no answer")
	// ErrWrongTree says that a holder keeps the root of another tree.
	ErrWrongTree = errors.New("the root holder belongs to another key tree")
	// ErrNoCompleteEpoch says that no root that all holders share opens the tree.
	ErrNoCompleteEpoch = errors.New("no root opens the key tree")
	// ErrNotHeld says that a holder does not hold the share it was told to keep.
	ErrNotHeld = errors.New("the holder does not hold this attempt")
	// ErrHolderBusy says that a holder still keeps two shares of other epochs.
	ErrHolderBusy = errors.New("the holder has no free slot")
	// ErrLocked says that another process has a holder open.
	ErrLocked = errors.New("another process has it open")
	// ErrEpochRunning says that another epoch has not ended yet.
	ErrEpochRunning = errors.New("another epoch is running")
	// ErrNotFenced says that a key to be erased was not fenced before.
	ErrNotFenced = errors.New("the key was not fenced")
	// ErrTooLate says that an epoch can no longer be given up.
	ErrTooLate = errors.New("the epoch can only go forward")
	// ErrSwept says that a sweep changed all routes under a walk: begin it again.
	ErrSwept = errors.New("the key tree was swept meanwhile")
	// ErrClosed says that the tree was closed.
	ErrClosed = errors.New("the key tree is closed")
	// ErrFIPS says that this process may use nothing but what FIPS 140-3 knows.
	ErrFIPS = errors.New("key pages are sealed with ChaCha20-Poly1305, which GODEBUG=fips140=only refuses, whatever suite events are sealed with")
)

// Usable returns [ErrFIPS] where Go's crypto refuses what a key tree is made of. Trees say
// so themselves; this is for who would write something before.
func Usable() error {
	if fips140.Enforced() {
		return ErrFIPS
	}
	return nil
}

// A HintError adds to an error one line that says what to do about it.
type HintError struct {
	Err  error
	Hint string
}

func (e *HintError) Error() string { return e.Err.Error() }
func (e *HintError) Unwrap() error { return e.Err }

// Hinted wraps err, which it formats, with a hint.
func Hinted(hint, format string, a ...any) error {
	return &HintError{Err: fmt.Errorf(format, a...), Hint: hint}
}

// A PageMissingError names a page that the tree needs and the rows lack, or
// that does not open. It wraps [ErrPageMissing].
type PageMissingError struct {
	Path  Path
	Cause error // nil where there is no row at all
}

func (e *PageMissingError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("key page %s: %v", e.Path, e.Cause)
	}
	return fmt.Sprintf("key page %s is missing", e.Path)
}

func (e *PageMissingError) Is(target error) bool { return target == ErrPageMissing }
func (e *PageMissingError) Unwrap() error        { return e.Cause }

// namesTried is how many names are tried. They are random, so another leads to another page.
const namesTried = 64

// Elsewhere calls use, and again under another name, which rename draws, where the keys
// of one would lie on a page that is missing.
func Elsewhere[T any](use func() (T, error), rename func()) (T, error) {
	got, err := use()
	for tries := 1; tries < namesTried && errors.Is(err, ErrPageMissing); tries++ {
		rename()
		got, err = use()
	}
	return got, err
}
