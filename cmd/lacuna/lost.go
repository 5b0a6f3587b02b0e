package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

func lostCommand() *cli.Command {
	return &cli.Command{
		Name:  "lost",
		Usage: "state in public which entries are lost for good",
		Description: "Looks for entries that no key opens although no erasure accounts for that, because their key page or their sealed event is nowhere. Shows how many\n" +
			"they are, asks, and then states it in the log, for ever. The statement commits to which entries it means and names none: who asks about one\n" +
			"gets its opening from lacuna audit lost, and a verifier then says LOST instead of \"not opened\". Look for missing key pages first.",
		Flags: ledgerFlags(
			&cli.BoolFlag{Name: "yes", Usage: "do not ask (for scripts)"},
			&cli.BoolFlag{Name: "dry-run", Usage: "only look"},
		),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				step, end := stages(c.App.ErrWriter, "looking through")
				x, err := l.StateLoss(c.Context, ledger.LossOptions{Progress: step, Confirm: func(x *ledger.Loss) error {
					end()
					switch {
					case c.Bool("dry-run"):
						if err := printLoss(c, x, false); err != nil {
							return err
						}
						return errOnlyLooked
					case c.Bool("yes"):
						return nil
					}
					printLossText(c.App.ErrWriter, x)
					return confirm(c, "lost", "This cannot be taken back. Type lost to state it: ")
				}})
				end()
				if err == errOnlyLooked {
					return nil
				}
				if err != nil {
					return err
				}
				return printLoss(c, x, x.Entries > 0)
			})
		},
	}
}

// errOnlyLooked stops a statement that nobody asked for.
var errOnlyLooked = errors.New("nothing is stated: it was only looked for")

func printLoss(c *cli.Context, x *ledger.Loss, stated bool) error {
	w := c.App.Writer
	if c.Bool("json") {
		j := jsonv1.Lost{Version: jsonv1.LostVersion, Entries: x.Entries, Size: x.Size, Missing: append([]string{}, x.Missing...), Epochs: x.Epochs}
		if stated {
			j.Statement = &x.Index
		}
		return printJSON(w, j)
	}
	printLossText(w, x)
	if stated {
		fmt.Fprintf(w, "stated in entry %d\n", x.Index)
	}
	return nil
}

func printLossText(w io.Writer, x *ledger.Loss) {
	for _, p := range x.Missing {
		fmt.Fprintf(w, "MISSING key page %s\n", p)
	}
	for _, n := range x.Epochs {
		fmt.Fprintf(w, "of epoch %d it is lost what it erased, all or a part: such entries count as lost\n", n)
	}
	switch {
	case x.Entries == 0:
		fmt.Fprintf(w, "%d entries, none is lost that was not stated before\n", x.Size)
	default:
		fmt.Fprintf(w, "%d entries, %d lost: no key opens them, and no erasure accounts for that\n", x.Size, x.Entries)
	}
}
