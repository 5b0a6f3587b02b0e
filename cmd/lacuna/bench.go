package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/bench"
)

func benchCommand() *cli.Command {
	shared := []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "also write records to a file, from which lacuna bench report makes tables and plots"},
		&cli.StringFlag{Name: "dir", Usage: "folder to measure in, on the disk that matters; default: a temporary one"},
		&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		&cli.StringFlag{Name: "cpuprofile", Usage: "write a CPU profile of what is measured to `FILE`"},
		&cli.StringFlag{Name: "memprofile", Usage: "write a profile of what is allocated to `FILE`"},
	}
	return &cli.Command{
		Name:        "bench",
		Usage:       "measure this machine: appends, growth, erasures, proofs",
		Description: "Every figure is with a sync to disk. Lines on stdout can be read by benchstat; tables go to stderr.",
		Subcommands: []*cli.Command{
			{
				Name:  "append",
				Usage: "append events: the whole ledger, sealing alone, the log alone, in turns",
				Flags: append([]cli.Flag{
					&cli.IntFlag{Name: "size", Usage: "bytes of an event: 256 or 1024", Value: bench.Small},
					&cli.IntSliceFlag{Name: "callers", Usage: "callers, each in a closed loop", Value: cli.NewIntSlice(1, 64, 1024)},
					&cli.IntSliceFlag{Name: "window", Usage: "events that a caller submits before it waits for all", Value: cli.NewIntSlice(1)},
					&cli.IntFlag{Name: "people", Usage: "people whom the events are about", Value: 10_000},
					&cli.IntFlag{Name: "rounds", Usage: "rounds of turns", Value: 3},
					&cli.DurationFlag{Name: "for", Usage: "length of a turn", Value: 2 * time.Second},
					&cli.StringSliceFlag{Name: "path", Usage: "whole, bare or log", Value: cli.NewStringSlice("whole", "bare", "log")},
					&cli.BoolFlag{Name: "disk", Usage: "also close the ledger and measure what it takes on the disk"},
				}, shared...),
				Action: measure(benchAppend),
			},
			{
				Name:  "profile",
				Usage: "say where the CPU time of an append goes, and how much of sealing is the format's price",
				Flags: append([]cli.Flag{
					&cli.IntFlag{Name: "size", Usage: "bytes of an event: 256 or 1024", Value: bench.Small},
					&cli.IntFlag{Name: "callers", Usage: "callers, each in a closed loop", Value: 4},
					&cli.IntFlag{Name: "window", Usage: "events that a caller submits before it waits for all", Value: 1024},
					&cli.IntFlag{Name: "people", Usage: "people whom the events are about", Value: 10_000},
					&cli.DurationFlag{Name: "for", Usage: "length of the run", Value: 5 * time.Second},
				}, withoutProfiles(shared)...),
				Action: measure(benchProfile),
			},
			{
				Name:  "erase",
				Usage: "erase people, and say after how long nobody can read them any more",
				Flags: append([]cli.Flag{
					&cli.IntSliceFlag{Name: "people", Usage: "people in the ledger; more than one figure: one ledger that grows", Value: cli.NewIntSlice(100_000)},
					&cli.IntFlag{Name: "erase", Usage: "people to erase in each run", Value: 256},
					&cli.IntSliceFlag{Name: "at-once", Usage: "requests at the same time", Value: cli.NewIntSlice(1, 16, 256)},
					&cli.IntSliceFlag{Name: "together", Usage: "people to erase in one epoch, as a retention run does, at most 10,000"},
					&cli.Float64Flag{Name: "load", Usage: "events a second that are recorded meanwhile"},
				}, shared...),
				Action: measure(benchErase),
			},
			{
				Name:  "keys",
				Usage: "look keys up, loaded and not, and make new ones",
				Flags: append([]cli.Flag{
					&cli.IntFlag{Name: "people", Usage: "people in the key tree", Value: 100_000},
				}, shared...),
				Action: measure(benchKeys),
			},
			{
				Name:  "ask",
				Usage: "ask whether something may be done, about people who are in memory and who are not",
				Flags: append([]cli.Flag{
					&cli.IntSliceFlag{Name: "events", Usage: "events about each of them; several: some people with each", Value: cli.NewIntSlice(1, 10, 100, 1000, 10_000)},
					&cli.IntFlag{Name: "people", Usage: "people with each number of events, at most; of those with many there are less, so that all of theirs are no more than a million", Value: 1000},
				}, shared...),
				Action: measure(benchAsk),
			},
			{
				Name:  "sweep",
				Usage: "sweep the traces of erased people, and say how long it takes and what it costs others",
				Flags: append([]cli.Flag{
					&cli.IntFlag{Name: "people", Usage: "people in the ledger", Value: 100_000},
					&cli.IntFlag{Name: "events", Usage: "events about each of them", Value: 10},
					&cli.IntFlag{Name: "erase", Usage: "people that are erased before each sweep", Value: 100},
					&cli.Float64SliceFlag{Name: "load", Usage: "events a second that are recorded meanwhile; several: a sweep with each", Value: cli.NewFloat64Slice(0)},
					&cli.Float64SliceFlag{Name: "rate", Usage: "megabytes a second that the sweep may write, 0 for as fast as it can; several: a sweep with each", Value: cli.NewFloat64Slice(0)},
				}, shared...),
				Action: measure(benchSweep),
			},
			{
				Name:  "proof",
				Usage: "make and verify inclusion proofs",
				Flags: append([]cli.Flag{
					&cli.IntFlag{Name: "leaves", Usage: "leaves in the log", Value: 1_000_000},
					&cli.IntFlag{Name: "proofs", Usage: "proofs to make", Value: 10_000},
				}, shared...),
				Action: measure(benchProof),
			},
			growCommand(shared), reportCommand(),
		},
	}
}

