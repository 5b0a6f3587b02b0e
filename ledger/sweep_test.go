package ledger_test

import (
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger"
)

// TestSweep is the whole way on a quiet ledger, three times.
func TestSweep(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	var previous *certificate.Digest
	for round := range 3 {
		for i := range 8 {
			must(t, l, `{"type":"processing.performed","subject":"p-%d-%d","purpose":"chat-service","operation":"answer"}`, round, i)
			must(t, l, `{"type":"processing.performed","subject":"stays","purpose":"chat-service","operation":"answer"}`)
		}
		for i := range round + 1 {
			if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: fmt.Sprintf("p-%d-%d", round, i), Everything: true}); err != nil {
				t.Fatal(err)
			}
		}
		before := rowsOf(t, l, 'e')
		done, err := l.Sweep(t.Context(), ledger.SweepOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r := done.Record
		if want := uint64((round + 1) * (round + 2) / 2); r.Erased != want {
			t.Errorf("round %d: %d entries swept, want %d", round, r.Erased, want)
		}
		if r.Generation != uint32(round+2) || (r.PreviousSweep == nil) != (previous == nil) || previous != nil && *r.PreviousSweep != *previous {
			t.Errorf("round %d: generation %d after sweep %v", round, r.Generation, r.PreviousSweep)
		}
		leaf := certificate.LeafHash(done.Statement)
		previous = &leaf
		e, err := l.Get(t.Context(), done.Index)
		if err != nil || e.Event.Type() != "erasure.sweep" {
			t.Errorf("entry %d: %v, %v", done.Index, e.Event, err)
		}
		for k := range rowsOf(t, l, 'e') {
			if _, ok := before[k]; ok {
				t.Fatalf("round %d: a row of the old generation is there", round)
			}
		}
		f := checkFsck(t, l)
		if f.Erased != r.Erased || f.Claimed != r.Erased {
			t.Errorf("round %d: fsck counts %d erased entries, %d accounted for", round, f.Erased, f.Claimed)
		}
		if es, err := l.Timeline(t.Context(), "stays"); err != nil || len(es) != 8*(round+1) {
			t.Errorf("round %d: %d events of who stays, %v", round, len(es), err)
		}
		if certs, err := l.Certificates(t.Context()); err != nil || len(certs) != 0 {
			t.Errorf("round %d: %d certificates can be written after the sweep, %v", round, len(certs), err)
		}
		for k := range rowsOf(t, l, 'j') {
			if k[1] != 'e' && k[1] != 's' {
				t.Errorf("round %d: a row of a job of kind %q is there, which nobody can read", round, k[1])
			}
		}
		if round == 1 {
			w.close(l)
			l = w.open()
		}
	}
	must(t, l, `{"type":"processing.performed","subject":"stays","purpose":"chat-service","operation":"answer"}`)
	checkFsck(t, l)
}
