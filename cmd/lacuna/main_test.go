package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestMain lets this test binary be the program that its tests run: started with
// LACUNA_TEST_RUN_MAIN it is lacuna, or lacuna-verify by its name.
func TestMain(m *testing.M) {
	if os.Getenv("LACUNA_TEST_RUN_MAIN") != "" {
		main()
	}
	// The tests themselves may run on an overlay, in memory or on btrfs.
	os.Setenv("LACUNA_ACCEPT_L0", "1")
	code := m.Run()
	if bin != "" {
		os.RemoveAll(bin)
	}
	os.Exit(code)
}

var (
	bin     string
	binOnce sync.Once
)

// programs returns a folder in which this binary lies as lacuna and as
// lacuna-verify.
func programs(t *testing.T) string {
	binOnce.Do(func() {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		if bin, err = os.MkdirTemp("", "lacuna-bin-"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"lacuna", verifierName} {
			if err := os.Symlink(self, filepath.Join(bin, name)); err != nil {
				t.Fatal(err)
			}
		}
	})
	return bin
}
