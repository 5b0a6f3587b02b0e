package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

func backupCommand() *cli.Command {
	return &cli.Command{
		Name:      "backup",
		Usage:     "copy the ledger into a new folder, without root and signing key",
		ArgsUsage: "FOLDER",
		Description: "Whoever has the backup reads nothing and signs nothing; what is erased later is erased in it too. Keep the root and log.skey elsewhere.\n" +
			"With --into or --since only what is new is copied. Every backup is whole all the same: to drop an old one, remove its folder. An\n" +
			"interrupted backup goes on with the next call. A sweep ends the use of all backups but the newest: make one after each.",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "folder to create, instead of the argument"},
			&cli.StringFlag{Name: "since", Usage: "an older backup, on the same disk: what it has is linked, not copied"},
			&cli.StringFlag{Name: "into", Usage: "folder of backups: make one in it that has the time as its name, since the newest there"},
		),
		Action: func(c *cli.Context) error {
			out, since, err := backupPlace(c)
			if err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error { return makeBackup(c, l, out, since) })
		},
	}
}

// backupPlace is where the backup goes, and after which one it comes.
func backupPlace(c *cli.Context) (out, since string, err error) {
	into := c.String("into")
	if into == "" {
		if out = c.String("output"); out != "" {
			return out, c.String("since"), noArguments(c)
		}
		out, err = argument(c, "folder")
		return out, c.String("since"), err
	}
	if c.String("output") != "" || c.String("since") != "" {
		return "", "", &usageError{err: errors.New("--into chooses the folder and the older backup itself"), hint: "lacuna backup --into FOLDER"}
	}
	if err := noArguments(c); err != nil {
		return "", "", err
	}
	since, err = ledger.NewestBackup(into)
	var none *ledger.NotFoundError
	if errors.As(err, &none) {
		since, err = "", nil
	}
	if err != nil {
		return "", "", err
	}
	if since == filepath.Clean(into) {
		return "", "", &usageError{err: fmt.Errorf("%s is a backup, not a folder of backups", into), hint: "lacuna backup --into FOLDER"}
	}
	// One that was interrupted is finished, under its name.
	if begun, err := filepath.Glob(filepath.Join(into, "*.partial")); err == nil && len(begun) > 0 {
		return strings.TrimSuffix(begun[len(begun)-1], ".partial"), since, nil
	}
	return filepath.Join(into, time.Now().UTC().Format("2006-01-02T150405.000Z")), since, nil
}

func makeBackup(c *cli.Context, l *ledger.Ledger, out, since string) error {
	var copied int64
	step, end := progress(c.App.ErrWriter, "reading")
	options := []ledger.BackupOption{
		ledger.Copied(&copied),
		ledger.BackupProgress(func(done, total int64) { step(uint64(done), uint64(total)) }),
	}
	if since != "" {
		options = append(options, ledger.Since(since))
	}
	m, err := l.Backup(c.Context, out, options...)
	end()
	if err != nil {
		if _, serr := os.Stat(out + ".partial"); serr == nil {
			return withHint(err, "the next backup into this folder goes on where this one stopped")
		}
		return err
	}
	b := jsonv1.Backup{Version: jsonv1.BackupVersion, Folder: out, Made: m.Made, Size: m.Size, Root: m.Root, Epoch: m.Epoch, Generation: m.Generation, Files: len(m.Files), Copied: copied}
	for _, f := range m.Files {
		b.Bytes += f.Size
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, b)
	}
	fmt.Fprintf(c.App.Writer, "%s: %d entries, epoch %d; it holds no root\n", out, b.Size, b.Epoch)
	return nil
}