// measurement is one run of a bench command.
type measurement struct {
	*cli.Context
	dir     string
	machine bench.Machine
	start   func() // the part that is profiled
	records io.Writer
}

// measure gives a bench command a folder of its own, the header that says which
// machine this is, and profiles.
func measure(run func(m *measurement) error) cli.ActionFunc {
	return func(c *cli.Context) (err error) {
		if err := noArguments(c); err != nil {
			return err
		}
		if err := positive(c); err != nil {
			return err
		}
		m := &measurement{Context: c}
		if m.dir, err = os.MkdirTemp(c.String("dir"), "lacuna-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(m.dir)) }()
		closeRecords, err := m.begin(m.dir, os.O_TRUNC)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeRecords()) }()
		stop := func() error { return nil }
		m.start = func() {
			m.start = func() {}
			stop, err = profiles(c.String("cpuprofile"), c.String("memprofile"))
		}
		if e := run(m); err == nil {
			err = e
		}
		return errors.Join(err, stop())
	}
}

// positive refuses numbers below 1: a figure of nothing would divide by it.
func positive(c *cli.Context) error {
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if _, ok := f.(*cli.IntFlag); ok && c.Int(name) < 1 {
			return usage(fmt.Errorf("--%s is less than 1", name))
		}
		for _, n := range c.IntSlice(name) {
			if n < 1 {
				return usage(fmt.Errorf("--%s is less than 1", name))
			}
		}
	}
	return nil
}

// begin says which machine this is, and opens the file for the records. dir is
// where the run writes, how is os.O_TRUNC or os.O_APPEND.
func (m *measurement) begin(dir string, how int) (end func() error, err error) {
	m.machine, m.records = bench.ThisMachine(dir), io.Discard
	if !m.Bool("json") {
		if _, err := m.machine.WriteTo(m.App.Writer); err != nil {
			return nil, err
		}
	}
	name := m.String("output")
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|how, 0o644)
	if err != nil {
		return nil, err
	}
	m.records = f
	return f.Close, nil
}

// profiles begins what profiles were asked for.
func profiles(cpu, mem string) (stop func() error, err error) {
	stops := []func() error{}
	stop = func() error {
		var err error
		for _, f := range stops {
			err = errors.Join(err, f())
		}
		return err
	}
	if mem != "" {
		runtime.MemProfileRate = 8 << 10
		stops = append(stops, func() error {
			return write(mem, func(w io.Writer) error { return pprof.Lookup("allocs").WriteTo(w, 0) })
		})
	}
	if cpu == "" {
		return stop, nil
	}
	f, err := os.Create(cpu)
	if err != nil {
		return stop, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return stop, errors.Join(err, f.Close())
	}
	stops = append(stops, func() error {
		pprof.StopCPUProfile()
		return f.Close()
	})
	return stop, nil
}

func write(name string, f func(io.Writer) error) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(f(out), out.Close())
}

