package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

func fsckCommand() *cli.Command {
	return &cli.Command{
		Name:        "fsck",
		Usage:       "check everything: tree, key pages, sealed events, chains",
		Description: "Derives everything again and changes nothing. Exit 10 where something does not agree.",
		Flags:       ledgerFlags(),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				step, end := progress(c.App.ErrWriter, "checking")
				r, err := l.Fsck(c.Context, func(_ string, done, total uint64) { step(done, total) })
				end()
				if err != nil {
					return err
				}
				if err := l.RolledBack(); err != nil {
					r.Problems = append(r.Problems, err.Error())
				}
				return printFsck(c, r)
			})
		},
	}
}

func printFsck(c *cli.Context, r *ledger.FsckReport) error {
	w := c.App.Writer
	if c.Bool("json") {
		if err := printJSON(w, jsonv1.Checked{Size: r.Size, Root: r.Root.String(), Public: r.Public, Opened: r.Opened, Erased: r.Erased, Lost: r.Lost,
			Keys: r.Keys, Missing: append([]string{}, r.Missing...), Problems: append([]string{}, r.Problems...)}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(w, "%d entries, root %s\n", r.Size, r.Root)
		fmt.Fprintf(w, "%d public statements, %d sealed events open under %d living keys, %d erased\n", r.Public, r.Opened, r.Keys, r.Erased)
		if r.Lost > 0 {
			fmt.Fprintf(w, "%d lost, as was publicly stated\n", r.Lost)
		}
		for _, p := range r.Missing {
			fmt.Fprintf(w, "MISSING key page %s\n", p)
		}
		for _, p := range r.Problems {
			fmt.Fprintf(w, "FAILED %s\n", p)
		}
		if len(r.Problems)+len(r.Missing) == 0 {
			fmt.Fprintln(w, "ok")
		}
	}
	if len(r.Problems)+len(r.Missing) > 0 {
		return &exitError{exitVerify}
	}
	return nil
}
