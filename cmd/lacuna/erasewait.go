package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/ledger"
)

func eraseListCommand() *cli.Command {
	return &cli.Command{
		Name:        "list",
		Usage:       "list the erasures that are written down and have not begun",
		Description: "Names nobody. lacuna approve ID shows whom a request is about, to those who have to decide.",
		Flags:       ledgerFlags(),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				out := jsonv1.Waiting{Version: jsonv1.WaitingVersion, Requests: []jsonv1.WaitingErasure{}}
				for _, w := range l.WaitingErasures() {
					out.Requests = append(out.Requests, waitingErasure(w))
				}
				if c.Bool("json") {
					return printJSON(c.App.Writer, out)
				}
				for _, w := range out.Requests {
					fmt.Fprintf(c.App.Writer, "%s  asked %s  %d of %d %s  %s  %s\n", w.ID, w.Asked, len(w.ApprovedBy), w.Approvals, plural(w.Approvals, "approval"), w.Status, strings.Join(w.Erases, ", "))
				}
				return nil
			})
		},
	}
}

func waitingErasure(w erasure.Waiting) jsonv1.WaitingErasure {
	j := jsonv1.WaitingErasure{ID: w.ID.String(), Asked: w.Asked, Scope: w.Scope, Approvals: w.Need, ApprovedBy: []string{}, Erases: []string{}, Status: "ready"}
	for _, a := range w.Approvals {
		j.ApprovedBy = append(j.ApprovedBy, a.Key)
	}
	for _, p := range w.Erased {
		j.Erases = append(j.Erases, strings.TrimSpace(p.Compartment+" "+p.Cohort))
	}
	if !w.NotBefore.IsZero() {
		j.NotBefore = w.NotBefore.UTC().Format(time.RFC3339)
	}
	switch err := w.Ready(time.Now()); {
	case errors.Is(err, erasure.ErrNotApproved):
		j.Status = "waits for approval"
	case err != nil:
		j.Status = "waits until " + j.NotBefore
	}
	return j
}

func eraseCancelCommand() *cli.Command {
	return &cli.Command{
		Name:      "cancel",
		Usage:     "take back an erasure that has not begun",
		ArgsUsage: "ID",
		Flags:     ledgerFlags(),
		Action: func(c *cli.Context) error {
			id, err := erasureID(c)
			if err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				if err := l.CancelErasure(c.Context, id); err != nil {
					return err
				}
				fmt.Fprintf(c.App.ErrWriter, "request %s is cancelled; nothing of it was erased\n", id)
				return nil
			})
		},
	}
}

func erasureID(c *cli.Context) (id erasure.ID, err error) {
	text, err := argument(c, "id of a request")
	if err != nil {
		return id, err
	}
	if err := id.UnmarshalText([]byte(text)); err != nil {
		return id, usage(errors.New("the id of a request is 32 hex digits, as lacuna erase list shows it"))
	}
	return id, nil
}

func eraseRunCommand() *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "carry out the erasures that are approved and whose day has come",
		Description: "Each subject's certificate is written to a file of its own, with the proof of its epoch record beside it; its opening is handed out only now.\n" +
			"A small ledger is swept afterwards, as after every erasure. What still waits is left alone. Exit 15 where one met a hold: it goes on waiting.",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "folder for the certificates", Required: true},
		),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error { return runErasures(c, l) })
		},
	}
}

func runErasures(c *cli.Context, l *ledger.Ledger) error {
	folder := c.String("output")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	var failed error
	waiting, erased := 0, 0
	for _, w := range l.WaitingErasures() {
		if w.Ready(time.Now()) != nil {
			waiting++
			continue
		}
		out, err := takenOver(filepath.Join(folder, "erasure-"+w.ID.String()+".json"))
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("request %s has not begun: %w", w.ID, err))
			continue
		}
		// Whoever interrupts now does not stop an erasure that has begun.
		cert, err := l.StartErasure(context.WithoutCancel(c.Context), w.ID)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("request %s: %w", w.ID, err), out.discard())
			continue
		}
		if err := out.write(c.App.ErrWriter, cert); err != nil {
			// The next would meet the same disk.
			return errors.Join(failed, fmt.Errorf("request %s: %w", w.ID, err))
		}
		erased++
		if err := proveRecord(c, l, cert, out.f.Name()+besidesCertificate); err != nil {
			failed = errors.Join(failed, err)
		}
		fmt.Fprintf(c.App.Writer, "%s  epoch %d  %d %s  record %d\n", w.ID, cert.Terms.Epoch, cert.Entries, entriesOf(cert.Entries), cert.Record.Index)
		if c.Context.Err() != nil {
			return errors.Join(failed, c.Context.Err())
		}
	}
	if erased > 0 {
		fmt.Fprintln(c.App.Writer, tracesOf(sweepAtOnce(c, l)))
	}
	if waiting > 0 {
		fmt.Fprintf(c.App.ErrWriter, "%d %s still waiting: lacuna erase list\n", waiting, map[bool]string{true: "is", false: "are"}[waiting == 1])
	}
	return failed
}

// printWaitingError says that a request is written down.
func printWaitingError(c *cli.Context, w *ledger.WaitingError) error {
	if c.Bool("json") {
		j := jsonv1.WaitingErasure{ID: w.ID.String(), Approvals: w.Need, ApprovedBy: []string{}, Erases: []string{}, Status: "waits until " + w.NotBefore.UTC().Format(time.RFC3339)}
		j.NotBefore = w.NotBefore.UTC().Format(time.RFC3339)
		return printJSON(c.App.Writer, j)
	}
	_, err := fmt.Fprintf(c.App.Writer, "%v\n", w)
	return err
}
