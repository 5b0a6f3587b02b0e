package main

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// output is what the program prints its answers to. It remembers the first error of
// writing, so that a command may print line by line without looking: what it did is
// done, and a full disk behind stdout still ends in an exit code that says that the
// answer is not whole.
type output struct {
	w io.Writer

	mu  sync.Mutex // a command may print from several goroutines
	err error
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err // nothing may follow behind a gap
	}
	n, err := o.w.Write(p)
	if err != nil {
		o.err = fmt.Errorf("writing to standard output: %w", err)
		return n, o.err
	}
	return n, nil
}

// lost reports whether all that err says is that the answer is not whole, or that a
// verdict was printed, which then is not whole either.
func (o *output) lost(err error) bool {
	if o.err == nil || errors.Is(err, errTold) {
		return false
	}
	var verdict *exitError
	return err == nil || errors.Is(err, o.err) || errors.As(err, &verdict)
}

// errTold ends a command that has said itself that its answer is not whole.
var errTold error = &exitError{exitFailure}
