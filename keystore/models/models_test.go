// Package models checks the order of an epoch, and keys that are made during one, by
// going through every interleaving: the models beside this file say what is checked,
// and which mistakes have to be found. Spin translates a model to C, gcc compiles it.
package models

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What a run must end with.
type verdict string

const (
	holds   verdict = "holds"   // in every state
	refuted verdict = "refuted" // there is a history that violates it
)

func TestEpoch(t *testing.T) {
	check(t, "epoch.pml", holds, "HOLDERS=1")
	check(t, "epoch.pml", holds, "HOLDERS=2")
	check(t, "epoch.pml", refuted, "HOLDERS=2", "REACH")
	check(t, "epoch.pml", holds, "HOLDERS=1", "ROOT_BEFORE_PAGES", "FALL_BACK")
	check(t, "epoch.pml", holds, "HOLDERS=2", "LATER_LEFT")
}

// TestEpochMutants changes the order in ways that lose people or do not erase them.
func TestEpochMutants(t *testing.T) {
	for i, mutant := range [][]string{
		{"HOLDERS=1", "ROOT_BEFORE_PAGES"},
		{"HOLDERS=1", "ROOT_BEFORE_PAGES", "FALL_BACK", "TRUST_PENDING"},
		{"HOLDERS=1", "NOT_SHIPPED"},
		{"HOLDERS=1", "OLD_PAGES_EARLY"},
		{"HOLDERS=1", "LIVE_OVERWRITTEN"},
		{"HOLDERS=1", "CERTIFY_EARLY"},
		{"HOLDERS=2", "CERTIFY_EARLY"},
		{"HOLDERS=1", "TORN_IS_EMPTY"},
		{"HOLDERS=1", "ABORT_PAGES_FIRST"},
		{"HOLDERS=1", "NOT_WIPED"},
		{"HOLDERS=2", "DESTROY_BEFORE_ALL"},
		{"HOLDERS=2", "ANY_HOLDER"},
		{"HOLDERS=2", "EPOCH_ONLY", "LATER_LEFT"},
		{"HOLDERS=2", "LATE_MESSAGES"},
	} {
		if testing.Short() && i%3 != 0 {
			continue
		}
		check(t, "epoch.pml", refuted, mutant...)
	}
}

func TestCreation(t *testing.T) {
	check(t, "creation.pml", holds)
	check(t, "creation.pml", refuted, "REACH")
	check(t, "creation.pml", holds, "DONE_WHEN_QUEUED")
}

// TestCreationMutants makes the mistakes that lose a key, or an event, to an epoch.
func TestCreationMutants(t *testing.T) {
	for i, mutant := range []string{"NO_DUAL_WRITE", "TWO_GROUPS", "COPY_NOT_LATCHED", "KEY_AFTER_EVENT", "NOT_DRAINED", "SWAP_TOO_EARLY"} {
		if testing.Short() && i%3 != 0 {
			continue
		}
		check(t, "creation.pml", refuted, mutant)
	}
}

// check runs a model with some of its switches on.
func check(t *testing.T, model string, want verdict, switches ...string) {
	t.Run(strings.Join(append([]string{model}, switches...), " "), func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"spin", "gcc"} {
			if _, err := exec.LookPath(name); err != nil {
				if os.Getenv("LACUNA_TEST_REQUIRE") == "all" {
					t.Fatal(err)
				}
				t.Skipf("needs %s: apt-get install spin gcc", name)
			}
		}
		source, err := filepath.Abs(model)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		args := []string{"-a"}
		for _, s := range switches {
			// A switch that the model does not know would check the model itself.
			if name, _, _ := strings.Cut(s, "="); strings.Count(string(text), name) < 2 {
				t.Fatalf("the model has no %s", name)
			}
			args = append(args, "-D"+s)
		}
		run(t, dir, "spin", append(args, source)...)
		// Compiling takes longer than running.
		run(t, dir, "gcc", "-O0", "-w", "-DSAFETY", "-DMEMLIM=2000", "-o", "pan", "pan.c")
		out := run(t, dir, filepath.Join(dir, "pan"), "-m100000", "-w20", "-n")
		switch {
		case strings.Contains(out, "errors: 0"):
			if want != holds {
				t.Errorf("the mistake was not found:\n%s", out)
			}
			if strings.Contains(out, "too small") || strings.Contains(out, "Search not completed") {
				t.Errorf("not all of it was searched:\n%s", out)
			}
		case !strings.Contains(out, "assertion violated"): // of another kind, a standstill say
			t.Errorf("%s", out)
		case want != refuted:
			t.Errorf("it does not hold:\n%s", out)
		}
	})
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
	}
	return string(out)
}
