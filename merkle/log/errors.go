package log

import (
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/merkle"
)

var (
	// ErrNotFound: there is no such row, leaf or tile at or below the head.
	ErrNotFound = errors.New("not found")
	// ErrNoLog: the directory does not hold a log.
	ErrNoLog = errors.New("no log here")
	// ErrExists: the directory holds a log already.
	ErrExists = errors.New("there is a log already")
	// ErrLocked: somebody has the log open, this process or another.
	ErrLocked = errors.New("the log is open elsewhere")
	// ErrClosed: the log was closed.
	ErrClosed = errors.New("the log is closed")
	// ErrReadOnly: the log was opened for reading only.
	ErrReadOnly = errors.New("the log is open for reading only")
	// ErrBusy: the queue is full. Nothing was enqueued; [Log.Room] says when to try again.
	ErrBusy = errors.New("the queue of the log is full")
	// ErrTooLarge: what should go into one group is larger than a group may be.
	// Nothing was enqueued; split it.
	ErrTooLarge = errors.New("too large for one commit group")
	// ErrDiskFull: too little free space. Nothing was enqueued. Appends are
	// accepted again when there is room.
	ErrDiskFull = errors.New("too little free space on the disk of the log")
	// ErrUnwell: the storage engine reported an error in the background. What is
	// queued may still be committed, nothing new is accepted until the log has
	// been opened anew.
	ErrUnwell = errors.New("the storage engine reported an error")
	// ErrBroken: a commit failed. Whether its group is on disk is not known. The
	// database is not touched again by this process; exit, and open it anew.
	ErrBroken = errors.New("the log is broken: a commit failed")
	// ErrCorrupt: what the database holds contradicts itself or its signed
	// checkpoint, or a file is damaged.
	ErrCorrupt = errors.New("the log is corrupt")
	// ErrWrongOrigin: the directory holds the log of another origin.
	ErrWrongOrigin = errors.New("wrong origin")
	// ErrWrongKey: the signer is not the one the log was created with.
	ErrWrongKey = errors.New("wrong signing key")
	// ErrHeadCopy: the copy of the newest head could not be read or is no
	// checkpoint of this log.
	ErrHeadCopy = errors.New("unusable copy of the newest head")
	// ErrUnpublished: there is a policy, and no head satisfies it yet.
	ErrUnpublished = errors.New("no head that satisfies the policy")
	// ErrSpace: a key outside the spaces that the caller may use.
	ErrSpace = errors.New("key outside the caller's spaces")
	// ErrInvalid: an entry or a change that can never be stored.
	ErrInvalid = errors.New("invalid entry")
)

// ErrRolledBack says that the database is older than a head which the log is
// known to have signed, or holds another tree: a restored backup, a lost disk, a
// wrong directory. Going on would sign a second history.
type ErrRolledBack struct {
	// Have is what the database holds, Known what the head copy proves, or a head
	// that a witness shows.
	Have, Known merkle.Checkpoint
	// Witness is the name of the witness who shows it; empty if it is the head copy.
	Witness string
}

func (e ErrRolledBack) Error() string {
	if e.Witness != "" && e.Known.Size <= e.Have.Size {
		return fmt.Sprintf("forked: witness %q has cosigned a head of %d entries with root %s, and this copy of the log has another tree there", e.Witness, e.Known.Size, e.Known.Root)
	}
	if e.Witness != "" {
		return fmt.Sprintf("rolled back: the log has %d entries, but witness %q has cosigned a head of %d", e.Have.Size, e.Witness, e.Known.Size)
	}
	if e.Known.Size > e.Have.Size {
		return fmt.Sprintf("rolled back: the log has %d entries, but a head of %d entries was signed", e.Have.Size, e.Known.Size)
	}
	return fmt.Sprintf("forked: the log has root %s at size %d, but root %s was signed", e.Have.Root, e.Known.Size, e.Known.Root)
}
