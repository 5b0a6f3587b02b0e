package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

func proveCommand() *cli.Command {
	return &cli.Command{
		Name:  "prove",
		Usage: "write a proof of one entry that anybody can verify offline",
		Description: "Records a closing assertion first: how many events the chain of the entry has and which is the last, signed and dated. Without --reveal everything is\n" +
			"shown but _seq and _prev, which would link the entry to its neighbours. With a policy the proof leads to the oldest countersigned head that\n" +
			"covers the entry, and the witnesses are asked if there is none.",
		Flags: ledgerFlags(
			&cli.Uint64Flag{Name: "index", Usage: "which entry", Required: true},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "proof file to write (default: standard output)"},
			&cli.StringFlag{Name: "reveal", Usage: "members to show, with commas between"},
			&cli.StringFlag{Name: "before", Usage: "also write the newest countersigned head that does not cover the entry: it says when the entry was not there yet"},
			&cli.StringFlag{Name: "assertion", Usage: "also write a proof of the closing assertion; it tells how many events there are, so it is for the person"},
		),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			reveal, err := revealed(c)
			if err != nil {
				return err
			}
			o := ledger.ProveOptions{Reveal: reveal}
			return withLedger(c, func(l *ledger.Ledger) error {
				p, err := l.Prove(c.Context, c.Uint64("index"), o)
				if err != nil {
					return err
				}
				if err := writeProof(c, c.String("output"), p.File); err != nil {
					return err
				}
				if name := c.String("before"); name != "" {
					if p.Before == nil {
						return withHint(&ledger.NotFoundError{What: "--before: no countersigned head was published before this entry; its proof is written"}, "lacuna publish, or lacuna serve, publishes heads; docs/howto/get-witnessed.md")
					}
					if err := writeNew(name, p.Before, 0o644); err != nil {
						return err
					}
				}
				if p.Unwitnessed != nil {
					fmt.Fprintf(c.App.ErrWriter, "lacuna: the proof leads to a head that only the log has signed: %v\n", p.Unwitnessed)
				}
				if p.Asserted {
					fmt.Fprintf(c.App.ErrWriter, "lacuna: closing assertion recorded as entry %d\n", p.Assertion)
				}
				if name := c.String("assertion"); name != "" {
					if !p.Asserted {
						return errors.New("there is no closing assertion: the entry is about no person")
					}
					a, err := l.Prove(c.Context, p.Assertion, ledger.ProveOptions{NoAssertion: true})
					if err != nil {
						return err
					}
					if err := writeProof(c, name, a.File); err != nil {
						return err
					}
				}
				return printProved(c, p)
			})
		},
	}
}

// printProved says as JSON what was written; in words all that needs saying was said.
func printProved(c *cli.Context, p *ledger.Proof) error {
	name := c.String("output")
	if !c.Bool("json") || name == "" || name == "-" {
		return nil
	}
	out := jsonv1.Proved{Index: c.Uint64("index"), File: name, Before: c.String("before")}
	if p.Asserted {
		out.Assertion = &p.Assertion
	}
	if p.Unwitnessed != nil {
		out.Unwitnessed = p.Unwitnessed.Error()
	}
	return printJSON(c.App.Writer, out)
}

// writeProof writes a proof file; it never overwrites anything else.
func writeProof(c *cli.Context, name string, file []byte) error {
	if name == "" || name == "-" {
		_, err := c.App.Writer.Write(file)
		return err
	}
	if old, err := os.ReadFile(name); err == nil && len(old) > 0 && !strings.HasPrefix(string(old), "c2sp.org/tlog-proof@") {
		return fmt.Errorf("%s exists and is not a proof file", name)
	}
	return os.WriteFile(name, file, 0o600)
}
