package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/merkle/audit"
)

func auditCommand() *cli.Command {
	return &cli.Command{
		Name:  "audit",
		Usage: "follow a log from outside and verify all of it",
		Description: "Verifies every entry, every tile and every head of any log after C2SP tlog-tiles, and believes nothing but the public key. With --state only what is new\n" +
			"is read, and a log that contradicts what it has shown before is found: both signed heads go into a file beside the state. Exit 10 where anything does not\n" +
			"verify, 13 where the log cannot be reached. It may be stopped at any moment, and goes on from there.",
		Flags: followFlags(
			&cli.StringFlag{Name: "state", Usage: "file that remembers how far the log was verified; without it the whole log is read, from the first entry on"},
		),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			src, l, meter, err := openFollowed(c)
			if err != nil {
				return err
			}
			state, err := audit.OpenState(c.String("state"), l)
			if err != nil {
				return err
			}
			a := &audit.Auditor{Source: src, Log: l, State: state, Parallel: c.Int("parallel")}
			err = follow(c, src, l, meter, c.String("state"), func(ctx context.Context) (audit.Report, error) {
				step, end := progress(c.App.ErrWriter, "verifying")
				defer end()
				a.Progress = step
				return a.Round(ctx)
			})
			return errors.Join(err, state.Close())
		},
		Subcommands: []*cli.Command{evidenceCommand(), auditSampleCommand(), auditOpenCommand(), auditLostCommand()},
	}
}

func evidenceCommand() *cli.Command {
	return &cli.Command{
		Name:      "evidence",
		Usage:     "check a file with two signed heads of a log that do not follow each other",
		ArgsUsage: "FILE",
		Description: "Needs nothing but the file and the log's public key. Exit 0 where the log has signed both heads and they show what the file says,\n" +
			"10 where not.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "key", Usage: "file with the log's public key", Required: true},
			&cli.StringFlag{Name: "origin", Usage: "origin of the log, where it is not the name of its key"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: func(c *cli.Context) error {
			name, err := argument(c, "the evidence")
			if err != nil {
				return err
			}
			l, err := followedLog(c, nil)
			if err != nil {
				return err
			}
			b, err := readAtMost(name, 8<<20)
			if err != nil {
				return err
			}
			e, err := audit.ParseEvidence(b)
			if err == nil {
				err = e.Verify(l)
			}
			if err != nil {
				return &notVerified{fmt.Errorf("%s: %w", name, err)}
			}
			return printEvidence(c, e)
		},
	}
}

func printEvidence(c *cli.Context, e *audit.Evidence) error {
	if c.Bool("json") {
		return printJSON(c.App.Writer, jsonv1.Evidence{Kind: string(e.Kind), Proves: e.Proves(), Origin: e.Origin, Summary: e.Summary(), Source: e.Source, Found: e.Found})
	}
	w := c.App.Writer
	fmt.Fprintln(w, e.Summary())
	fmt.Fprintln(w, "proven:   the log has signed both heads")
	switch e.Kind {
	case audit.Fork:
		fmt.Fprintln(w, "proven:   they contradict each other; no honest log signs both")
	case audit.Older:
		fmt.Fprintln(w, "proven:   the smaller is a prefix of the larger; they do not contradict each other")
		fmt.Fprintln(w, "asserted: the smaller was shown after the larger")
	default:
		fmt.Fprintln(w, "asserted: the log did not show a tree that contains both")
	}
	fmt.Fprintf(w, "asserted: found at %s, at %s\n", e.Source, e.Found)
	return nil
}

// notVerified is a failed verification of something that is not a ledger.
type notVerified struct{ err error }

func (e *notVerified) Error() string { return e.err.Error() }
func (e *notVerified) Unwrap() error { return e.err }

// readAtMost reads a file that was named on the command line.
func readAtMost(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, usage(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s: more than %d bytes", name, limit)
	}
	return b, err
}
