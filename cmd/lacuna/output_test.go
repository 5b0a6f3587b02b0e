package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// small is a disk with room for a few bytes.
type small struct {
	room int
	bytes.Buffer
}

var errFull = errors.New("the disk is full")

func (s *small) Write(p []byte) (int, error) {
	n := min(len(p), s.room)
	s.room -= n
	s.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// TestFullOutput runs commands with a disk behind stdout that fills up at once, and
// one that fills up in the middle. None may end as if its answer had been printed.
func TestFullOutput(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	lacuna := func(room int, args ...string) (code int, out, errs string) {
		stdout, stderr := &small{room: room}, new(bytes.Buffer)
		code = run(t.Context(), append([]string{"lacuna"}, args...), strings.NewReader(""), stdout, stderr)
		return code, stdout.String(), stderr.String()
	}
	const events = `{"type":"controller.registered","controller_id":"shop","name":"Shop","contact":"dpo@shop.example","jurisdiction":"DE","public":true}
{"type":"purpose.declared","purpose_id":"chat","description":{"de":"Fragen"},"legal_basis":"A6-1-b","categories":["Name"],"storage":["DE"],"retention":"P90D","compartment":"chat"}
{"type":"processing.performed","subject":"p","purpose":"chat","operation":"answer"}
{"type":"processing.performed","subject":"q","purpose":"chat","operation":"answer"}
`
	if err := os.WriteFile(filepath.Join(dir, "events.jsonl"), []byte(events), 0o600); err != nil {
		t.Fatal(err)
	}
	const plenty = 1 << 20
	for _, args := range []string{
		"init --ledger crm --origin a.example/crm",
		"append --ledger crm events.jsonl",
		"prove --ledger crm --index 0 -o one.tlog-proof",
		"erase --ledger crm --subject q --yes",
	} {
		if code, _, errs := lacuna(plenty, strings.Fields(args)...); code != exitOK {
			t.Fatalf("%s: exit %d\n%s", args, code, errs)
		}
	}
	for _, command := range []string{
		"get --ledger crm 0", "fsck --ledger crm", "fsck --ledger crm --json", "prove --ledger crm --index 0",
		"verify --key crm/log.vkey one.tlog-proof", "verify --json --key crm/log.vkey one.tlog-proof",
		"subject timeline --ledger crm p", "retention run --ledger crm", "append --check --ledger crm events.jsonl",
		"erase --ledger crm --subject p --dry-run", "--help", "--version",
	} {
		args := strings.Fields(command)
		code, out, errs := lacuna(plenty, args...)
		if code != exitOK || out == "" {
			t.Fatalf("control: %s: exit %d, printed %q\n%s", command, code, out, errs)
		}
		for _, room := range []int{0, len(out) - 1} {
			code, _, errs := lacuna(room, args...)
			if code != exitFailure || strings.Count(errs, errFull.Error()) != 1 {
				t.Errorf("%s, with room for %d of %d bytes: exit %d, said %q", command, room, len(out), code, errs)
			}
		}
	}
	// The erasure itself is done, and not done again.
	if code, _, errs := lacuna(0, "erase", "--ledger", "crm", "--subject", "p", "--yes"); code != exitFailure || !strings.Contains(errs, "what the command did is done") {
		t.Errorf("erase: exit %d, said %q", code, errs)
	}
	if code, _, errs := lacuna(plenty, "erase", "--ledger", "crm", "--subject", "p", "--yes"); code != exitNotFound {
		t.Errorf("erase again: exit %d, said %q", code, errs)
	}
	// A verdict that was not printed is none.
	for room, want := range map[int]int{plenty: exitGap, 0: exitFailure} {
		if code, _, _ := lacuna(room, "may", "--ledger", "crm", "--subject", "p", "--purpose", "nosuch"); code != want {
			t.Errorf("may, with room for %d bytes: exit %d, want %d", room, code, want)
		}
	}
}
