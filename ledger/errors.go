package ledger

import (
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/merkle/log"
)

// ErasedError says that an entry is in the log, that no living key opens it, and
// that an erasure accounts for that. It is an answer, not a failure: the entry itself
// stays proven. Before a sweep commits to the set of erased entries it is the
// operator's word that the entry was erased.
type ErasedError struct{ Index uint64 }

func (e *ErasedError) Error() string {
	return fmt.Sprintf("entry %d: erased, no key opens it any more", e.Index)
}

// UnreadableError says that an entry is in the log and cannot be read, although no
// erasure accounts for that and nobody has stated it as lost: something is damaged.
type UnreadableError struct {
	Index uint64
	Why   error
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("entry %d: it cannot be read: %v", e.Index, e.Why)
}
func (e *UnreadableError) Unwrap() error { return e.Why }

// EntryLostError says that an entry was publicly stated as lost: no key opens it, and no
// erasure accounts for that. [Ledger.LostOpening] shows it to others.
type EntryLostError struct {
	Index     uint64
	Statement uint64 // the entry that states it
}

func (e *EntryLostError) Error() string {
	return fmt.Sprintf("entry %d: lost, as entry %d states in public", e.Index, e.Statement)
}

// NotFoundError says that there is no such entry or subject. It never repeats
// the identifier it was asked for.
type NotFoundError struct{ What string }

func (e *NotFoundError) Error() string { return e.What }

// BusyError says that the same request can succeed in a moment.
type BusyError struct{ What string }

func (e *BusyError) Error() string { return e.What }

// ConfigError says that a ledger cannot be as it was asked to be, or that its
// configuration file cannot be read.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

func badConfig(format string, args ...any) error { return &ConfigError{fmt.Errorf(format, args...)} }

// ReadOnlyError says why a ledger that is open for reading does not sign.
type ReadOnlyError struct{ Why error }

func (e *ReadOnlyError) Error() string {
	return "the ledger is open for reading only: " + e.Why.Error()
}
func (e *ReadOnlyError) Unwrap() error { return e.Why }

// An OutdatedError says that a sweep has come since the rows of a copy were written, whose
// key pages are newer: a backup that was restored. Nobody could read what it recorded
// under masks that are gone with the next sweep.
type OutdatedError struct{ Rows, Keys uint32 } // generations

func (e *OutdatedError) Error() string {
	return fmt.Sprintf("its sealed events are of generation %d, its keys of %d: it is older than the last sweep", e.Rows, e.Keys)
}

// KeptError says that nothing was erased because everything has a declared
// reason to stay.
type KeptError struct{ Plan *Plan }

func (e *KeptError) Error() string {
	return "nothing to erase: everything has a declared reason to stay"
}

// VerifyError says that the store disagrees with itself or with what was signed.
type VerifyError struct{ Problems []string }

func (e *VerifyError) Error() string {
	if len(e.Problems) == 1 {
		return e.Problems[0]
	}
	return fmt.Sprintf("%s (and %d more)", e.Problems[0], len(e.Problems)-1)
}

func isErased(err error) bool {
	var e *ErasedError
	return errors.As(err, &e)
}

// storeError turns what the log says into what the ledger's callers branch on.
func storeError(err error) error {
	if errors.Is(err, log.ErrBusy) {
		return &BusyError{What: "the log's queue is full"}
	}
	return err
}
