package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle/log"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "write what others read",
		Subcommands: []*cli.Command{{
			Name:  "tiles",
			Usage: "write the log as a static folder after C2SP tlog-tiles",
			Description: "Any file server can serve the folder, and other people's programs check it. It names nobody. Running it again continues.\n" +
				"With a policy it is as of the newest head that satisfies it.",
			Flags: ledgerFlags(&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "folder to write", Required: true}),
			Action: func(c *cli.Context) error {
				if err := noArguments(c); err != nil {
					return err
				}
				if err := forPublic(c.String("output")); err != nil {
					return err
				}
				return withLedger(c, func(l *ledger.Ledger) error {
					step, end := progress(c.App.ErrWriter, "exporting")
					err := l.Log().Export(c.Context, c.String("output"), step)
					end()
					if errors.Is(err, log.ErrUnpublished) {
						return withHint(err, "lacuna publish --ledger "+c.String("ledger"))
					}
					if err != nil {
						return err
					}
					head, _ := l.Log().Published() // there is one, it was exported
					if c.Bool("json") {
						return printJSON(c.App.Writer, jsonv1.Exported{Folder: c.String("output"), Origin: head.Origin, Size: head.Size, Root: head.Root.String()})
					}
					fmt.Fprintf(c.App.Writer, "%s: %d entries, root %s\n", c.String("output"), head.Size, head.Root)
					return nil
				})
			},
		}},
	}
}
