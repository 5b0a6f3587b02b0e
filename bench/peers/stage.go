package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lacunalog/lacuna/bench"
)

var pathNames = []string{"whole", "loop", "log", "tessera-indexed", "tessera-published", "trillian"}

// A stage is where the paths are compared.
type stage struct {
	*options
	postgres  *postgres // where Trillian is among them
	databases int
}

func (s *stage) close() error {
	if s.postgres == nil {
		return nil
	}
	return s.postgres.stop()
}

// compare runs all paths under one load, each in logs of its own that are made for
// it.
func (s *stage) compare(ctx context.Context, callers, window int, stdout, stderr, records io.Writer) (err error) {
	dir, err := os.MkdirTemp(s.dir, "load-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	paths, closeAll, err := s.open(ctx, dir, callers*window)
	defer func() { err = errors.Join(err, closeAll()) }()
	if err != nil {
		return err
	}
	machine := bench.ThisMachine(dir)
	if _, err := machine.WriteTo(stdout); err != nil {
		return err
	}
	var failed error
	load := bench.Load{Size: s.size, Callers: callers, Window: window, For: s.each}
	c, err := bench.Compare(ctx, paths, load, s.rounds, func(r *bench.Result) {
		_, e := fmt.Fprintln(stdout, r)
		failed = errors.Join(failed, e, bench.WriteRecord(records, bench.NewRecord(r, machine)))
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	return c.WriteTable(stderr)
}

// open makes the paths, in the order in which they were asked for.
func (s *stage) open(ctx context.Context, dir string, inFlight int) (paths []bench.Path, closeAll func() error, err error) {
	var closers []func() error
	closeAll = func() error {
		var err error
		for _, c := range closers {
			err = errors.Join(err, c())
		}
		return err
	}
	for _, name := range s.paths {
		var p interface {
			bench.Path
			Close() error
		}
		switch name {
		case "whole":
			p, err = bench.NewSandbox(ctx, dir, s.people)
		case "loop":
			p, err = newLoop(dir, s.size)
		case "log":
			p, err = bench.NewLeaves(ctx, dir)
		case "trillian":
			s.databases++
			p, err = newTrillian(ctx, s.postgres, fmt.Sprintf("bench%d", s.databases))
		case "tessera-indexed":
			p, err = newTessera(ctx, dir, inFlight, s.batch, false)
		case "tessera-published":
			p, err = newTessera(ctx, dir, inFlight, s.batch, true)
		}
		if err != nil {
			return nil, closeAll, err
		}
		paths, closers = append(paths, p), append(closers, p.Close)
	}
	return paths, closeAll, nil
}
