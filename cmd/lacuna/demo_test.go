package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemo builds the program and runs the demo twice in one place: it fails where a
// verdict differs, and replaces what an earlier one left.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "lacuna")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	for range 2 {
		out, err := exec.Command(program, "demo", "--dir", filepath.Join(dir, "demo")).CombinedOutput()
		if err != nil {
			t.Fatalf("the demo: %v\n%s", err, out)
		}
		for _, want := range []string{"59 customers, 24 countries, 412 invoices", "21 of 21 marketing events read", "58 of 58 other customers", "her proof outlives our copy"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("the demo does not say %q:\n%s", want, out)
			}
		}
	}
}
