package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/ledger"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "write what others read",
		Subcommands: []*cli.Command{{
			Name:        "tiles",
			Usage:       "write the log as a static folder after C2SP tlog-tiles",
			Description: "Any file server can serve the folder, and other people's programs check it. It names nobody. Running it again continues.",
			Flags:       ledgerFlags(&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "folder to write", Required: true}),
			Action: func(c *cli.Context) error {
				if err := noArguments(c); err != nil {
					return err
				}
				return withLedger(c, func(l *ledger.Ledger) error {
					step, end := progress(c.App.ErrWriter, "exporting")
					err := l.Log().Export(c.Context, c.String("output"), step)
					end()
					if err != nil {
						return err
					}
					head := l.Log().Head().Checkpoint
					if c.Bool("json") {
						return printJSON(c.App.Writer, map[string]any{"folder": c.String("output"), "origin": head.Origin, "size": head.Size, "root": head.Root.String()})
					}
					fmt.Fprintf(c.App.Writer, "%s: %d entries, root %s\n", c.String("output"), head.Size, head.Root)
					return nil
				})
			},
		}},
	}
}
