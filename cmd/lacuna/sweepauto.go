package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/erasure"
	certificates "github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger"
)

// unasked are the options of a sweep that nobody asked for: the certificates that cannot
// be written again go into the ledger's own folder for them.
func unasked(c *cli.Context, l *ledger.Ledger) ledger.SweepOptions {
	return ledger.SweepOptions{Officer: func(certs []*erasure.Certificate) error {
		return writeCertificates(c, l, certs, l.CertificatesDir())
	}}
}

// backUpBehind makes a backup where the ledger has a folder for that and its newest one
// is older than the last sweep, or than lacuna.json allows. That one can be restored until there is a newer one, so
// nothing is lost if it fails; the next sweep, or server, tries again.
func backUpBehind(ctx context.Context, c *cli.Context, l *ledger.Ledger) {
	step, end := progress(c.App.ErrWriter, "backing up")
	out, err := l.BackUpBehind(ctx, ledger.BackupProgress(func(done, total int64) { step(uint64(done), uint64(total)) }))
	end()
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(c.App.ErrWriter, "lacuna: no backup could be made: %v\n", err)
	} else if out != "" {
		fmt.Fprintf(c.App.ErrWriter, "lacuna: backed up: %s\n", out)
	}
}

// sweepAtOnce sweeps after an erasure where the ledger is small; nil where it does not.
// What is erased stays so if it fails, and the next sweep takes it along. Beside the
// certificates of the erasure it writes the proof that says so.
func sweepAtOnce(c *cli.Context, l *ledger.Ledger, certs ...string) *ledger.SweepResult {
	if !l.SweepsAtOnce() {
		return nil
	}
	r, err := sweepWhatIsDue(c, l)
	if r != nil && len(certs) > 0 {
		if err := proveSwept(c, l, certs, true); err != nil {
			fmt.Fprintf(c.App.ErrWriter, "lacuna: the traces are swept, but not all proofs of that are written: %v; lacuna certificates --swept writes them\n", err)
		}
	}
	if err != nil {
		fmt.Fprintf(c.App.ErrWriter, "lacuna: the data is erased, but its traces could not be swept now: %v\n", err)
	}
	return r
}

// sweepWhatIsDue sweeps if that is due, and returns what the last sweep did, nil where none
// was.
func sweepWhatIsDue(c *cli.Context, l *ledger.Ledger) (*ledger.SweepResult, error) {
	due, err := l.SweepDue(c.Context)
	if err != nil || !due.Now {
		return nil, err
	}
	return sweepOn(c, l, due, false, sweepUnasked)
}

// sweepUnasked is a sweep that nobody asked for.
func sweepUnasked(c *cli.Context, l *ledger.Ledger) (*ledger.SweepResult, error) {
	r, err := l.Sweep(c.Context, unasked(c, l))
	if err != nil {
		return nil, err
	}
	if err := proveSweep(c, l, r, l.CertificatesDir()); err != nil {
		return r, err
	}
	backUpBehind(c.Context, c, l)
	return r, nil
}

// sweepIfDue sweeps after a run of retention.
func sweepIfDue(c *cli.Context, l *ledger.Ledger) {
	r, err := sweepWhatIsDue(c, l)
	if r != nil {
		fmt.Fprintf(c.App.ErrWriter, "lacuna: traces swept, generation %d, record is entry %d\n", r.Record.Generation, r.Index)
	}
	if err != nil {
		fmt.Fprintf(c.App.ErrWriter, "lacuna: traces could not be swept now: %v\n", err)
	}
}

// keepSwept sweeps when it is due for as long as a server runs.
func keepSwept(ctx context.Context, c *cli.Context, l *ledger.Ledger) {
	l.KeepSwept(ctx, unasked(c, l), func(r *ledger.SweepResult, err error) {
		if err == nil {
			fmt.Fprintf(c.App.ErrWriter, "lacuna: traces swept, generation %d, record is entry %d\n", r.Record.Generation, r.Index)
			err = proveSweep(c, l, r, l.CertificatesDir())
		}
		if err != nil {
			fmt.Fprintf(c.App.ErrWriter, "lacuna: sweeping: %v\n", err)
		}
	}, func() { backUpBehind(ctx, c, l) })
}

// withFiled adds the certificates that were kept before a sweep.
func withFiled(certs []*erasure.Certificate, folder string) ([]*erasure.Certificate, error) {
	names, err := filesLike(folder)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		cert, err := certificates.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !slices.ContainsFunc(certs, func(c *erasure.Certificate) bool { return certificateName(c) == certificateName(cert) }) {
			certs = append(certs, cert)
		}
	}
	slices.SortStableFunc(certs, func(a, b *erasure.Certificate) int {
		switch {
		case a.Terms.Epoch < b.Terms.Epoch:
			return -1
		case a.Terms.Epoch > b.Terms.Epoch:
			return 1
		}
		return 0
	})
	return certs, nil
}

// filesLike lists the certificates in a folder, which need not be there.
func filesLike(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if ok, _ := filepath.Match("epoch-*.json", e.Name()); ok {
			names = append(names, filepath.Join(folder, e.Name()))
		}
	}
	return names, nil
}