// print prints one result.
func (m *measurement) print(r *bench.Result) error {
	rec := bench.NewRecord(r, m.machine)
	if err := bench.WriteRecord(m.records, rec); err != nil {
		return err
	}
	if m.Bool("json") {
		return bench.WriteRecord(m.App.Writer, rec)
	}
	_, err := fmt.Fprintln(m.App.Writer, r)
	return err
}

func checkSize(m *measurement) error {
	if s := m.Int("size"); s != bench.Small && s != bench.Large {
		return usage(fmt.Errorf("--size is %d, want %d or %d", s, bench.Small, bench.Large))
	}
	return nil
}

func benchAppend(m *measurement) error {
	if err := checkSize(m); err != nil {
		return err
	}
	paths, closePaths, err := openPaths(m)
	defer closePaths()
	if err != nil {
		return err
	}
	m.start()
	for _, window := range m.IntSlice("window") {
		for _, callers := range m.IntSlice("callers") {
			load := bench.Load{Size: m.Int("size"), Callers: callers, Window: window, For: m.Duration("for")}
			var failed error
			c, err := bench.Compare(m.Context.Context, paths, load, m.Int("rounds"), func(r *bench.Result) { failed = errors.Join(failed, m.print(r)) })
			if err = errors.Join(err, failed); err != nil {
				return err
			}
			if err := c.WriteTable(m.App.ErrWriter); err != nil {
				return err
			}
		}
	}
	if s, ok := paths[0].(*bench.Sandbox); ok && m.Bool("disk") {
		r := &bench.Result{Name: fmt.Sprintf("Disk/size=%d", m.Int("size")), N: 1}
		if err := s.Disk(m.Context.Context, m.Int("size"), r); err != nil {
			return err
		}
		return m.print(r)
	}
	return nil
}

// openPaths makes what is measured, the whole ledger first.
func openPaths(m *measurement) (paths []bench.Path, closeAll func(), err error) {
	closers := []io.Closer{}
	closeAll = func() {
		for _, c := range closers {
			c.Close()
		}
	}
	type path interface {
		bench.Path
		io.Closer
	}
	makers := map[string]func(ctx context.Context) (path, error){
		"whole": func(ctx context.Context) (path, error) { return bench.NewSandbox(ctx, m.dir, m.Int("people")) },
		"bare":  func(ctx context.Context) (path, error) { return bench.NewBare(ctx, m.dir, m.Int("people")) },
		"log":   func(ctx context.Context) (path, error) { return bench.NewLeaves(ctx, m.dir) },
	}
	for _, name := range m.StringSlice("path") {
		maker := makers[name]
		if maker == nil {
			return nil, closeAll, &usageError{err: fmt.Errorf("no path %q", name), hint: "paths are whole, bare, log"}
		}
		delete(makers, name) // twice in one folder would not do
		p, err := maker(m.Context.Context)
		if err != nil {
			return nil, closeAll, err
		}
		paths, closers = append(paths, p), append(closers, p)
	}
	return paths, closeAll, nil
}

func benchProfile(m *measurement) error {
	if err := checkSize(m); err != nil {
		return err
	}
	s, err := bench.NewSandbox(m.Context.Context, m.dir, m.Int("people"))
	if err != nil {
		return err
	}
	defer s.Close()
	r, err := bench.Profile(m.Context.Context, s, bench.Load{Size: m.Int("size"), Callers: m.Int("callers"), Window: m.Int("window"), For: m.Duration("for")})
	if err != nil {
		return err
	}
	if err := m.print(r); err != nil {
		return err
	}
	if r, err = bench.SealCost(m.Context.Context, m.dir, m.Int("size"), m.Duration("for")/10); err != nil {
		return err
	}
	return m.print(r)
}

func benchErase(m *measurement) error {
	n, sizes, atOnce := m.Int("erase"), m.IntSlice("people"), m.IntSlice("at-once")
	for i, people := range sizes {
		if need := n * len(atOnce); need >= people {
			return usage(fmt.Errorf("erasing %d of %d people: somebody has to be left", need, people))
		}
		if i > 0 && people-sizes[i-1] < n*len(atOnce) {
			return usage(fmt.Errorf("--people goes from %d to %d: each has to be larger than the one before, by those who are erased", sizes[i-1], people))
		}
	}
	for _, n := range m.IntSlice("together") {
		if n > 10_000 {
			return usage(fmt.Errorf("--together is %d: an epoch destroys at most 10,000 keys", n))
		}
	}
	s, err := bench.NewSandbox(m.Context.Context, m.dir, 0)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, people := range sizes {
		step, end := progress(m.App.ErrWriter, "making people")
		s.Making = step
		err := s.Grow(m.Context.Context, people)
		s.Making = nil
		end()
		if err != nil {
			return err
		}
		m.start()
		if err := eraseOf(m, s, sizes[0]-n*len(atOnce)); err != nil {
			return err
		}
	}
	return nil
}

