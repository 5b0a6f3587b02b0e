package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/ledger"
)

func eraseCommand() *cli.Command {
	return &cli.Command{
		Name:  "erase",
		Usage: "erase a person: destroy the keys of everything that has no reason to stay",
		Description: "Shows what would be erased and what stays, asks for the subject id, and then destroys the keys. There is no way back.\n" +
			"What of the person is damaged goes, too, and is named: who received it can then not be told.\n" +
			"Exit 12 where nothing is known about the person, 15 where everything has a reason to stay, where a hold stands against it, and where the\n" +
			"ledger's policy asks for approval or for time to think: then the request is written down, see erase list, approve, erase run.",
		Subcommands: []*cli.Command{eraseListCommand(), eraseRunCommand(), eraseCancelCommand()},
		Flags: ledgerFlagsOptional(
			&cli.StringFlag{Name: "subject", Usage: "the person"},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask (for scripts)"},
			&cli.BoolFlag{Name: "dry-run", Usage: "only show what would be erased"},
			&cli.BoolFlag{Name: "everything", Usage: "also erase what has a reason to stay (consent evidence, invoices)"},
			&cli.BoolFlag{Name: "suppress", Usage: "the person asks to be left alone for good: keep that, openly, until they lift it"},
			&cli.StringFlag{Name: "after", Usage: "write the request down, and let it begin on this day, YYYY-MM-DD, with lacuna erase run or serve"},
			&cli.StringFlag{Name: "certificate", Usage: "write the subject's certificate to this file, and the proof of its epoch record to FILE.tlog-proof; where traces are swept at once, the proof of that to FILE.sweep.tlog-proof; its opening is handed out only now"},
		),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			for _, flag := range []string{"ledger", "subject"} {
				if c.String(flag) == "" {
					return &usageError{err: fmt.Errorf("--%s is missing", flag), hint: "lacuna erase --help"}
				}
			}
			r := ledger.EraseRequest{Subject: c.String("subject"), Everything: c.Bool("everything"), Suppress: c.Bool("suppress")}
			after, err := day(c, "after")
			if err != nil {
				return err
			}
			if after != "" {
				r.NotBefore, _ = time.Parse(time.RFC3339, after)
				if !r.NotBefore.After(time.Now()) {
					return usage(errors.New("--after is a day to come"))
				}
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				if c.Bool("dry-run") || !c.Bool("yes") {
					p, err := l.PlanErase(c.Context, r)
					if err != nil {
						return err
					}
					if c.Bool("dry-run") {
						return printPlan(c, p, nil, 0, nil)
					}
					printPlanText(c.App.ErrWriter, p, false)
					if err := confirm(c, r.Subject, "Type the subject id to erase: "); err != nil {
						return err
					}
				}
				out, err := certificateFile(c.String("certificate"))
				if err != nil {
					return fmt.Errorf("nothing was erased: %w", err)
				}
				start := time.Now()
				r.Keep = out.keep(c.App.ErrWriter)
				// Whoever interrupts now does not stop an erasure that is written down:
				// its certificate is waited for.
				p, cert, err := l.Erase(context.WithoutCancel(c.Context), r)
				var waiting *ledger.WaitingError
				if errors.As(err, &waiting) {
					// What was asked for is done where the request waits for the day that it named.
					asked := waiting.Need == 0 && after != ""
					if asked {
						err = nil
					}
					if c.Bool("json") {
						err = errors.Join(err, printWaiting(c, l, waiting.ID))
					} else if asked {
						fmt.Fprintf(c.App.Writer, "%v\n", waiting)
					}
					return errors.Join(err, out.discard())
				}
				if err != nil {
					return out.unfinished(err)
				}
				if out.failed != nil {
					return out.failed
				}
				if out.f != nil {
					name := out.f.Name() + besidesCertificate
					if err := proveRecord(c, l, cert, name); err != nil {
						return withHint(fmt.Errorf("the data is erased and its certificate written, but not the proof of its epoch record: %w", err),
							fmt.Sprintf("lacuna prove --index %d -o %s", cert.Record.Index, name))
					}
				}
				took := time.Since(start)
				return printPlan(c, p, cert, took, sweepAtOnce(c, l, out.files()...))
			})
		},
	}
}

