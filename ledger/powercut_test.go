package ledger_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle/log/logtest/recorded"
)

// TestRecordedPowerCuts cuts the power of a whole program, on real files: also of
// what does not go through the engine's file system, the root that is overwritten
// in place, the head copies, the keys and the configuration, key pages, backups.
func TestRecordedPowerCuts(t *testing.T) {
	if testing.Short() {
		t.Skip("a child process is recorded, in which the race detector sees nothing; without -short this runs")
	}
	r, moments := recordHouse(t)
	shares := sharesIn(t, r, moments)
	most := 60 + 2*histories(t, 0)
	rng := rand.New(rand.NewPCG(1, 3))
	var cuts []int
	for i, m := range moments {
		// The engine's own files have tests of their own.
		if !strings.Contains(m.What, " data/crm/log/") {
			cuts = append(cuts, i)
		}
	}
	rng.Shuffle(len(cuts), func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
	for _, i := range cuts[:min(most, len(cuts))] {
		m, percent := moments[i], []int{0, 50, 100}[rng.IntN(3)]
		if err := cutHouse(t, r, m, percent, rng, shares); err != nil {
			t.Errorf("moment %d, %s, %d%% of what was not synced survived, promised %q: %v", i, m.What, percent, m.Output, err)
		}
	}
	t.Logf("%d moments, %d power cuts of %d", len(moments), min(most, len(cuts)), len(cuts))
}

// TestRecordedControl lets the program forget some syncs. What was promised must
// not survive that.
func TestRecordedControl(t *testing.T) {
	r, moments := recordHouse(t)
	shares := sharesIn(t, r, moments)
	for name, forgets := range map[string]func(string) bool{
		"root":          func(p string) bool { return strings.HasSuffix(p, "crm.root") },
		"head":          func(p string) bool { return strings.Contains(p, ".crm.root.head") },
		"head's name":   func(p string) bool { return p == "one" || p == "two" },
		"configuration": func(p string) bool { return strings.Contains(p, "lacuna.json") },
		"signing key":   func(p string) bool { return strings.Contains(p, "crm/.log.skey") },
		"ledger's name": func(p string) bool { return p == "data" },
		"key pages":     func(p string) bool { return strings.Contains(p, "pages/") },
		"pages' names":  func(p string) bool { return p == "pages" },
		"backup":        func(p string) bool { return strings.HasPrefix(p, "backup") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(2, 3))
			lost := r.WithoutSyncs(forgets)
			// What somebody has been told is where a missing sync shows.
			for i := len(moments) - 1; i >= 0; i-- {
				if m := moments[i]; strings.HasSuffix(m.What, "output") {
					if err := cutHouse(t, lost, m, 0, rng, shares); err != nil {
						t.Logf("after %q: %.300v", m.Output, err)
						return
					}
				}
			}
			t.Error("nobody noticed")
		})
	}
}

// cutHouse cuts the power at one moment.
func cutHouse(t *testing.T, r *recorded.Recording, m recorded.Moment, percent int, rng *rand.Rand, shares []deadShare) error {
	dir := filepath.Join(t.TempDir(), "left")
	defer os.RemoveAll(dir)
	if err := r.Crash(m, percent, rng, dir); err != nil {
		t.Fatal(err)
	}
	for _, root := range house(dir).roots() {
		b, err := os.ReadFile(root)
		if err != nil {
			continue // before there is one
		}
		for _, s := range shares {
			if bytes.HasPrefix(m.Output, s.promise) && (bytes.Contains(b, s.secret[:16]) || bytes.Contains(b, s.secret[16:])) {
				return errors.New("a share that was destroyed is still on the medium")
			}
		}
	}
	return house(dir).keeps(string(m.Output))
}

// A deadShare is one that an erasure has destroyed, and what the program had said
// by then.
type deadShare struct{ secret, promise []byte }

// sharesIn returns every share that an erasure has destroyed.
func sharesIn(t *testing.T, r *recorded.Recording, moments []recorded.Moment) []deadShare {
	t.Helper()
	var dead []deadShare
	seen := map[string]bool{}
	for _, m := range moments {
		erased := strings.HasSuffix(m.What, "output") && strings.Contains(lastLine(m.Output), "erased")
		if !erased && !strings.HasSuffix(m.What, "one/crm.root") {
			continue
		}
		b, err := r.Seen(m, "one/crm.root")
		if err != nil {
			t.Fatal(err)
		}
		live := map[string]bool{}
		for at := 0; at+4096 <= len(b); at += 4096 {
			if slot := b[at:]; bytes.HasPrefix(slot, []byte("LCNH0001")) { // docs/spec/holder-slot.md
				live[string(slot[64:96])] = true
			}
		}
		for s := range live {
			seen[s] = true
		}
		if !erased {
			continue
		}
		for s := range seen {
			if !live[s] {
				dead = append(dead, deadShare{[]byte(s), m.Output})
			}
		}
	}
	if len(dead) == 0 {
		t.Fatal("no share was ever destroyed")
	}
	return dead
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	return lines[len(lines)-1]
}

func recordHouse(t *testing.T) (*recorded.Recording, []recorded.Moment) {
	t.Helper()
	h := house(t.TempDir())
	for _, dir := range []string{"data", "one", "two"} {
		if err := os.Mkdir(h.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), recordedEnv+"=1")
	r, err := recorded.Run(cmd, string(h))
	if errors.Is(err, recorded.ErrNoStrace) {
		if os.Getenv("LACUNA_TEST_REQUIRE") == "all" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	moments, err := r.Moments()
	if err != nil {
		t.Fatal(err)
	}
	if last := moments[len(moments)-1]; !bytes.Contains(last.Output, []byte("restored\n")) {
		t.Fatalf("the program said %q", last.Output)
	}
	return r, moments
}
