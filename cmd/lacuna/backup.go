package main

import (
	"errors"
	"fmt"
	"os"

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
			"interrupted backup goes on with the next call. A sweep ends the use of all backups but the newest: one is made behind each where\n" +
			"lacuna.json names a folder for backups; that is also where a backup goes that is told no folder.",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "folder to create, instead of the argument"},
			&cli.StringFlag{Name: "since", Usage: "an older backup, on the same disk: what it has is linked, not copied"},
			&cli.StringFlag{Name: "into", Usage: "folder of backups: make one in it that has the time as its name, since the newest there"},
		),
		Action: func(c *cli.Context) error {
			p, err := backupPlace(c)
			if err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error { return makeBackup(c, l, p) })
		},
	}
}

// A backupTo is where a backup goes: its own folder, or a folder of backups.
type backupTo struct {
	out, since string
	into       string
}

func backupPlace(c *cli.Context) (p backupTo, err error) {
	p = backupTo{out: c.String("output"), since: c.String("since"), into: c.String("into")}
	if p.into != "" && (p.out != "" || p.since != "") {
		return p, &usageError{err: errors.New("--into chooses the folder and the older backup itself"), hint: "lacuna backup --into FOLDER"}
	}
	if p.out != "" || p.into != "" {
		return p, noArguments(c)
	}
	if c.Args().Len() > 0 || p.since != "" {
		p.out, err = argument(c, "folder")
	}
	return p, err
}

func makeBackup(c *cli.Context, l *ledger.Ledger, p backupTo) (err error) {
	if p.out == "" && p.into == "" {
		if p.into = l.BackupsDir(); p.into == "" {
			return &usageError{err: errors.New("no folder is named, neither here nor in lacuna.json"), hint: "lacuna backup --into FOLDER"}
		}
		if _, err := os.Stat(p.into); err != nil {
			return withHint(fmt.Errorf("the folder for backups cannot be reached: %w", err), "mount it, or make it")
		}
	}
	var copied int64
	step, end := progress(c.App.ErrWriter, "reading")
	options := []ledger.BackupOption{
		ledger.Copied(&copied),
		ledger.BackupProgress(func(done, total int64) { step(uint64(done), uint64(total)) }),
	}
	if p.since != "" {
		options = append(options, ledger.Since(p.since))
	}
	var m ledger.Manifest
	if p.into != "" {
		p.out, m, err = l.BackupInto(c.Context, p.into, options...)
	} else {
		m, err = l.Backup(c.Context, p.out, options...)
	}
	end()
	if err != nil {
		if _, serr := os.Stat(p.out + ".partial"); p.out != "" && serr == nil {
			return withHint(err, "the next backup into this folder goes on where this one stopped")
		}
		return err
	}
	b := jsonv1.Backup{Version: jsonv1.BackupVersion, Folder: p.out, Made: m.Made, Size: m.Size, Root: m.Root, Epoch: m.Epoch, Generation: m.Generation, Files: len(m.Files), Copied: copied}
	for _, f := range m.Files {
		b.Bytes += f.Size
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, b)
	}
	fmt.Fprintf(c.App.Writer, "%s: %d entries, epoch %d; it holds no root\n", p.out, b.Size, b.Epoch)
	return nil
}
