package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/merkle/audit"
)

func mirrorCommand() *cli.Command {
	return &cli.Command{
		Name:  "mirror",
		Usage: "keep a verified copy of a log that any file server can serve",
		Description: "Copies any log after C2SP tlog-tiles byte for byte. Nothing is written that was not verified, and the folder always holds all that its\n" +
			"checkpoint covers. It remembers what it has seen: a log that contradicts that is found, and both signed heads go into a file beside the folder. Exit 10 where\n" +
			"anything does not verify, 13 where the log cannot be reached. It may be stopped at any moment, and goes on from there.",
		Flags: followFlags(
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "folder of the mirror", Required: true},
			&cli.BoolFlag{Name: "again", Usage: "verify every file in the folder that the head covers, and fetch anew what is wrong or missing"},
		),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			src, l, meter, err := openFollowed(c)
			if err != nil {
				return err
			}
			dir := c.String("output")
			if sameFolder(c.String("url"), dir) {
				return &usageError{err: errors.New("a folder cannot mirror itself"), hint: "lacuna audit --url " + dir + " checks what is there"}
			}
			if err := forPublic(dir); err != nil {
				return err
			}
			m, err := audit.OpenMirror(dir, src, l)
			if err != nil {
				return err
			}
			m.Parallel, m.Again = c.Int("parallel"), c.Bool("again")
			err = follow(c, src, l, meter, filepath.Clean(dir), func(ctx context.Context) (audit.Report, error) {
				step, end := progress(c.App.ErrWriter, "copying")
				defer end()
				m.Progress = step
				r, err := m.Update(ctx)
				if err == nil {
					m.Again = false // once is what was asked for
				}
				return r, err
			})
			return errors.Join(err, m.Close())
		},
	}
}

// forPublic refuses a folder to write a log into for everybody to read if it has files
// that are none of a log's: whatever lies there would be served with it, a ledger's signing
// key, say. What is beside a log that is there already was put there by who serves it.
func forPublic(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return usage(err)
	}
	other := ""
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "checkpoint" || name == "tile":
			return nil
		case !strings.HasPrefix(name, ".") && name != "lost+found":
			other = name
		}
	}
	if other == "" {
		return nil
	}
	return &usageError{err: fmt.Errorf("%s holds %s, which would be served together with the log", dir, other), hint: "name an empty folder, or one that does not exist yet"}
}

// sameFolder reports whether a source is the folder dir. Every file of it would be
// "verified" against itself.
func sameFolder(source, dir string) bool {
	a, err1 := os.Stat(strings.TrimPrefix(source, "file://"))
	b, err2 := os.Stat(dir)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}
