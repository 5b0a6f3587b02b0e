package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/ledger/receipt"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:        "verify",
		Usage:       "verify proof files offline",
		ArgsUsage:   "FILE… (- for standard input)",
		Description: "Needs the proof and the log's public key, nothing else. Exit 10 where a file does not verify.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "key", Usage: "file with the log's public key (log.vkey)", Required: true},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return usage(errors.New("no proof file is named; - is standard input"))
			}
			key, err := os.ReadFile(c.String("key"))
			if err != nil {
				return err
			}
			failed := false
			for _, name := range c.Args().Slice() {
				b, err := readInput(c, name)
				if err != nil {
					return err
				}
				if c.NArg() > 1 && !c.Bool("json") {
					fmt.Fprintf(c.App.Writer, "%s\n", name)
				}
				r, err := receipt.Verify(b, strings.TrimSpace(string(key)))
				if r == nil {
					return err
				}
				failed = failed || err != nil
				if c.Bool("json") {
					err = printJSON(c.App.Writer, r)
				} else {
					_, err = io.WriteString(c.App.Writer, r.Text())
				}
				if err != nil {
					return err
				}
			}
			if failed {
				return &exitError{exitVerify}
			}
			return nil
		},
	}
}

func readInput(c *cli.Context, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(c.App.Reader, 16<<20))
	}
	return os.ReadFile(name)
}
