package bench_test

import (
	"bytes"
	"context"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/bench"
	"github.com/lacunalog/lacuna/ledger/event"
)

// The sizes in the names of results are those of the canonical full form.
func TestSizes(t *testing.T) {
	for _, size := range []int{bench.Small, bench.Large} {
		n := len(piece(t, size).full.Canonical())
		if n < size*9/10 || n > size*11/10 {
			t.Errorf("an event of size %d has %d bytes", size, n)
		}
	}
}

// Events of one source differ, and are the same again from the same seed.
func TestEvents(t *testing.T) {
	a, b := bench.NewEvents(bench.Small, 100, 3), bench.NewEvents(bench.Small, 100, 3)
	seen := make(map[string]bool)
	for range 1000 {
		line := string(a.Next())
		if line != string(b.Next()) {
			t.Fatal("one seed gives two events")
		}
		ev, err := event.Parse([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if id := ev.Str("id"); len(id) != 36 || seen[id] {
			t.Fatalf("id %q", id)
		} else {
			seen[id] = true
		}
	}
}

// Every path appends what it counts, and the log agrees.
func TestPaths(t *testing.T) {
	ctx := t.Context()
	sandbox, err := bench.NewSandbox(ctx, t.TempDir(), 20)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, sandbox)
	bare, err := bench.NewBare(ctx, t.TempDir(), 20)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, bare)
	leaves, err := bench.NewLeaves(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, leaves)
	for _, p := range []bench.Path{sandbox, bare, leaves} {
		for _, l := range []bench.Load{
			{Size: bench.Small, Callers: 1, Calls: 5},
			{Size: bench.Large, Callers: 8, Calls: 40},
			{Size: bench.Small, Callers: 2, Window: 16, Calls: 4},
		} {
			r, err := bench.Append(ctx, p, l)
			if err != nil {
				t.Fatal(err)
			}
			if want := l.Calls * max(l.Window, 1); r.N != want {
				t.Errorf("%s: %d events, want %d", r.Name, r.N, want)
			}
			checkLine(t, r)
		}
	}
	before := sandbox.Ledger.Log().Head().Size
	r, err := bench.Append(ctx, sandbox, bench.Load{Size: bench.Small, Callers: 4, For: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if after := sandbox.Ledger.Log().Head().Size; after-before != uint64(r.N) {
		t.Errorf("%d events counted, the log grew by %d", r.N, after-before)
	}
	if err := sandbox.Disk(ctx, bench.Small, r); err != nil {
		t.Fatal(err)
	}
	if r.Metric(bench.UnitDisk) <= 0 {
		t.Error("a store without bytes")
	}
	report, err := sandbox.Ledger.Fsck(ctx, func(string, uint64, uint64) {})
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("fsck of a measured ledger: %v %v", err, report)
	}
}

// An erasure that is timed is one: the person is unknown afterwards.
func TestErase(t *testing.T) {
	ctx := t.Context()
	s, err := bench.NewSandbox(ctx, t.TempDir(), 8)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	for from, atOnce := range map[int]int{0: 1, 4: 4} {
		r, err := s.Erase(ctx, from, 4, atOnce)
		if err != nil {
			t.Fatal(err)
		}
		checkLine(t, r)
		if d, rec := r.Metric(bench.UnitDestroyedP50), r.Metric(bench.UnitRecordedP50); d <= 0 || rec < d {
			t.Errorf("destroyed after %v ms, recorded after %v ms", d, rec)
		}
	}
	for p := range 8 {
		if entries, err := s.Ledger.Timeline(ctx, bench.Person(p)); err == nil && len(entries) > 0 {
			t.Errorf("person %d has %d readable events", p, len(entries))
		}
	}
	if _, err := s.Erase(ctx, 8, 1, 1); err == nil {
		t.Error("erases somebody who is not there")
	}
}

func TestProofs(t *testing.T) {
	f, err := bench.NewForest(t.Context(), t.TempDir(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, f)
	r, err := f.Proofs(t.Context(), 50)
	if err != nil {
		t.Fatal(err)
	}
	checkLine(t, r)
}

// A path that fails ends the run with its error.
func TestFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	leaves, err := bench.NewLeaves(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, leaves)
	if _, err := bench.Append(ctx, leaves, bench.Load{Size: bench.Small, Callers: 3, Calls: 10}); err == nil {
		t.Error("a run that was cancelled has figures")
	}
}

// benchLine is what benchstat takes for a result.
var benchLine = regexp.MustCompile(`^Benchmark[A-Z]\S*-\d+\t +\d+(\t +[0-9.]+ \S+)+$`)

func checkLine(t *testing.T, r *bench.Result) {
	t.Helper()
	if !benchLine.MatchString(r.String()) {
		t.Errorf("benchstat cannot read %q", r)
	}
}

// The mean of a rate is over the time that was spent.
func TestMean(t *testing.T) {
	slow := &bench.Result{Name: "X", N: 100, Metrics: []bench.Metric{{Unit: "ns/op", Value: 3}, {Unit: bench.UnitRate, Value: 1}}}
	fast := &bench.Result{Name: "X", N: 100, Metrics: []bench.Metric{{Unit: "ns/op", Value: 1}, {Unit: bench.UnitRate, Value: 3}}}
	m := mean([]*bench.Result{slow, fast})
	if m.N != 200 || m.Metric("ns/op") != 2 || math.Abs(m.Metric(bench.UnitRate)-1.5) > 1e-9 {
		t.Errorf("mean is %v", m)
	}
}

func TestMachine(t *testing.T) {
	var b bytes.Buffer
	if _, err := bench.ThisMachine(t.TempDir()).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		if !regexp.MustCompile(`^[a-z]+: \S`).MatchString(line) {
			t.Errorf("benchstat does not take %q as configuration", line)
		}
	}
}
