package main

import (
	"fmt"
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
