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
	case errors.Is(err, erasure.ErrNotApproved) && w.NotBefore.After(time.Now()):
		j.Status = "waits for approval, and until " + j.NotBefore
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
				if c.Bool("json") {
					return printJSON(c.App.Writer, jsonv1.WaitingErasure{ID: id.String(), Erases: []string{}, ApprovedBy: []string{}, Status: "cancelled"})
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
	out := jsonv1.CarriedOut{Version: jsonv1.CarriedOutVersion, Requests: []jsonv1.CarriedOne{}}
	var failed error
	for _, w := range l.WaitingErasures() {
		if w.Ready(time.Now()) != nil {
			out.Waiting++
			continue
		}
		cert, err := carryOut(c, l, w.ID, folder)
		failed = errors.Join(failed, err)
		if cert == nil {
			continue
		}
		out.Requests = append(out.Requests, jsonv1.CarriedOne{ID: w.ID.String(), Epoch: cert.Terms.Epoch, Entries: cert.Entries, Record: cert.Record.Index, Certificate: certificateOf(folder, w.ID)})
		if !c.Bool("json") {
			fmt.Fprintf(c.App.Writer, "%s  epoch %d  %d %s  record %d\n", w.ID, cert.Terms.Epoch, cert.Entries, entriesOf(cert.Entries), cert.Record.Index)
		}
		if errors.Is(err, errNotWritten) || c.Context.Err() != nil {
			// The next would meet the same disk.
			return errors.Join(failed, c.Context.Err(), printCarriedOut(c, &out))
		}
	}
	if len(out.Requests) > 0 {
		var certs []string
		for _, r := range out.Requests {
			certs = append(certs, r.Certificate)
		}
		swept := sweepAtOnce(c, l, certs...)
		if swept != nil {
			out.Sweep = &swept.Index
		}
		if !c.Bool("json") {
			fmt.Fprintln(c.App.Writer, tracesOf(swept))
		}
	}
	if out.Waiting > 0 {
		fmt.Fprintf(c.App.ErrWriter, "%d %s still waiting: lacuna erase list\n", out.Waiting, map[bool]string{true: "is", false: "are"}[out.Waiting == 1])
	}
	return errors.Join(failed, printCarriedOut(c, &out))
}

// printCarriedOut prints as one document what was otherwise printed line by line.
func printCarriedOut(c *cli.Context, out *jsonv1.CarriedOut) error {
	if !c.Bool("json") {
		return nil
	}
	return printJSON(c.App.Writer, out)
}

// certificateOf is the file in a folder for the certificate of a request that waited.
func certificateOf(folder string, id erasure.ID) string {
	return filepath.Join(folder, ledger.WaitedFile(id))
}

// errNotWritten says that a certificate went to standard error instead of its file.
var errNotWritten = errors.New("the disk did not take it")

// carryOut erases what a request that has waited asks for, and writes the subject's
// certificate and the proof of its epoch record into a folder. With a certificate the
// data is erased, whatever else failed.
func carryOut(c *cli.Context, l *ledger.Ledger, id erasure.ID, folder string) (*erasure.Certificate, error) {
	out, err := takenOver(certificateOf(folder, id))
	if err != nil {
		return nil, fmt.Errorf("request %s has not begun: %w", id, err)
	}
	// Whoever interrupts now does not stop an erasure that has begun.
	cert, err := l.StartErasure(context.WithoutCancel(c.Context), id, out.keep(c.App.ErrWriter))
	if err != nil {
		return nil, out.unfinished(fmt.Errorf("request %s: %w", id, err))
	}
	if out.failed != nil {
		return cert, fmt.Errorf("request %s: %w: %w", id, errNotWritten, out.failed)
	}
	return cert, proveRecord(c, l, cert, out.f.Name()+besidesCertificate)
}

// keepErased carries out the requests whose day comes while a server runs. Nobody waits
// for a subject's copy, so it goes to the others that nobody waited for.
func keepErased(ctx context.Context, c *cli.Context, l *ledger.Ledger) {
	if err := dropEmpty(l.UnclaimedDir()); err != nil {
		fmt.Fprintf(c.App.ErrWriter, "lacuna: tidying up certificates: %v\n", err)
	}
	l.KeepErasing(ctx, func(w erasure.Waiting) {
		folder := l.UnclaimedDir()
		err := os.MkdirAll(folder, 0o700)
		var cert *erasure.Certificate
		if err == nil {
			cert, err = carryOut(c, l, w.ID, folder)
		}
		if cert != nil {
			fmt.Fprintf(c.App.ErrWriter, "lacuna: request %s is carried out, epoch %d; the subject's copy of the certificate is in %s: give it to whoever asked, and delete it\n", w.ID, cert.Terms.Epoch, folder)
			sweepAtOnce(c, l, certificateOf(folder, w.ID))
		}
		if err != nil {
			fmt.Fprintf(c.App.ErrWriter, "lacuna: erasing: %v\n", err)
		}
	})
}

// dropEmpty removes the files in a folder that a server made for certificates and was
// killed before it had them: what was begun is finished when the ledger is opened, and its
// certificate has another name then.
func dropEmpty(folder string) error {
	names, err := filepath.Glob(filepath.Join(folder, "erasure-*.json"))
	for _, name := range names {
		if info, serr := os.Lstat(name); serr == nil && info.Mode().IsRegular() && info.Size() == 0 {
			err = errors.Join(err, os.Remove(name))
		}
	}
	return err
}

// printWaiting prints a request that has just been written down.
func printWaiting(c *cli.Context, l *ledger.Ledger, id erasure.ID) error {
	for _, w := range l.WaitingErasures() {
		if w.ID == id {
			return printJSON(c.App.Writer, waitingErasure(w))
		}
	}
	return erasure.ErrNotWaiting
}
