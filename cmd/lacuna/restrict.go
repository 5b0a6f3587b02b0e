package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/ledger/event"
)

func restrictCommand() *cli.Command {
	return &cli.Command{
		Name:  "restrict",
		Usage: "store data of a person and do not use it (Art. 18)",
		Description: "While a compartment is restricted, `lacuna may` denies its purposes (reason restricted), nothing of it is disclosed, and retention leaves\n" +
			"it alone. The person's own request for erasure is not held up by it.",
		Subcommands: []*cli.Command{
			{
				Name:  "apply",
				Usage: "restrict a compartment of a person, or all of them",
				Flags: ledgerFlags(
					&cli.StringFlag{Name: "subject", Usage: "the person", Required: true},
					&cli.StringFlag{Name: "compartment", Usage: `what is restricted; "*" for everything`, Value: event.Everywhere},
					&cli.StringFlag{Name: "ground", Usage: "Art. 18(1)(a) to (d): " + strings.Join(event.RestrictionGrounds(), ", "), Required: true},
					&cli.StringFlag{Name: "review", Usage: "day on which somebody looks again, YYYY-MM-DD"},
					&cli.StringFlag{Name: "request", Usage: "id of the right.requested"},
				),
				Action: func(c *cli.Context) error {
					review, err := day(c, "review")
					if err != nil {
						return err
					}
					return recordAbout(c, "restriction.applied", "compartment", c.String("compartment"),
						"ground", c.String("ground"), "review_at", review, "request", c.String("request"))
				},
			},
			{
				Name:  "lift",
				Usage: "end a restriction, after the person was told",
				Flags: ledgerFlags(
					&cli.StringFlag{Name: "subject", Usage: "the person", Required: true},
					&cli.StringFlag{Name: "restriction", Usage: "id of the restriction, as lacuna restrict list shows it", Required: true},
					&cli.StringFlag{Name: "told", Usage: "day on which the person was told (Art. 18(3)), YYYY-MM-DD", Required: true},
				),
				Action: func(c *cli.Context) error {
					told, err := day(c, "told")
					if err != nil {
						return err
					}
					return recordAbout(c, "restriction.lifted", "restriction", c.String("restriction"), "notified_subject_at", told)
				},
			},
			listHolds(true),
		},
	}
}
