package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/ledger"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:        "doctor",
		Usage:       "say how well this ledger can keep and erase",
		Description: "One line for each thing that matters: ok, note, or WARN with what to do. Exit 1 where there is a WARN, 10 where this is an old copy of the log.",
		Flags:       ledgerFlags(),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				findings := l.Examine()
				warned := false
				for _, f := range findings {
					warned = warned || f.Severity == ledger.Warning
				}
				if c.Bool("json") {
					if err := printJSON(c.App.Writer, findings); err != nil {
						return err
					}
				} else {
					for _, f := range findings {
						fmt.Fprintf(c.App.Writer, "%-5s  %s\n", f.Severity, f.Text)
						if f.Hint != "" {
							fmt.Fprintf(c.App.Writer, "       hint: %s\n", f.Hint)
						}
					}
				}
				if l.RolledBack() != nil {
					return &exitError{exitVerify}
				}
				if warned {
					return &exitError{exitFailure}
				}
				return nil
			})
		},
	}
}
