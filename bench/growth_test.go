package bench

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
)

// TestMain measures with the memory that the commands have, and lets this test
// binary be the worker of a growth.
func TestMain(m *testing.M) {
	ledger.TuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	if was, err := GrowWorker(ctx, os.Stdout); was {
		stop()
		if err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	stop()
	os.Exit(m.Run())
}

func newGrower(dir string, each func(*Result) error) *Grower {
	return &Grower{
		Growth: Growth{Events: 3000, People: 500, Stay: 5, Step: 1000, Callers: 2, Window: 64},
		Dir:    dir, Proofs: 20, Reopen: 1, Each: each, Stderr: new(bytes.Buffer),
		Command: func(ctx context.Context) *exec.Cmd {
			self, err := os.Executable()
			if err != nil {
				panic(err)
			}
			return exec.CommandContext(ctx, self)
		},
	}
}

// A growth tells of every step, of proofs, and of what opening takes; and the
// ledger that it leaves is sound and as large as it says.
func TestGrow(t *testing.T) {
	dir := t.TempDir()
	kinds := make(map[string]int)
	counted := 0
	var progress uint64
	g := newGrower(dir, func(r *Result) error {
		kind, _, _ := strings.Cut(r.Name, "/leaves=")
		kinds[kind]++
		if strings.HasPrefix(kind, "Grow/") {
			counted += r.N
			for _, unit := range []string{UnitRate, UnitDisk, UnitMemory, UnitPeak} {
				if r.Metric(unit) <= 0 && takeCensus() != nil {
					t.Errorf("%s has no %s", r.Name, unit)
				}
			}
		}
		return nil
	})
	g.Progress = func(done uint64) { progress = done }
	if err := g.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for kind, n := range map[string]int{"Grow/people=500/stay=5": 3, "Proof": 2, "Open/after=clean": 1, "Open/after=kill": 1} {
		if kinds[kind] != n {
			t.Errorf("%d results of %s, want %d: %v", kinds[kind], kind, n, kinds)
		}
	}
	s := &Sandbox{Dir: dir + "/ledger", People: 500}
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if progress < uint64(counted) || s.size() < progress || counted < 2990 {
		t.Errorf("%d events counted, %d acknowledged, %d leaves", counted, progress, s.size())
	}
	for p := range 500 {
		if entries, err := s.Ledger.Timeline(t.Context(), Person(p)); err != nil || len(entries) == 0 {
			t.Fatalf("person %d has no event: %v", p, err)
		}
	}
	report, err := s.Ledger.Fsck(t.Context(), func(string, uint64, uint64) {})
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("fsck of a grown ledger: %v %v", err, report)
	}
}

// A growth that is stopped goes on where it was, and does not count twice.
func TestGrowResumes(t *testing.T) {
	dir := t.TempDir()
	stop := errors.New("stopped by the test")
	ctx, cancel := context.WithCancelCause(t.Context())
	counted := 0
	g := newGrower(dir, func(r *Result) error { counted += r.N; return nil })
	g.Proofs, g.Reopen = 0, 0
	g.Events = 500_000 // never reached: it is stopped as soon as it says anything
	g.Progress = func(uint64) { cancel(stop) }
	if err := g.Run(ctx); !errors.Is(err, stop) {
		t.Fatalf("a growth that was stopped: %v", err)
	}
	before := counted
	g.Progress = nil
	g.Events = uint64(before) + 2000
	if err := g.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := &Sandbox{Dir: dir + "/ledger"}
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if before == 0 || counted <= before || uint64(counted+len(register)) != s.size() || s.size() < g.Events {
		t.Errorf("%d events before the stop, %d in all, %d leaves", before, counted, s.size())
	}
}

// The controls: events that are counted and are not there are noticed, and so is
// a worker that fails.
func TestGrowControl(t *testing.T) {
	if allThere(10, 20, 10) != nil || allThere(10, 20, 11) == nil || allThere(10, 20, 9) == nil {
		t.Error("allThere does not compare")
	}
	if stillThere(10, 10) != nil || stillThere(10, 12) != nil || stillThere(10, 9) == nil {
		t.Error("stillThere does not compare")
	}
	g := newGrower(t.TempDir(), func(*Result) error { return nil })
	if err := os.WriteFile(g.Dir+"/ledger", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.Run(t.Context()); err == nil || !strings.Contains(g.Stderr.(*bytes.Buffer).String(), "not a directory") {
		t.Errorf("grows where there is a file: %v\n%s", err, g.Stderr)
	}
	g.Dir, g.Events = t.TempDir(), 1<<50
	if _, ok := freeBytes(g.Dir); ok {
		if err := g.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "on the disk") {
			t.Errorf("takes a growth that does not fit: %v", err)
		}
	}
	refused := errors.New("refused by the test")
	g = newGrower(t.TempDir(), func(*Result) error { return refused })
	if err := g.Run(t.Context()); !errors.Is(err, refused) {
		t.Errorf("an error of its listener: %v", err)
	}
}
