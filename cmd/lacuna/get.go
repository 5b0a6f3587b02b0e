package main

import (
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

func getCommand() *cli.Command {
	return &cli.Command{
		Name:      "get",
		Usage:     "print one entry",
		ArgsUsage: "INDEX",
		Description: "Exit 11 where the entry was erased, 12 where there is no such entry. One that was publicly stated as lost, or cannot be\n" +
			"read although no erasure accounts for it, is neither: exit 1.",
		Flags: ledgerFlags(),
		Action: func(c *cli.Context) error {
			arg, err := argument(c, "index")
			if err != nil {
				return err
			}
			index, err := strconv.ParseUint(arg, 10, 64)
			if err != nil {
				return usage(errors.New("an index is a whole number from 0"))
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				e, err := l.Get(c.Context, index)
				if err != nil {
					return err
				}
				return printJSON(c.App.Writer, entryJSON(e))
			})
		},
	}
}

func entryJSON(e ledger.Entry) jsonv1.Entry {
	return jsonv1.Entry{Index: e.Index, Compartment: e.Compartment, Cohort: e.Cohort.String(), Public: e.Public, Event: e.Event.Canonical()}
}

func subjectCommand() *cli.Command {
	return &cli.Command{
		Name:  "subject",
		Usage: "what is known about a person",
		Subcommands: []*cli.Command{{
			Name:        "timeline",
			Usage:       "every event about a person, in the order of the log",
			ArgsUsage:   "SUBJECT",
			Description: "Exit 12 where nothing is known, which is the same whether nothing was ever recorded or all of it was erased.",
			Flags:       ledgerFlags(),
			Action: func(c *cli.Context) error {
				person, err := argument(c, "subject")
				if err != nil {
					return err
				}
				return withLedger(c, func(l *ledger.Ledger) error {
					entries, err := l.Timeline(c.Context, person)
					if err != nil {
						return err
					}
					if c.Bool("json") {
						for _, e := range entries {
							if err := printJSON(c.App.Writer, entryJSON(e)); err != nil {
								return err
							}
						}
						return nil
					}
					w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
					for _, e := range entries {
						fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", e.Index, e.Event.Str("event_time"), e.Event.Type(), e.Event.Str("purpose"), e.Event.Str("channel"), place(e))
					}
					return w.Flush()
				})
			},
		}},
	}
}

func place(e ledger.Entry) string {
	if s := e.Cohort.String(); s != "" {
		return e.Compartment + " " + s
	}
	return e.Compartment
}