// certificate is the file that the subject's certificate goes into. It is made
// before anything is erased, because the opening in it is handed out once.
type certificate struct {
	f      *os.File // nil where nobody asked for one
	kept   bool     // the certificate was handed over
	failed error    // and the file did not take it
}

func certificateFile(name string) (*certificate, error) {
	if name == "" {
		return new(certificate), nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s exists already", name)
	}
	if err != nil {
		return nil, err
	}
	c := &certificate{f: f}
	// Its name has to last before the keys die: a power cut afterwards would take the
	// certificate with the name.
	if err := c.sync(); err != nil {
		return nil, errors.Join(err, c.discard())
	}
	return c, nil
}

// takenOver is certificateFile, except that it takes an empty file, which a run that
// was interrupted before it erased has left.
func takenOver(name string) (*certificate, error) {
	info, err := os.Lstat(name)
	if err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		err = os.Remove(name)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return certificateFile(name)
}

// sync makes the file and its name last.
func (c *certificate) sync() error {
	if err := c.f.Sync(); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(c.f.Name()))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// keep is what receives the certificate before the erasure is over; nil where nobody
// asked for one.
func (c *certificate) keep(stderr io.Writer) func(*erasure.Certificate) {
	if c.f == nil {
		return nil
	}
	return func(cert *erasure.Certificate) { c.kept, c.failed = true, c.write(stderr, cert) }
}

// unfinished answers for an erasure that did not come to its end: one whose certificate
// was handed over is finished later, by that certificate, and of the others nothing stays.
func (c *certificate) unfinished(err error) error {
	if c.kept {
		return err
	}
	return errors.Join(err, c.discard())
}

// write writes the certificate of what is erased.
func (c *certificate) write(stderr io.Writer, cert *erasure.Certificate) error {
	text, err := cert.Marshal()
	if err != nil {
		return errors.Join(err, c.f.Close())
	}
	return c.put(stderr, text)
}

// put writes the text of a certificate. Where the file does not take it, it goes to
// stderr: nobody can make its opening again.
func (c *certificate) put(stderr io.Writer, text []byte) error {
	_, err := c.f.Write(text)
	if err == nil {
		err = c.sync()
	}
	if err = errors.Join(err, c.f.Close()); err != nil {
		fmt.Fprintf(stderr, "%s\n", bytes.TrimSpace(text))
		err = fmt.Errorf("the data is erased, but its certificate could not be written; it is printed above, and nowhere else: %w", err)
	}
	return err
}

// files are the names of what was written; none where nobody asked for it.
func (c *certificate) files() []string {
	if c.f == nil {
		return nil
	}
	return []string{c.f.Name()}
}

// discard removes the file where nothing was erased.
func (c *certificate) discard() error {
	if c.f == nil {
		return nil
	}
	return errors.Join(c.f.Close(), os.Remove(c.f.Name()))
}

// confirm asks at the terminal for what has to be typed to go on.
func confirm(c *cli.Context, want, question string) error {
	in, ok := c.App.Reader.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return &usageError{err: errors.New("there is no terminal to ask at"), hint: "--yes goes on without asking"}
	}
	fmt.Fprint(c.App.ErrWriter, question)
	line, err := bufio.NewReader(&interruptible{ctx: c.Context, r: in}).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if trimNewline(line) != want {
		return errors.New("that is something else; nothing was done")
	}
	return nil
}

