package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

// ledgerFlags are what every command that opens a ledger takes.
func ledgerFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "ledger", Usage: "folder of the ledger", EnvVars: []string{"LACUNA_LEDGER"}, Required: true},
		&cli.StringSliceFlag{Name: "root", Usage: "file of the root holder, when it is not where lacuna.json says; of several each one, with commas in the variable", EnvVars: []string{"LACUNA_ROOT"}},
		passphraseFile(),
		&cli.BoolFlag{Name: "json", Usage: "print JSON"},
	}, more...)
}

// openOptions is how a command opens its ledger.
func openOptions(c *cli.Context) ledger.Options {
	return ledger.Options{
		Dir:        c.String("ledger"),
		Root:       c.StringSlice("root"),
		Passphrase: askPassphrase(c),
		Warn:       func(text string) { fmt.Fprintf(c.App.ErrWriter, "lacuna: warning: %s\n", text) },
	}
}

// ledgerFlagsOptional is ledgerFlags for a command that also has subcommands, before
// which nothing can be required; the command asks for --ledger itself.
func ledgerFlagsOptional(more ...cli.Flag) []cli.Flag {
	flags := ledgerFlags(more...)
	flags[0].(*cli.StringFlag).Required = false
	return flags
}

// withLedger opens the ledger, runs f and closes it.
func withLedger(c *cli.Context, f func(l *ledger.Ledger) error) error {
	l, err := ledger.Open(c.Context, openOptions(c))
	var missing *ledger.NotFoundError
	if errors.As(err, &missing) {
		return withHint(err, fmt.Sprintf("lacuna init --ledger %s --origin NAME", c.String("ledger")))
	}
	if err != nil {
		return err
	}
	proveUnclaimed(c, l)
	err = f(l)
	return errors.Join(err, l.Close())
}

// printJSON prints one JSON document on a line.
func printJSON(w io.Writer, v any) error {
	text, err := jsonv1.Encode(v, "")
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// stages is progress for an operation of several stages, each with a line of its own:
// what, and then the stage.
func stages(w io.Writer, what string) (step func(stage string, done, total uint64), end func()) {
	var stage string
	one, endOne := func(uint64, uint64) {}, func() {}
	step = func(now string, done, total uint64) {
		if now != stage {
			endOne()
			stage = now
			one, endOne = progress(w, what+" "+now)
		}
		one(done, total)
	}
	return step, func() { endOne() }
}

// progress returns a function that shows how far a long operation is, and one
// that ends the line. It shows nothing where stderr is not a terminal.
func progress(w io.Writer, what string) (step func(done, total uint64), end func()) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(uint64, uint64) {}, func() {}
	}
	var bar *progressbar.ProgressBar
	return func(done, total uint64) {
			if bar == nil {
				bar = progressbar.NewOptions64(int64(total), progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(what),
					progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
			}
			bar.ChangeMax64(int64(total))
			_ = bar.Set64(int64(done)) // a bar that cannot be drawn is no failure
		}, func() {
			if bar != nil {
				_ = bar.Finish()
			}
		}
}
