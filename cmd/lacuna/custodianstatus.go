package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

func custodianStatusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "ask the custodians of a ledger how they are",
		Description: "The ledger may be open elsewhere, or not open at all because a custodian is away. Exit 13 where one does not answer, 10 or 14 where it\n" +
			"does and must not be trusted, or refuses.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "ledger", Usage: "folder of the ledger", EnvVars: []string{"LACUNA_LEDGER"}, Required: true},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			states, err := ledger.Custodians(c.Context, c.String("ledger"))
			if err != nil {
				return err
			}
			var failed error
			out := make([]jsonv1.Custodian, 0, len(states))
			for _, s := range states {
				j := jsonv1.Custodian{Name: s.Name, Address: s.Address, Key: s.Key, Independent: s.Independent, Pages: s.Pages, Change: s.Change}
				if s.Err != nil {
					j.Error = s.Err.Error()
					if failed == nil {
						failed = s.Err
					}
				} else {
					j.Level, j.Copies, j.Epochs, j.Mark, j.Head, j.Warning = s.Level.String(), s.Status.Copies, s.Status.Epochs, s.Status.Mark, s.Status.Head, s.Status.Warning
				}
				out = append(out, j)
			}
			if c.Bool("json") {
				err = printJSON(c.App.Writer, out)
			} else {
				for _, j := range out {
					printCustodian(c, j)
				}
				if len(out) == 0 {
					_, err = fmt.Fprintln(c.App.Writer, "no custodian: the root lies with this machine alone")
				}
			}
			return errors.Join(err, failed)
		},
	}
}

func printCustodian(c *cli.Context, j jsonv1.Custodian) {
	w := c.App.Writer
	if j.Error != "" {
		fmt.Fprintf(w, "%-16s WARN %s\n", j.Name, j.Error)
		return
	}
	extra := ""
	if j.Independent {
		extra += ", independent"
	}
	if j.Pages {
		extra += ", keeps key pages"
	}
	if j.Change != "" {
		extra += ", " + j.Change
	}
	fmt.Fprintf(w, "%-16s %s: %s in %d %s, epochs %v, head %d%s\n", j.Name, j.Address, j.Level, j.Copies, map[bool]string{true: "place", false: "places"}[j.Copies == 1], j.Epochs, j.Head, extra)
	if j.Warning != "" {
		fmt.Fprintf(w, "%-16s WARN %s\n", "", j.Warning)
	}
}
