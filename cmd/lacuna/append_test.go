package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
)

// TestAppendBatches sends more lines than fit into one batch, some of them refused,
// with and without --continue.
func TestAppendBatches(t *testing.T) {
	const lines = 3*batch + 17
	bad := map[int]bool{2: true, batch: true, batch + 1: true, lines: true}
	var in strings.Builder
	for n := 1; n <= lines; n++ {
		purpose := "service"
		if bad[n] {
			purpose = "unheard-of"
		}
		fmt.Fprintf(&in, `{"type":"processing.performed","id":"e%d","subject":"p%d","purpose":%q,"operation":"billing"}`+"\n", n, n%40, purpose)
	}
	dir := newKillLedger(t)

	// Without --continue, nothing behind the first refused line is recorded.
	recorded, refused := appended(t, in.String(), "append", "--ledger", dir, "--json", "-")
	if len(recorded) != 1 || recorded[0].Line != 1 || len(refused) != 1 || refused[0].Line != 2 {
		t.Fatalf("without --continue, %d lines are recorded and %d refused", len(recorded), len(refused))
	}

	recorded, refused = appended(t, in.String(), "append", "--ledger", dir, "--json", "--continue", "-")
	if len(refused) != len(bad) || len(recorded) != lines-len(bad) {
		t.Fatalf("with --continue, %d lines of %d are recorded and %d refused", len(recorded), lines, len(refused))
	}
	for _, r := range refused {
		if !bad[r.Line] {
			t.Errorf("line %d is refused", r.Line)
		}
	}
	last := 0
	for _, r := range recorded {
		if want := fmt.Sprintf("e%d", r.Line); r.ID != want || r.Line <= last {
			t.Fatalf("line %d is answered as %s, after line %d", r.Line, r.ID, last)
		}
		if r.Replayed != (r.Line == 1) {
			t.Errorf("line %d: replayed is %v", r.Line, r.Replayed)
		}
		last = r.Line
	}
}

// appended runs an append of which lines are refused, and returns its answers in
// the order in which they came.
func appended(t *testing.T, stdin string, args ...string) (recorded []jsonv1.Recorded, refused []jsonv1.Refused) {
	t.Helper()
	cmd := program(args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitRefused {
		t.Fatalf("lacuna %v: %v, want exit code %d", args, err, exitRefused)
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if strings.Contains(lines.Text(), `"refused"`) {
			var r jsonv1.Refused
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			refused = append(refused, r)
			continue
		}
		var r jsonv1.Recorded
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		recorded = append(recorded, r)
	}
	return recorded, refused
}
