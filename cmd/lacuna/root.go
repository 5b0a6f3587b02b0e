package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

func placeFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "ledger", Usage: "folder of the ledger", EnvVars: []string{"LACUNA_LEDGER"}, Required: true},
		passphraseFile(),
		&cli.BoolFlag{Name: "json", Usage: "print JSON"},
	}, more...)
}

// printPlaces prints where the root and key pages are after a change: say in words, or
// all of it as JSON.
func printPlaces(c *cli.Context, out jsonv1.Places, say func(jsonv1.Places) string) error {
	config, err := ledger.ReadConfig(c.String("ledger"))
	if err != nil {
		return err
	}
	out.Root, out.Pages = config.Root, config.Pages
	if out.Wiped != nil && len(out.Root) == 1 {
		warnOnePlace(c.App.ErrWriter, c.String("ledger"), "IT")
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, out)
	}
	_, err = fmt.Fprintln(c.App.Writer, say(out))
	return err
}

func rootCommand() *cli.Command {
	return &cli.Command{
		Name:  "root",
		Usage: "change the places of the root",
		Subcommands: []*cli.Command{{
			Name:      "add",
			Usage:     "put a copy of the root into one more place",
			ArgsUsage: "FILE",
			Description: "FILE is made, on another disk; or it is an empty partition, or the URI of a token (docs/howto/protect-the-root.md). From then on the\n" +
				"ledger needs all places, and erases in all.",
			Flags: placeFlags(),
			Action: func(c *cli.Context) error {
				root, err := oneArgument(c, "FILE")
				if err != nil {
					return err
				}
				if err := ledger.AddRoot(c.Context, openOptions(c), root); err != nil {
					return err
				}
				return printPlaces(c, jsonv1.Places{}, func(p jsonv1.Places) string { return fmt.Sprintf("the root is in %d places", len(p.Root)) })
			},
		}, {
			Name:      "remove",
			Usage:     "give up one of several places of the root",
			ArgsUsage: "FILE",
			Description: "The copy is wiped. Where it cannot be reached, --lost gives it up as it is: it keeps a root, and whoever finds it reads what is\n" +
				"erased later, until the next sweep. Several that are lost are given up one after the other.",
			Flags: placeFlags(&cli.BoolFlag{Name: "lost", Usage: "the copy cannot be reached any more"}),
			Action: func(c *cli.Context) error {
				root, err := oneArgument(c, "FILE")
				if err != nil {
					return err
				}
				wiped, err := ledger.RemoveRoot(c.Context, openOptions(c), root, c.Bool("lost"))
				if err != nil {
					return err
				}
				if !wiped {
					fmt.Fprintf(c.App.ErrWriter, "lacuna: warning: %s was not wiped: destroy the disk it is on when it turns up\n", root)
				}
				return printPlaces(c, jsonv1.Places{Wiped: &wiped}, func(jsonv1.Places) string { return root + " is no place of the root any more" })
			},
		}, {
			Name:  "passphrase",
			Usage: "change the passphrase of the root, give it one, or take it away",
			Description: "The files of the root are written anew in place, and a new root follows. The new passphrase comes from --new-passphrase-file or\n" +
				newPassphraseEnv + ", or is asked for at the terminal. If this is interrupted, the old passphrase or the new one opens the ledger; then do it\n" +
				"again. It does not reach copies of the files that somebody made before: see docs/howto/protect-the-root.md.",
			Flags: placeFlags(
				&cli.StringFlag{Name: "new-passphrase-file", Usage: "file with the new passphrase"},
				&cli.BoolFlag{Name: "none", Usage: "the root is not sealed any more"},
			),
			Action: func(c *cli.Context) error {
				if err := noArguments(c); err != nil {
					return err
				}
				next, err := changedPassphrase(c)
				if err != nil {
					return err
				}
				if err := ledger.ChangePassphrase(c.Context, openOptions(c), next); err != nil {
					return err
				}
				sealed := next != nil
				return printPlaces(c, jsonv1.Places{Sealed: &sealed}, func(jsonv1.Places) string {
					if sealed {
						return "the root is sealed by the new passphrase"
					}
					return "the root is not sealed any more"
				})
			},
		}},
	}
}

func pagesCommand() *cli.Command {
	return &cli.Command{
		Name:        "pages",
		Usage:       "have key pages written to a folder on another disk before an old root is destroyed",
		ArgsUsage:   "FOLDER",
		Description: "The folder gets every key page there is, in an epoch that erases nobody; with it every backup, also one from before, opens whoever lives.",
		Flags:       placeFlags(),
		Action: func(c *cli.Context) error {
			pages, err := oneArgument(c, "FOLDER")
			if err != nil {
				return err
			}
			if err := ledger.MovePages(c.Context, openOptions(c), pages); err != nil {
				return err
			}
			return printPlaces(c, jsonv1.Places{}, func(jsonv1.Places) string { return "key pages are also written to " + pages })
		},
	}
}

func oneArgument(c *cli.Context, what string) (string, error) {
	if c.NArg() != 1 || c.Args().First() == "" {
		return "", usage(errors.New("give one " + what))
	}
	return c.Args().First(), nil
}
