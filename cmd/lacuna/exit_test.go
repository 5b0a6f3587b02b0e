package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder/custodian"
)

// TestTryAgain: what passes when somebody else has ended is not a failure to a script.
func TestTryAgain(t *testing.T) {
	for _, err := range []error{keystore.ErrLocked, custodian.ErrSuperseded, erasure.ErrNotResumed} {
		if code, hint := classify(fmt.Errorf("opening: %w", err)); code != exitBusy || hint == "" {
			t.Errorf("%v: exit %d, hint %q", err, code, hint)
		}
	}
}

// TestInterrupted: whoever interrupts something is told so in one line, and what that means where it means something.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stopped := fmt.Errorf("sweeping: %w", context.Canceled)
	for _, c := range []struct {
		err  error
		want string
	}{
		{stopped, "lacuna: interrupted\n"},
		{withHint(stopped, "it goes on"), "lacuna: interrupted\nhint: it goes on\n"},
	} {
		var said strings.Builder
		if code := report(ctx, &said, c.err); code != exitInterrupted || said.String() != c.want {
			t.Errorf("exit %d, %q, want %q", code, said.String(), c.want)
		}
	}
}
