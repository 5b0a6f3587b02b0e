package bench

import (
	"math"
	"slices"
	"testing"

	"github.com/google/pprof/profile"
)

func sample(ns int64, functions ...string) *profile.Sample {
	s := &profile.Sample{Value: []int64{1, ns}}
	for _, f := range functions {
		s.Location = append(s.Location, &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: f}}}})
	}
	return s
}

// A sample belongs to the innermost function that is named.
func TestByPiece(t *testing.T) {
	const ours = "github.com/lacunalog/lacuna/"
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		Sample: []*profile.Sample{
			sample(10, "crypto/sha256.block", ours+"ledger/envelope.seal", ours+"ledger.(*Ledger).seal"),
			sample(5, "crypto/sha256.block", ours+"merkle.LeafHash", ours+"merkle/log.(*sequencer).build"),
			sample(3, "runtime.scanobject", "runtime.gcDrain", "runtime.gcBgMarkWorker"),
			sample(2, "runtime.mallocgc", ours+"ledger/event.Parse"),
			sample(1, "runtime.mallocgc", "runtime.gcAssistAlloc", ours+"ledger/event.Parse"),
			sample(7, "main.other"),
			sample(20, "crypto/sha256.block", ours+"keystore.(*mac).sum", ours+"keystore.(*Lease).RowName", ours+"ledger.(*Ledger).seal"),
			sample(30, ours+"keystore.(*keys).lease", ours+"keystore.(*Tree).Use", ours+"ledger.(*Ledger).seal"),
		},
	}
	got := byPiece(p)
	for piece, want := range map[string]int64{"seal": 10, "tree": 5, "garbage": 4, "parse": 2, "other": 7, "names": 20, "keys": 30, "ledger": 0} {
		if got[piece] != want {
			t.Errorf("%s: %d, want %d", piece, got[piece], want)
		}
	}
}

// Every rule names a piece that is printed, and can be reached: no earlier rule
// takes all of its functions.
func TestPieces(t *testing.T) {
	for i, r := range pieces {
		if !slices.ContainsFunc(Pieces, func(p struct{ Name, What string }) bool { return p.Name == r.piece }) {
			t.Errorf("%s is not printed", r.piece)
		}
		if got := pieceOf(sample(1, r.function+"x")); got != r.piece {
			t.Errorf("rule %d, %s: is %s before it can be %s", i, r.function, got, r.piece)
		}
	}
}

// The pieces of a real profile add up to what the process used, as far as a
// sampled profile can say.
func TestProfile(t *testing.T) {
	s, err := NewSandbox(t.Context(), t.TempDir(), 20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := Profile(t.Context(), s, Load{Size: Small, Callers: 2, Window: 64, Calls: 40})
	if err != nil {
		t.Fatal(err)
	}
	if r.N != 40*64 {
		t.Errorf("%d events", r.N)
	}
	sum := 0.0
	for _, p := range Pieces {
		sum += r.Metric(PieceUnit(p.Name))
	}
	if math.IsNaN(sum) || sum < 0 || processTime() > 0 && sum == 0 {
		t.Errorf("the pieces take %v µs: %v", sum, r)
	}
}
