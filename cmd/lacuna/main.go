// Command lacuna keeps an audit log for personal data: it records events about
// people, answers "may I?", proves what was recorded and erases it.
//
// One file for each command. Data goes to stdout, talk to stderr, progress only to
// a terminal. Exit codes are in exit.go and in docs/reference/exit-codes.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna-verify/verifier"
	"github.com/lacunalog/lacuna/ledger"
)

// verifierName is the name under which this program is the offline verifier, so that
// one file on a disk can be both.
const verifierName = "lacuna-verify"

func main() {
	if filepath.Base(os.Args[0]) == verifierName {
		os.Exit(verifier.Run(verifierName, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	ledger.TuneMemory()
	// What a library logs is talk like all other.
	log.SetFlags(0)
	log.SetPrefix("lacuna: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs one command and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &output{w: stdout}
	app := newApp(stdin, out, stderr)
	err := app.RunContext(ctx, flagsFirst(app, args))
	if out.lost(err) {
		err = withHint(out.err, "what the command did is done; only its answer is not whole")
	}
	return report(ctx, stderr, err)
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:                 "lacuna",
		Usage:                "an audit log for personal data",
		Description:          "Records consent and processing events in a Merkle log, proves them to strangers, and erases people without breaking a proof.",
		Version:              verifier.Version(),
		Reader:               stdin,
		Writer:               stdout,
		ErrWriter:            stderr,
		Suggest:              true,
		EnableBashCompletion: true,
		HideHelpCommand:      true,
		ExitErrHandler:       func(*cli.Context, error) {}, // decided in one place: report
		Commands: []*cli.Command{
			initCommand(), appendCommand(), recordCommand(), mayCommand(), getCommand(), subjectCommand(),
			proveCommand(), verifyCommand(), eraseCommand(), approveCommand(), certificatesCommand(), retentionCommand(), sweepCommand(), holdCommand(), restrictCommand(), suppressCommand(),
			fsckCommand(), lostCommand(), backupCommand(), restoreCommand(), drillCommand(), rootCommand(), pagesCommand(), doctorCommand(), exportCommand(),
			publishCommand(), serveCommand(), auditCommand(), mirrorCommand(), witnessCommand(), custodianCommand(), benchCommand(), demoCommand(),
		},
		CommandNotFound: nil,
	}
	app.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usage(err) }
	// Without an action of its own the root would answer a mistyped command with
	// help and exit 0.
	app.Action = func(c *cli.Context) error {
		if c.Args().Present() {
			return unknownCommand(app.Commands, c.Args().First(), "lacuna")
		}
		return cli.ShowAppHelp(c)
	}
	prepare(app.Commands)
	return app
}

// prepare gives every command what all have in common.
func prepare(cmds []*cli.Command) {
	for _, c := range cmds {
		c.OnUsageError = func(ctx *cli.Context, err error, _ bool) error {
			return &usageError{err: err, hint: ctx.Command.HelpName + " --help"}
		}
		c.HideHelpCommand = true
		c.Before = required(c.Flags)
		if len(c.Subcommands) > 0 {
			sub := c.Subcommands
			name, alone, takes := c.Name, c.Action, c.ArgsUsage != ""
			c.Action = func(ctx *cli.Context) error {
				if ctx.Args().Present() && !takes {
					return unknownCommand(sub, ctx.Args().First(), "lacuna "+name)
				}
				if alone != nil {
					return alone(ctx)
				}
				return usage(fmt.Errorf("lacuna %s needs a command: %s", name, strings.Join(names(sub), ", ")))
			}
			prepare(sub)
		}
		if act := c.Action; act != nil {
			c.Action = func(ctx *cli.Context) error {
				err := act(ctx)
				if u, ok := errors.AsType[*usageError](err); ok && u.hint == "" {
					u.hint = ctx.Command.HelpName + " --help"
				}
				return err
			}
		}
	}
}

// required takes over the check for flags that have to be given: the parser's own
// prints the whole help to stdout.
func required(flags []cli.Flag) cli.BeforeFunc {
	var need []string
	for _, f := range flags {
		switch f := f.(type) {
		case *cli.StringFlag:
			if f.Required {
				need, f.Required = append(need, f.Name), false
			}
		case *cli.Uint64Flag:
			if f.Required {
				need, f.Required = append(need, f.Name), false
			}
		}
	}
	return func(c *cli.Context) error {
		for _, name := range need {
			if !c.IsSet(name) || c.String(name) == "" && c.Value(name) == "" {
				return &usageError{err: fmt.Errorf("--%s is missing", name), hint: fmt.Sprintf("%s --help", c.Command.HelpName)}
			}
		}
		return nil
	}
}

func names(cmds []*cli.Command) []string {
	var out []string
	for _, c := range cmds {
		out = append(out, c.Name)
	}
	return out
}

func unknownCommand(cmds []*cli.Command, name, parent string) error {
	err := &usageError{err: fmt.Errorf("%s has no command %q", parent, name), hint: "commands are " + strings.Join(names(cmds), ", ")}
	if s := cli.SuggestCommand(cmds, name); s != "" && !strings.Contains(s, `""`) && !strings.Contains(s, `"help"`) {
		err.hint = "d" + s[1:] // "Did you mean …?"
	}
	return err
}

// flagsFirst moves flags that stand behind an argument in front of it, because
// the parser would take them for arguments and "verify FILE --json" would print
// no JSON. What stands behind "--" stays.
func flagsFirst(app *cli.App, args []string) []string {
	cmds, flags := app.Commands, app.Flags
	i, takes := 1, false
	out := append([]string(nil), args[:min(1, len(args))]...)
	for i < len(args) && len(cmds) > 0 && !strings.HasPrefix(args[i], "-") {
		c := find(cmds, args[i])
		if c == nil && takes {
			break // not one of its commands, but its argument
		}
		if c == nil || c.SkipFlagParsing {
			return args
		}
		out = append(out, args[i])
		cmds, flags, takes = c.Subcommands, c.Flags, c.ArgsUsage != ""
		i++
	}
	var first, rest []string
	for ; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			rest = append(rest, args[i:]...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			rest = append(rest, a)
			continue
		}
		first = append(first, a)
		if takesValue(flags, a) && i+1 < len(args) {
			i++
			first = append(first, args[i])
		}
	}
	if len(rest) > 0 && rest[0] != "--" && len(first) > 0 {
		first = append(first, "--")
	}
	return append(append(out, first...), rest...)
}

func find(cmds []*cli.Command, name string) *cli.Command {
	for _, c := range cmds {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// takesValue reports whether flag a is followed by its value.
func takesValue(flags []cli.Flag, a string) bool {
	name := strings.TrimLeft(a, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range flags {
		for _, n := range f.Names() {
			if n == name {
				d, ok := f.(cli.DocGenerationFlag)
				return ok && d.TakesValue()
			}
		}
	}
	return false
}

// argument returns the only argument of a command.
func argument(c *cli.Context, what string) (string, error) {
	switch c.NArg() {
	case 1:
		return c.Args().First(), nil
	case 0:
		return "", usage(fmt.Errorf("%s is missing", what))
	}
	return "", usage(fmt.Errorf("one %s at a time, got %d arguments", what, c.NArg()))
}

func noArguments(c *cli.Context) error {
	if c.NArg() > 0 {
		return usage(errors.New("this command takes no arguments, only flags"))
	}
	return nil
}
