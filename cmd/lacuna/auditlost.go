package main

import (
	"fmt"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

func auditLostCommand() *cli.Command {
	return &cli.Command{
		Name:      "lost",
		Usage:     "show that an entry was publicly stated as lost",
		ArgsUsage: "INDEX",
		Description: "Writes the statement, the proof that the log has it, and the opening of this one entry in it; lacuna verify --key log.vkey FILE says LOST.\n" +
			"Exit 12 where the entry was not stated as lost.",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "file to write (default: standard output)"},
		),
		Action: func(c *cli.Context) error {
			text, err := argument(c, "index of an entry")
			if err != nil {
				return err
			}
			index, err := strconv.ParseUint(text, 10, 63)
			if err != nil {
				return usage(fmt.Errorf("%q is no index of an entry", text))
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				o, err := l.LostOpening(c.Context, index)
				if err != nil {
					return err
				}
				paper, err := o.Marshal()
				if err != nil {
					return err
				}
				name := c.String("output")
				if name == "" || name == "-" {
					_, err := c.App.Writer.Write(paper)
					return err
				}
				if err := writeNew(name, paper, 0o600); err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c.App.Writer, jsonv1.AuditEntry{Index: index, File: name})
				}
				_, err = fmt.Fprintf(c.App.Writer, "entry %d: %s\n", index, name)
				return err
			})
		},
	}
}
