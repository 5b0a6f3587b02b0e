package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/bench"
)

func growCommand(shared []cli.Flag) *cli.Command {
	return &cli.Command{
		Name:  "grow",
		Usage: "grow a ledger until it is large, and say how it changes; then open it after stops and kills",
		Description: "The ledger lives in a process of its own, whose memory is told. With --keep, what was interrupted goes on where it was.\n" +
			"Ten million events take about 11 GB on the disk while they are appended.",
		Flags: append([]cli.Flag{
			&cli.Uint64Flag{Name: "events", Usage: "events in the end", Value: 10_000_000},
			&cli.IntFlag{Name: "people", Usage: "people whom the events are about", Value: 1_000_000},
			&cli.IntFlag{Name: "stay", Usage: "events, on average, that somebody who comes stays for; 1: each event is about anybody, which no cache helps", Value: bench.DefaultStay},
			&cli.Uint64Flag{Name: "step", Usage: "events between two results", Value: 1_000_000},
			&cli.IntFlag{Name: "callers", Usage: "callers, each in a closed loop", Value: 2},
			&cli.IntFlag{Name: "window", Usage: "events that a caller submits before it waits for all", Value: 1024},
			&cli.IntFlag{Name: "proofs", Usage: "proofs to make after the first step and at the end", Value: 2000},
			&cli.IntFlag{Name: "reopen", Usage: "times to open the ledger after a stop, and after a kill", Value: 3},
			&cli.StringFlag{Name: "keep", Usage: "folder for the ledger, which stays"},
		}, withoutProfiles(shared)...),
		Action: func(c *cli.Context) error {
			// This program is its own worker.
			if was, err := bench.GrowWorker(c.Context, c.App.Writer); was {
				return err
			}
			return benchGrow(c)
		},
	}
}

// withoutProfiles leaves out what would be profiled in the wrong process.
func withoutProfiles(flags []cli.Flag) (out []cli.Flag) {
	for _, f := range flags {
		if n := f.Names()[0]; n != "cpuprofile" && n != "memprofile" {
			out = append(out, f)
		}
	}
	return out
}

func benchGrow(c *cli.Context) (err error) {
	if err := noArguments(c); err != nil {
		return err
	}
	if err := positive(c); err != nil {
		return err
	}
	if c.Uint64("events") < 1 || c.Uint64("step") < 1 {
		return usage(errors.New("--events or --step is less than 1"))
	}
	dir, how := c.String("keep"), os.O_APPEND
	if dir == "" {
		if dir, err = os.MkdirTemp(c.String("dir"), "lacuna-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "ledger")); err != nil {
		how = os.O_TRUNC // results of another ledger
	}
	m := &measurement{Context: c}
	end, err := m.begin(dir, how)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	step, done := progress(c.App.ErrWriter, "events")
	defer done()
	g := &bench.Grower{
		Growth: bench.Growth{
			Events: c.Uint64("events"), People: c.Int("people"), Stay: c.Int("stay"),
			Step: c.Uint64("step"), Callers: c.Int("callers"), Window: c.Int("window"),
		},
		Dir: dir, Proofs: c.Int("proofs"), Reopen: c.Int("reopen"), Each: m.print, Command: again, Stderr: c.App.ErrWriter,
		Progress: func(done uint64) { step(min(done, c.Uint64("events")), c.Uint64("events")) },
	}
	err = g.Run(c.Context)
	if c.Context.Err() != nil && c.String("keep") != "" {
		fmt.Fprintln(c.App.ErrWriter, "hint: the same command goes on where it was")
	}
	return err
}

// again starts this program again as a worker.
func again(ctx context.Context) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.CommandContext(ctx, self, "bench", "grow")
	cmd.Args[0] = os.Args[0]
	return cmd
}