// eraseOf erases the last of the people in a sandbox. Events are recorded meanwhile
// about the first others of them, who are never erased.
func eraseOf(m *measurement, s *bench.Sandbox, others int) error {
	ctx, n := m.Context.Context, m.Int("erase")
	from := s.People
	for _, atOnce := range m.IntSlice("at-once") {
		from -= n
		var r *bench.Result
		var err error
		if load := m.Float64("load"); load > 0 {
			r, err = s.EraseUnderLoad(ctx, from, n, atOnce, others, int(load))
		} else {
			r, err = s.Erase(ctx, from, n, atOnce)
		}
		if err != nil {
			return err
		}
		if err := m.print(r); err != nil {
			return err
		}
	}
	for _, n := range m.IntSlice("together") {
		r, err := s.EraseTogether(ctx, n)
		if err != nil {
			return err
		}
		if err := m.print(r); err != nil {
			return err
		}
	}
	return nil
}

func benchKeys(m *measurement) error {
	ctx, people := m.Context.Context, m.Int("people")
	m.start()
	r, err := bench.Lookups(ctx, m.dir, people, 20_000)
	if err != nil {
		return err
	}
	if err := m.print(r); err != nil {
		return err
	}
	events := min(people, 8192)
	s, err := bench.NewSandbox(ctx, m.dir, events)
	if err != nil {
		return err
	}
	defer s.Close()
	if r, err = s.Creation(ctx, events, 5); err != nil {
		return err
	}
	return m.print(r)
}

func benchAsk(m *measurement) error {
	ctx, histories := m.Context.Context, m.IntSlice("events")
	for _, events := range histories {
		if events < 1 || events > 50_000 {
			return usage(fmt.Errorf("--events %d: want 1 to 50,000", events))
		}
	}
	if people := m.Int("people"); people < 1 {
		return usage(fmt.Errorf("--people is %d, want 1 or more", people))
	}
	s, err := bench.NewSandbox(ctx, m.dir, 1)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, events := range histories {
		m.start()
		r, err := s.Asking(ctx, min(m.Int("people"), max(20, 1_000_000/events)), events)
		if err != nil {
			return err
		}
		if err := m.print(r); err != nil {
			return err
		}
	}
	return nil
}

func benchSweep(m *measurement) error {
	ctx, people, loads, rates := m.Context.Context, m.Int("people"), m.Float64Slice("load"), m.Float64Slice("rate")
	if gone := m.Int("erase") * len(loads) * len(rates); gone >= people {
		return usage(fmt.Errorf("erasing %d of %d people: somebody has to be left", gone, people))
	}
	for _, n := range slices.Concat(loads, rates) {
		if n < 0 || n > 1e6 || math.IsNaN(n) {
			return usage(fmt.Errorf("--load or --rate %v: want 0 to a million", n))
		}
	}
	s, err := bench.NewSandbox(ctx, m.dir, people)
	if err != nil {
		return err
	}
	defer s.Close()
	if more := people * (m.Int("events") - 1); more > 0 {
		const window = 4096
		if _, err := bench.Append(ctx, s, bench.Load{Size: bench.Small, Callers: 1, Window: window, Calls: (more + window - 1) / window}); err != nil {
			return err
		}
	}
	m.start()
	for _, load := range loads {
		for _, rate := range rates {
			r, err := s.Sweep(ctx, m.Int("erase"), int(load), int64(rate*1e6))
			if err != nil {
				return err
			}
			if err := m.print(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func benchProof(m *measurement) error {
	f, err := bench.NewForest(m.Context.Context, m.dir, m.Int("leaves"))
	if err != nil {
		return err
	}
	defer f.Close()
	m.start()
	r, err := f.Proofs(m.Context.Context, m.Int("proofs"))
	if err != nil {
		return err
	}
	return m.print(r)
}
