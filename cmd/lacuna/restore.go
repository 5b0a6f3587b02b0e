package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
)

func restoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "make a ledger from a backup, under the root as it is now",
		ArgsUsage: "BACKUP",
		Description: "BACKUP is a backup, or a folder of backups, of which the newest is taken; each of its files is compared with what was written. Who was\n" +
			"erased since the backup stays erased. Where the log had gone on since, the restored ledger only reads: what it would sign next would\n" +
			"contradict what others have seen. Of the backups from before a sweep only the newest can be restored.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "ledger", Usage: "folder to create", EnvVars: []string{"LACUNA_LEDGER"}, Required: true},
			&cli.StringFlag{Name: "from", Usage: "the backup, instead of the argument"},
			&cli.StringSliceFlag{Name: "root", Usage: "file of the root holder as it is now", EnvVars: []string{"LACUNA_ROOT"}},
			passphraseFile(),
			&cli.StringFlag{Name: "signing-key", Usage: "the log's signing key, log.skey", Required: true},
			&cli.StringFlag{Name: "mldsa-key", Usage: "the log's second signing key, log.mldsa.skey, if it has one"},
			&cli.StringFlag{Name: "pages", Usage: "folder that received key pages since the backup"},
			&cli.StringSliceFlag{Name: "custodian", Usage: "invitation of a custodian that the backup does not know of; - reads one from standard input, because others on this machine can see the arguments of a command"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: func(c *cli.Context) error {
			from := c.String("from")
			if from == "" {
				var err error
				if from, err = argument(c, "backup"); err != nil {
					return err
				}
			} else if err := noArguments(c); err != nil {
				return err
			}
			dir := c.String("ledger")
			roots := c.StringSlice("root")
			if len(roots) == 0 {
				roots = []string{filepath.Clean(dir) + ".root"}
			}
			custodians := c.StringSlice("custodian")
			for i, text := range custodians {
				var err error
				if custodians[i], err = invitation(c, text); err != nil {
					return err
				}
			}
			step, end := progress(c.App.ErrWriter, "copying")
			r, err := ledger.Restore(c.Context, ledger.RestoreOptions{
				Passphrase: askPassphrase(c),
				From:       from, Dir: dir, Root: roots, SigningKey: c.String("signing-key"), SecondKey: c.String("mldsa-key"), Pages: c.String("pages"),
				Custodians: custodians,
				Progress:   func(done, total int64) { step(uint64(done), uint64(total)) },
				Warn:       func(text string) { fmt.Fprintf(c.App.ErrWriter, "lacuna: warning: %s\n", text) },
			})
			end()
			if errors.As(err, new(*ledger.SweptError)) {
				return withHint(err, "restore a backup that was made since the sweep")
			}
			if errors.Is(err, keystore.ErrNoCompleteEpoch) && c.String("pages") == "" {
				return withHint(err, "give every root of the ledger; and for a backup from before an erasure --pages, the folder that receives its key pages (docs/howto/backup-and-restore.md)")
			}
			if err != nil {
				return err
			}
			return printRestored(c, dir, r)
		},
	}
}

func printRestored(c *cli.Context, dir string, r *ledger.Restored) error {
	if c.Bool("json") {
		return printJSON(c.App.Writer, jsonv1.Restored{
			Version: jsonv1.RestoredVersion, Ledger: dir, Backup: r.From, Size: r.Manifest.Size, KnownSize: r.Known, ReadOnly: r.Known > r.Manifest.Size || r.Swept,
			Imported: r.Imported, Missing: append([]string{}, r.Missing...),
		})
	}
	w := c.App.Writer
	fmt.Fprintf(w, "%s: %d entries, %d key pages brought up to date\n", dir, r.Manifest.Size, r.Imported)
	for _, p := range r.Missing {
		fmt.Fprintf(w, "MISSING key page %s: the people on it cannot be opened\n", p)
	}
	if r.Known > r.Manifest.Size {
		fmt.Fprintf(w, "the log had gone on to %d entries: this copy only reads\n", r.Known)
	} else if r.Swept {
		fmt.Fprintln(w, "a sweep came since this backup was made: this copy only reads")
	}
	if len(r.Missing) > 0 {
		return withHint(errors.New("key pages are missing"), "name the folder that received them with --pages, or restore a newer backup; lacuna lost states what is lost for good")
	}
	return nil
}
