package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/lacunalog/lacuna/bench"
)

// An eraser is a way to keep one key for each person so that it can be erased.
type eraser interface {
	Name() string
	// Erase erases so many people, one after the other, each on its own.
	Erase(ctx context.Context, from, n int) (*bench.Result, error)
	Close() error
}

// leaver is an eraser whose files can be searched for what was erased.
type leaver interface {
	// Left counts the keys of the first n people in its files as they are now.
	Left(ctx context.Context, n int) (int, error)
}

// eraserNames are the ways, ours first:
//
//	lacuna    the whole erasure of our ledger, until the old root is destroyed
//	flat      all keys in one table, sealed under a root that is replaced (Boneh and Lipton, 1996)
//	postgres  a row for each person, deleted in a transaction of its own
var eraserNames = []string{"lacuna", "flat", "postgres"}

// eraseAll lets all ways erase in turn, and says at the end what they left.
func (s *stage) eraseAll(ctx context.Context, stdout, records io.Writer) (err error) {
	dir, err := os.MkdirTemp(s.dir, "erase-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var ways []eraser
	defer func() {
		for _, w := range ways {
			err = errors.Join(err, w.Close())
		}
	}()
	for _, name := range eraserNames {
		w, err := s.eraser(ctx, name, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		ways = append(ways, w)
	}
	machine := bench.ThisMachine(dir)
	if _, err := machine.WriteTo(stdout); err != nil {
		return err
	}
	for round := range s.rounds {
		for _, w := range ways {
			r, err := w.Erase(ctx, round*s.erase, s.erase)
			if err != nil {
				return fmt.Errorf("%s: %w", w.Name(), err)
			}
			r.Name = fmt.Sprintf("EraseBy/way=%s/people=%d", w.Name(), s.people)
			if l, ok := w.(leaver); ok && round == s.rounds-1 {
				n, err := l.Left(ctx, s.rounds*s.erase)
				if err != nil {
					return fmt.Errorf("%s: %w", w.Name(), err)
				}
				r.Metrics = append(r.Metrics, bench.Metric{Unit: bench.UnitLeft, Value: float64(n) / float64(s.rounds*s.erase)})
			}
			if _, err := fmt.Fprintln(stdout, r); err != nil {
				return err
			}
			if err := bench.WriteRecord(records, bench.NewRecord(r, machine)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stage) eraser(ctx context.Context, name, dir string) (eraser, error) {
	switch name {
	case "lacuna":
		b, err := bench.NewSandbox(ctx, dir, s.people)
		return ours{b}, err
	case "flat":
		return newFlat(dir, s.people)
	}
	s.databases++
	return newRowTable(ctx, s.postgres, fmt.Sprintf("erase%d", s.databases), s.people)
}

// ours is the whole erasure of a ledger: request, fence, new key pages, new root,
// old root overwritten; then the record and the certificate.
type ours struct{ *bench.Sandbox }

func (o ours) Name() string { return "lacuna" }

func (o ours) Erase(ctx context.Context, from, n int) (*bench.Result, error) {
	return o.Sandbox.Erase(ctx, from, n, 1)
}

// timeEach times calls one after the other.
func timeEach(n int, f func(i int) error) (*bench.Result, error) {
	m := bench.Start()
	took := make(bench.Latencies, 0, n)
	for i := range n {
		began := time.Now()
		if err := f(i); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	u := m.Stop()
	ms := func(q float64) float64 { return float64(took.Quantile(q).Microseconds()) / 1e3 }
	return &bench.Result{N: n, Busy: u.Busy, Metrics: []bench.Metric{
		{Unit: "ns/op", Value: float64(u.Elapsed.Nanoseconds()) / float64(n)},
		{Unit: bench.UnitDestroyedP50, Value: ms(0.50)}, {Unit: bench.UnitDestroyedP99, Value: ms(0.99)},
	}}, nil
}

// fileOf is where a way keeps a file.
func fileOf(dir, name string) string { return filepath.Join(dir, name) }
