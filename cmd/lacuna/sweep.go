package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/ledger"
)

func sweepCommand() *cli.Command {
	return &cli.Command{
		Name:  "sweep",
		Usage: "remove the traces of what was erased",
		Description: "Rewrites every sealed event under new masks, with random bytes in the place of erased ones, and destroys the old masks. Afterwards nobody\n" +
			"who has every byte that was ever written, and the root, learns which erased entries belonged together. Recording goes on meanwhile, and a\n" +
			"sweep that is interrupted goes on with the next. Without --now it sweeps if one is due (sweep_days in lacuna.json).\n" +
			"The newest backup can still be restored afterwards, those before it cannot: make a new one.",
		Flags: ledgerFlags(
			&cli.BoolFlag{Name: "now", Usage: "sweep although none is due"},
			&cli.Float64Flag{Name: "rate", Usage: "write at most so many `MB` in a second; 0 for as fast as it can"},
			&cli.BoolFlag{Name: "deep", Usage: "afterwards look for traces in every row; without --now, only look"},
			&cli.StringFlag{Name: "certificates", Usage: "`FOLDER` for the officer's copies of the certificates that cannot be written again afterwards (default: that of lacuna.json, or LEDGER.certificates)"},
		),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			if r := c.Float64("rate"); r < 0 || math.IsNaN(r) || math.IsInf(r, 0) || r > 1e6 {
				return usage(errors.New("--rate is a number of megabytes in a second, at most 1000000"))
			}
			return withLedger(c, func(l *ledger.Ledger) error { return runSweep(c, l) })
		},
	}
}

func runSweep(c *cli.Context, l *ledger.Ledger) error {
	due, err := l.SweepDue(c.Context)
	if err != nil {
		return err
	}
	out := jsonv1.Swept{Version: jsonv1.SweepVersion}
	if c.Bool("now") || due.Now && !c.Bool("deep") {
		if due.Interrupted {
			fmt.Fprintln(c.App.ErrWriter, "lacuna: a sweep was interrupted; going on with it")
		}
		r, err := sweepOn(c, l, due, c.Bool("now"), sweepOnce)
		if err != nil {
			return err
		}
		out.Swept, out.Generation, out.Size, out.Erased = true, r.Record.Generation, r.Record.Size, r.Record.Erased
		out.EpochsFrom, out.EpochsTo, out.EpochsLost, out.TracesSweptAt = r.Record.EpochsFrom, r.Record.EpochsTo, r.Record.EpochsLost, r.Record.TracesSweptAt
		out.Record, out.Statement = r.Index, string(r.Statement)
	} else if out.Unswept = due.Unswept; due.Unswept > 0 {
		out.Due = due.By.UTC().Format(time.RFC3339)
	}
	if c.Bool("deep") {
		if out.Verified, err = verifySwept(c, l); err != nil {
			return err
		}
	}
	if err := printSwept(c, &out); err != nil {
		return err
	}
	if out.Swept && l.BackupsDir() == "" {
		fmt.Fprintln(c.App.ErrWriter, "hint: only the newest backup can still be restored: lacuna backup")
	}
	backUpBehind(c.Context, c, l)
	if out.Verified != nil && len(out.Verified.Problems) > 0 {
		return &ledger.VerifyError{Problems: out.Verified.Problems}
	}
	return nil
}

// sweepOn runs a sweep that is due or wanted now, and returns what the last one did. One that
// was interrupted goes on from its own cut, so what was erased behind that takes another.
func sweepOn(c *cli.Context, l *ledger.Ledger, due ledger.SweepDue, now bool, one func(*cli.Context, *ledger.Ledger) (*ledger.SweepResult, error)) (*ledger.SweepResult, error) {
	for {
		last, err := one(c, l)
		if err != nil || !due.Interrupted {
			return last, err
		}
		if due, err = l.SweepDue(c.Context); err != nil || due.Unswept == 0 || !due.Now && !now {
			return last, err
		}
	}
}

// sweepOnce sweeps, and keeps the certificates that cannot be written again afterwards.
func sweepOnce(c *cli.Context, l *ledger.Ledger) (*ledger.SweepResult, error) {
	folder := cmp.Or(c.String("certificates"), l.CertificatesDir())
	o := ledger.SweepOptions{Rate: int64(c.Float64("rate") * 1e6)}
	o.Officer = func(certs []*erasure.Certificate) error {
		if len(certs) > 0 && !c.IsSet("certificates") {
			fmt.Fprintf(c.App.ErrWriter, "lacuna: the officer's copies of certificates, which cannot be written again, go into %s\n", folder)
		}
		return writeCertificates(c, l, certs, folder)
	}
	step, end := stages(c.App.ErrWriter, "sweeping")
	o.Progress = step
	r, err := l.Sweep(c.Context, o)
	end()
	if errors.Is(err, context.Canceled) {
		return nil, withHint(err, "nothing is lost: the next lacuna sweep goes on where this one stopped")
	}
	if err != nil {
		return nil, err
	}
	return r, proveSweep(c, l, r, folder)
}

// proveSweep writes the proof of a sweep record beside the certificates that it
// completes.
func proveSweep(c *cli.Context, l *ledger.Ledger, r *ledger.SweepResult, folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	p, err := l.Prove(c.Context, r.Index, ledger.ProveOptions{NoAssertion: true})
	if err != nil {
		return err
	}
	return writeProof(c, filepath.Join(folder, fmt.Sprintf("sweep-%d%s", r.Record.Generation, besidesCertificate)), p.File)
}

func verifySwept(c *cli.Context, l *ledger.Ledger) (*jsonv1.SweptVerified, error) {
	step, end := stages(c.App.ErrWriter, "looking at")
	r, err := l.VerifySwept(c.Context, step)
	end()
	if err != nil {
		return nil, err
	}
	v := &jsonv1.SweptVerified{Tried: r.Tried, Problems: append([]string{}, r.Problems...)}
	for _, page := range r.Missing {
		v.Problems = append(v.Problems, "key page "+page+" is missing")
	}
	return v, nil
}

func printSwept(c *cli.Context, out *jsonv1.Swept) error {
	if c.Bool("json") {
		return printJSON(c.App.Writer, out)
	}
	var err error
	switch {
	case out.Swept:
		_, err = fmt.Fprintf(c.App.Writer, "swept: generation %d, %d of %d entries are erased. Traces of epochs %d to %d were swept at %s; the record is entry %d.\n",
			out.Generation, out.Erased, out.Size, out.EpochsFrom, out.EpochsTo, out.TracesSweptAt, out.Record)
		for _, n := range out.EpochsLost {
			fmt.Fprintf(c.App.Writer, "Of epoch %d it is lost what it erased, all or a part; the record says so.\n", n)
		}
	case out.Verified != nil:
	case out.Unswept == 0:
		_, err = fmt.Fprintln(c.App.Writer, "nothing to sweep: nothing was erased since the last sweep.")
	default:
		_, err = fmt.Fprintf(c.App.Writer, "no sweep is due: the traces of %d %s last until %s at most; lacuna sweep --now\n", out.Unswept, plural(out.Unswept, "erasure"), out.Due)
	}
	if err == nil && out.Verified != nil && len(out.Verified.Problems) == 0 {
		_, err = fmt.Fprintf(c.App.Writer, "verified: every living event opens; no living key opens or lists an erased one (%d tried); no row of an earlier generation is left.\n", out.Verified.Tried)
	}
	return err
}
