package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	benchreport "github.com/lacunalog/lacuna/bench/report"
)

func reportCommand() *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "write tables and plots of records into a document",
		ArgsUsage: "DOCUMENT.md",
		Description: "The document says which ones it wants: <!-- bench: append peers.jsonl --> to <!-- /bench -->. Records and plots lie\n" +
			"in the folder beside it that is named like it.",
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usage(errors.New("name one document"))
			}
			return benchreport.Write(c.Args().First())
		},
	}
}
