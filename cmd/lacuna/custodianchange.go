package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/keystore/holder/custodian"
	"github.com/lacunalog/lacuna/ledger"
)

func custodianAddCommand() *cli.Command {
	return &cli.Command{
		Name:      "add",
		Usage:     "give a custodian a share of the root",
		ArgsUsage: "INVITATION",
		Description: "INVITATION may be - to read it from standard input: it is a secret, and others on this machine can see the arguments of a command.\n" +
			"Enrols at the custodian, and changes the root in an epoch of its own: all shares are fresh. From then on the ledger opens only while the\n" +
			"custodian answers, and whoever loses the custodian's share has erased everybody. For a custodian that the ledger has already, it only\n" +
			"enrols anew, and with --pages ships all key pages again.",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "name", Usage: "what to call it (default: the host of its address)"},
			&cli.BoolFlag{Name: "independent", Usage: "others administrate it: with this, and only if it runs on another machine, level L2 can be reached"},
			&cli.BoolFlag{Name: "pages", Usage: "also keep key pages there; all are shipped at once"},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask (for scripts)"},
		),
		Action: func(c *cli.Context) error {
			text, err := argument(c, "invitation")
			if err != nil {
				return err
			}
			if text, err = invitation(c, text); err != nil {
				return err
			}
			i, err := custodian.ParseInvitation(text)
			if err != nil {
				return usage(err)
			}
			known, err := ledger.Reenrol(c.Context, c.String("ledger"), text)
			if err != nil {
				return err
			}
			if known != "" {
				fmt.Fprintf(c.App.ErrWriter, "lacuna: the ledger has this custodian already, as %s: it was enrolled anew, and nothing else has changed\n", known)
				return withLedger(c, func(l *ledger.Ledger) error { return shipAndPrint(c, l) })
			}
			if !c.Bool("yes") {
				fmt.Fprintf(c.App.ErrWriter, "the ledger will open only while the custodian at %s answers; whoever loses its share has erased everybody\n", i.Custodian.Host)
				if err := confirm(c, i.Custodian.Host, "Type the address of the custodian to add it: "); err != nil {
					return err
				}
			}
			n := ledger.NewCustodian{Invitation: text, Name: c.String("name"), Independent: c.Bool("independent"), Pages: c.Bool("pages")}
			if err := withLedger(c, func(l *ledger.Ledger) error { return l.AddCustodian(c.Context, n) }); err != nil {
				return err
			}
			// Opened again it has the custodian among the places for key pages.
			return withLedger(c, func(l *ledger.Ledger) error { return shipAndPrint(c, l) })
		},
	}
}

// invitation reads an invitation from standard input where - stands for it: while the
// command runs, everybody on the machine can read its arguments.
func invitation(c *cli.Context, text string) (string, error) {
	if text != "-" {
		return text, nil
	}
	const most = 1 << 16 // an invitation is a line
	b, err := io.ReadAll(io.LimitReader(&interruptible{ctx: c.Context, r: c.App.Reader}, most))
	return strings.TrimSpace(string(b)), err
}

func shipAndPrint(c *cli.Context, l *ledger.Ledger) error {
	if c.Bool("pages") {
		if err := l.ShipPages(c.Context); err != nil {
			return withHint(err, "the custodian was added; the same command once more ships the key pages")
		}
	}
	return printHolders(c, l)
}

func custodianRemoveCommand() *cli.Command {
	return &cli.Command{
		Name:        "remove",
		Usage:       "take a custodian's share out of the root",
		ArgsUsage:   "NAME",
		Description: "Changes the root in an epoch of its own. The custodian has to answer once more, and destroys the share it had.",
		Flags:       ledgerFlags(&cli.BoolFlag{Name: "yes", Usage: "do not ask (for scripts)"}),
		Action: func(c *cli.Context) error {
			name, err := argument(c, "name")
			if err != nil {
				return err
			}
			if !c.Bool("yes") {
				fmt.Fprintln(c.App.ErrWriter, "what is erased later rests on the other holders alone")
				if err := confirm(c, name, "Type the name of the custodian to remove it: "); err != nil {
					return err
				}
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				if err := l.RemoveCustodian(c.Context, name); err != nil {
					return err
				}
				return printHolders(c, l)
			})
		},
	}
}

// printHolders says with whom the root lies now.
func printHolders(c *cli.Context, l *ledger.Ledger) error {
	info := l.Custody()
	out := jsonv1.Custody{Epoch: info.Epoch, Level: info.Level.String()}
	for _, h := range info.Holders {
		out.Holders = append(out.Holders, jsonv1.Holder{ID: h.ID.String(), Kind: h.Kind, Level: h.Level.String(), Copies: h.Copies, Warning: h.Warning})
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, out)
	}
	fmt.Fprintf(c.App.Writer, "epoch %d; the root is in %d %s, level %s\n", out.Epoch, len(out.Holders), plural(len(out.Holders), "share"), out.Level)
	for _, h := range out.Holders {
		fmt.Fprintf(c.App.Writer, "%-10s %s  %s\n", h.Kind, h.ID, h.Level)
		if h.Warning != "" {
			fmt.Fprintf(c.App.ErrWriter, "lacuna: warning: %s\n", h.Warning)
		}
	}
	return nil
}