func trimNewline(s string) string {
	for len(s) > 0 && (s[len(s)-1] == '\n' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	return s
}

func printPlan(c *cli.Context, p *ledger.Plan, cert *erasure.Certificate, took time.Duration, swept *ledger.SweepResult) error {
	w := c.App.Writer
	if c.Bool("json") {
		j := jsonv1.Erased{DryRun: cert == nil, Lines: []jsonv1.PlanLine{}, Recipients: []jsonv1.Recipient{}, Milliseconds: float64(took.Microseconds()) / 1000}
		if cert != nil {
			text, err := cert.Officer().Marshal()
			if err != nil {
				return err
			}
			j.Certificate = text
		}
		if swept != nil {
			j.Sweep = &swept.Index
		}
		for _, line := range p.Lines {
			pl := jsonv1.PlanLine{Compartment: line.Compartment, Cohort: line.Cohort, Events: line.Events, Kept: line.Kept, Why: line.Why}
			if !line.Until.IsZero() {
				pl.Until = line.Until.Format(time.DateOnly)
			}
			if pl.Held = line.Held; !line.Review.IsZero() {
				pl.Review = line.Review.Format(time.DateOnly)
			}
			j.Lines = append(j.Lines, pl)
		}
		for _, r := range p.Recipients {
			j.Recipients = append(j.Recipients, jsonv1.Recipient{Recipient: r.ID, Ref: r.Ref})
		}
		for _, u := range p.Unread {
			j.Unread = append(j.Unread, unreadJSON(u))
		}
		return printJSON(w, j)
	}
	printPlanText(w, p, cert != nil)
	if cert != nil {
		fmt.Fprintf(w, "done in %.1f ms, level %s\n", float64(took.Microseconds())/1000, cert.Terms.Level)
		fmt.Fprintf(w, "keys destroyed, epoch %d, record is entry %d; %s\n", cert.Terms.Epoch, cert.Record.Index, tracesOf(swept))
	}
	return nil
}

func unreadJSON(u ledger.Unread) jsonv1.Unread {
	out := jsonv1.Unread{Compartment: u.Compartment, Cohort: u.Cohort, Why: u.Why.Error()}
	if u.Known() {
		out.Index = &u.Index
	}
	return out
}

// tracesOf says what became of the traces after an erasure.
func tracesOf(swept *ledger.SweepResult) string {
	if swept == nil {
		return "traces are not swept yet"
	}
	return fmt.Sprintf("traces swept, record is entry %d", swept.Index)
}

func printPlanText(w io.Writer, p *ledger.Plan, done bool) {
	for _, line := range p.Lines {
		name := line.Compartment
		if line.Cohort != "" {
			name += " " + line.Cohort
		}
		switch {
		case !line.Kept && done:
			fmt.Fprintf(w, "%-18s %4d %-7s unreadable from now on\n", name, line.Events, plural(line.Events, "event"))
		case !line.Kept:
			fmt.Fprintf(w, "%-18s %4d %-7s will be unreadable\n", name, line.Events, plural(line.Events, "event"))
		default:
			until := "until a day that is not set yet"
			switch {
			case line.Held && !line.Review.IsZero():
				until = "until a review on " + line.Review.Format("02.01.2006")
			case line.Held:
				until = "until released"
			case !line.Until.IsZero():
				until = "until " + line.Until.Format("02.01.2006")
			}
			fmt.Fprintf(w, "%-18s %4d %-7s kept %s  %s\n", name, line.Events, plural(line.Events, "event"), until, line.Why)
		}
	}
	for _, r := range p.Recipients {
		ref := ""
		if r.Ref != "" {
			ref = " (" + r.Ref + ")"
		}
		fmt.Fprintf(w, "%-18s %s%s: not yet told\n", "to be told", r.ID, ref)
	}
	for _, u := range p.Unread {
		fmt.Fprintf(w, "%-18s %v (%s): who received it is not known\n", "damaged", u.Why, strings.TrimSpace(u.Compartment+" "+u.Cohort))
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return what
	}
	return what + "s"
}
