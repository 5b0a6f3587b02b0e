package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
)

// TestSweptAfterInterrupted: a sweep that was interrupted behind its cut leaves what is
// erased later to another. Whoever erases then, and is told that the traces are swept,
// has had both.
func TestSweptAfterInterrupted(t *testing.T) {
	dir := t.TempDir()
	crm, events := filepath.Join(dir, "crm"), filepath.Join(dir, "events.jsonl")
	text := `{"type":"purpose.declared","purpose_id":"tips","description":{"en":"Tips"},"legal_basis":"A6-1-f","categories":["Name"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true}` + "\n" +
		strings.Repeat(`{"type":"processing.performed","subject":"c-3","purpose":"tips","operation":"mail"}`+"\n", 3)
	if err := os.WriteFile(events, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "--ledger", crm, "--origin", "log.example.test/crm"}, {"append", "--ledger", crm, events}} {
		if code, said := runCode(t, args...); code != exitOK {
			t.Fatalf("%v: exit %d, %s", args, code, said)
		}
	}
	interrupt := func() {
		t.Helper()
		l, err := ledger.Open(t.Context(), ledger.Options{Dir: crm})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err = l.Sweep(ctx, ledger.SweepOptions{Progress: func(stage string, _, _ uint64) {
			if stage == "events" {
				cancel()
			}
		}})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("the sweep was not interrupted: %v", err)
		}
	}
	interrupt()
	if code, said := runCode(t, "erase", "--ledger", crm, "--subject", "c-3", "--yes"); code != exitOK || !strings.Contains(said, "traces swept") {
		t.Fatalf("exit %d, %s", code, said)
	}
	if code, said := runCode(t, "sweep", "--ledger", crm); code != exitOK || !strings.Contains(said, "nothing to sweep") {
		t.Errorf("exit %d, %s", code, said)
	}
	interrupt()
	if code, said := runCode(t, "sweep", "--now", "--ledger", crm); code != exitOK || !strings.Contains(said, "Traces of epochs") {
		t.Errorf("exit %d, %s", code, said)
	}
}
