package main

import (
	"github.com/urfave/cli/v2"
)

func suppressCommand() *cli.Command {
	return &cli.Command{
		Name:  "suppress",
		Usage: "remember that a person asked to be left alone, also after an erasure",
		Description: "Kept openly in compartment suppression until it is lifted. Nobody is remembered without having asked: after an erasure without it the id is\n" +
			"simply unknown. Nobody may be asked for consent again, and lacuna may denies advertising and what rests on consent or interest.",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "subject", Usage: "the person", Required: true},
			&cli.BoolFlag{Name: "lift", Usage: "the person takes it back"},
			&cli.StringFlag{Name: "channel", Usage: "through which the person said so"},
			&cli.StringFlag{Name: "identity", Usage: "why we believe it is the person"},
		),
		Action: func(c *cli.Context) error {
			typ := "suppression.requested"
			if c.Bool("lift") {
				typ = "suppression.lifted"
			}
			return recordAbout(c, typ, "channel", c.String("channel"), "identity", c.String("identity"))
		},
	}
}
