package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/lacunalog/lacuna/ledger"
)

// Units of a sweep, each for a million entries.
const (
	UnitSweep    = "s/million"
	UnitSweepCPU = "cpu-s/million"
	UnitCut      = "cut-s/million"  // of that, until the lists of the living are written anew
	UnitCopy     = "copy-s/million" // and from then on until every entry is copied
)

// Sweep erases so many people, from the last on, and sweeps; with a load, while so
// many events are recorded in a second about the others. writes is how many bytes the
// sweep may write in a second, 0 for as fast as it can.
func (s *Sandbox) Sweep(ctx context.Context, erase, load int, writes int64) (*Result, error) {
	others := s.People - erase
	if erase < 1 || others < 1 {
		return nil, fmt.Errorf("sweeping after erasing %d of %d people", erase, s.People)
	}
	if _, err := s.Erase(ctx, others, erase, erase); err != nil {
		return nil, err
	}
	entries := s.Ledger.Log().Head().Size
	r := &Result{Name: fmt.Sprintf("Sweep/entries=%d/people=%d", entries, s.People), N: 1}
	sweep := func() error {
		m := Start()
		var cut, copied time.Time
		_, err := s.Ledger.Sweep(ctx, ledger.SweepOptions{Rate: writes, Progress: func(stage string, _, _ uint64) {
			if stage == "events" {
				if copied = time.Now(); cut.IsZero() {
					cut = copied
				}
			}
		}})
		u := m.Stop()
		millions := float64(entries) / 1e6
		r.add("ns/op", float64(u.Elapsed.Nanoseconds()))
		r.add(UnitSweep, u.Elapsed.Seconds()/millions)
		r.add(UnitCut, cut.Sub(m.began).Seconds()/millions)
		r.add(UnitCopy, copied.Sub(cut).Seconds()/millions)
		if u.CPU > 0 {
			r.add(UnitSweepCPU, u.CPU.Seconds()/millions)
		}
		r.during(u.Busy)
		return err
	}
	if load > 0 {
		r.Name += fmt.Sprintf("/load=%d", load)
	}
	if writes > 0 {
		r.Name += fmt.Sprintf("/rate=%d", writes)
	}
	s.People = others // nobody may come back
	if load == 0 {
		return r, sweep()
	}
	return r, s.beside(ctx, others, load, r, sweep)
}
