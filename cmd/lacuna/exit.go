package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/holder/custodian"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// Exit codes. docs/reference/exit-codes.md is checked against this list.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitVerify      = 10
	exitErased      = 11
	exitNotFound    = 12
	exitBusy        = 13
	exitNotAllowed  = 14
	exitHeld        = 15
	exitRefused     = 16
	exitDeny        = 20
	exitGap         = 21
	exitInterrupted = 130
)

// usageError is a mistake in how the command was called.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(err error) error {
	var u *usageError
	if errors.As(err, &u) {
		return err
	}
	return &usageError{err: err}
}

// exitError carries an exit code for an answer that was already printed.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit %d", e.code) }

// hintError adds what to type to an error.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

func withHint(err error, hint string) error { return &hintError{err, hint} }

// report prints an error in one line, with a hint where there is one, and returns
// the exit code.
func report(ctx context.Context, stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	var quiet *exitError
	if errors.As(err, &quiet) {
		return quiet.code
	}
	code, hint := classify(err)
	interrupted := ctx.Err() != nil && errors.Is(err, context.Canceled)
	if interrupted {
		code, hint = exitInterrupted, ""
	}
	var exact *keystore.HintError
	if errors.As(err, &exact) {
		hint = exact.Hint
	}
	var h *hintError
	if errors.As(err, &h) {
		hint = h.hint
	}
	what := strings.ReplaceAll(err.Error(), "\n", "; ")
	if interrupted {
		what = "interrupted"
	}
	fmt.Fprintf(stderr, "lacuna: %s\n", what)
	if hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	return code
}

// classify gives an error its exit code and, where it helps, a hint.
func classify(err error) (code int, hint string) {
	var (
		u        *usageError
		refused  *event.Refused
		erased   *ledger.ErasedError
		lost     *ledger.EntryLostError
		damaged  *ledger.UnreadableError
		missing  *ledger.NotFoundError
		busy     *ledger.BusyError
		kept     *ledger.KeptError
		readOnly *ledger.ReadOnlyError
		bad      *ledger.VerifyError
		config   *ledger.ConfigError
		rolled   log.ErrRolledBack
		outdated *ledger.OutdatedError
		alone    *log.UnwitnessedError
		waiting  *ledger.WaitingError
	)
	if code, hint, ok := classifyAudit(err); ok {
		return code, hint
	}
	switch {
	case errors.As(err, &u):
		return exitUsage, u.hint
	case errors.As(err, &config):
		return exitUsage, ""
	case errors.As(err, &refused):
		return exitRefused, ""
	case errors.As(err, &erased):
		return exitErased, "the entry itself can still be proven; its content cannot be read by anybody"
	case errors.As(err, &lost):
		return exitFailure, fmt.Sprintf("lacuna audit lost %d writes the proof that this was stated", lost.Index)
	case errors.As(err, &damaged):
		return exitFailure, "lacuna fsck says what is damaged; a backup may still have it: docs/howto/backup-and-restore.md; lacuna lost states it in public"
	case errors.As(err, &missing):
		return exitNotFound, ""
	case errors.As(err, &busy):
		return exitBusy, "send the same request again"
	case errors.As(err, &waiting), errors.Is(err, erasure.ErrNotApproved), errors.Is(err, erasure.ErrCoolingOff):
		return exitHeld, "lacuna erase list shows what it waits for; lacuna approve ID, then lacuna erase run"
	case errors.Is(err, erasure.ErrTooMany):
		return exitHeld, ""
	case errors.Is(err, erasure.ErrDependent):
		return exitHeld, "nothing was destroyed; the request is tried again whenever the ledger is opened, or with lacuna erase run if it has waited"
	case errors.Is(err, erasure.ErrNotWaiting):
		return exitNotFound, "lacuna erase list"
	case errors.Is(err, erasure.ErrNotResumed):
		return exitBusy, "the next command that opens the ledger goes on with it: lacuna erase list"
	case errors.Is(err, erasure.ErrNotApprover):
		return exitNotAllowed, "the verifier key has to stand in the policy: lacuna approve policy"
	case errors.Is(err, erasure.ErrHeld):
		return exitHeld, "a hold has to be released before this can be erased: lacuna hold list"
	case errors.As(err, &kept):
		return exitHeld, "lacuna erase --everything erases what has a reason to stay, too"
	case errors.As(err, &rolled), errors.As(err, &outdated):
		return exitVerify, "this is an older copy of the log: it can be read, but go on with the newest one"
	case errors.As(err, &alone):
		return exitBusy, "ask again when they answer: lacuna publish"
	case errors.As(err, &readOnly):
		return exitNotAllowed, ""
	case errors.As(err, &bad), errors.Is(err, receipt.ErrNotVerified):
		return exitVerify, ""
	case errors.Is(err, keystore.ErrUnreachable):
		return exitBusy, "nothing is lost and nothing can be erased until it answers: start it, and look with lacuna custodian status"
	case errors.Is(err, custodian.ErrImpostor), errors.Is(err, custodian.ErrRolledBack):
		return exitVerify, "see docs/howto/run-a-custodian.md before anything else is done there"
	case errors.Is(err, custodian.ErrSuperseded):
		return exitBusy, "something else talks to the custodian for this ledger; try again when it has ended"
	case errors.Is(err, custodian.ErrNotEnrolled):
		return exitNotAllowed, "ask the custodian for an invitation: lacuna custodian invite"
	case errors.Is(err, witness.ErrLocked):
		return exitBusy, "two witnesses with one memory would contradict each other; wait for the other to end"
	case errors.Is(err, log.ErrLocked):
		return exitBusy, "another lacuna process has this ledger open: wait for it to end; lacuna serve has to be stopped for this, and started again"
	case errors.Is(err, keystore.ErrLocked):
		return exitBusy, "wait for the other process to end"
	case errors.Is(err, log.ErrCorrupt):
		return exitVerify, "restore the newest backup into a new folder: lacuna restore"
	case errors.Is(err, log.ErrWrongKey):
		return exitVerify, "log.skey belongs to another log; put the right one back"
	case errors.Is(err, log.ErrHeadCopy):
		return exitFailure, "the head beside the root is not this log's: name this ledger's root with --root"
	case errors.Is(err, log.ErrDiskFull), errors.Is(err, syscall.ENOSPC):
		return exitFailure, "free some disk space and send the same events again; nothing acknowledged is lost"
	case errors.Is(err, holder.ErrShortPassphrase):
		return exitUsage, ""
	case errors.Is(err, holder.ErrPassphrase):
		return exitNotAllowed, "give the passphrase with which the root was made"
	case errors.Is(err, keystore.ErrHolderMissing):
		return exitFailure, "without its root nobody's data can be read: mount it, or name it with --root"
	case errors.Is(err, keystore.ErrFIPS):
		return exitUsage, "GODEBUG=fips140=on lets it run: docs/reference/configuration.md says what the FIPS module then does, and what not"
	case errors.Is(err, keystore.ErrWrongTree):
		return exitFailure, "this root belongs to another ledger; name the right one with --root"
	case errors.Is(err, keystore.ErrNoCompleteEpoch):
		return exitFailure, "the root and the key pages do not belong together; see docs/howto/backup-and-restore.md"
	case errors.Is(err, context.Canceled):
		return exitInterrupted, ""
	}
	return exitFailure, ""
}
