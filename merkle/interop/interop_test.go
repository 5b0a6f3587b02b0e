package interop

import (
	"fmt"
	"testing"
)

// The checkers, each of which reads a whole log and returns what it thinks is
// wrong.
var checkers = []struct {
	name  string
	check func(*testing.T, *site) error
}{
	{"fsck", checkFsck},
	{"sumdb", checkSumdb},
	{"torchwood", checkTorchwood},
}

// accept lets every checker read a good log and makes proofs from its tiles.
func accept(t *testing.T, s *site) {
	for _, c := range checkers {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(t, s); err != nil {
				t.Errorf("refuses a good log: %v", err)
			}
		})
	}
	t.Run("sumdb proofs", func(t *testing.T) { testSumdbProofs(t, s) })
	t.Run("torchwood proofs", func(t *testing.T) { testTorchwoodProofs(t, s) })
}

// refuse lets every checker read a damaged log.
func refuse(t *testing.T, damaged func(*testing.T, damage) *site) {
	for _, d := range damages(t) {
		for _, c := range checkers {
			t.Run(d.name+"/"+c.name, func(t *testing.T) {
				if err := c.check(t, damaged(t, d)); err == nil {
					t.Error("accepts a damaged log")
				} else {
					t.Logf("refused: %.200v", err)
				}
			})
		}
	}
}

// Every size where something begins or ends, written by merkle alone.
func TestSizes(t *testing.T) {
	for _, size := range []uint64{0, 1, 255, 256, 257, 65535, 65536, 70000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { accept(t, staticSite(t, size)) })
	}
}

// A real log of 70,000 entries, in both of the forms in which others get it.
func TestLog(t *testing.T) {
	exported, served := logSites(t, 70000)
	t.Run("exported", func(t *testing.T) {
		accept(t, exported)
		refuse(t, func(t *testing.T, d damage) *site { return damagedFolder(t, exported, d) })
	})
	t.Run("served", func(t *testing.T) {
		accept(t, served)
		refuse(t, func(t *testing.T, d damage) *site { return damagedServer(t, served, d) })
	})
}
