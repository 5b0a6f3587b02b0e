package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

func drillCommand() *cli.Command {
	return &cli.Command{
		Name:      "drill",
		Usage:     "prove in a scratch folder that a backup restores, and that who was erased stays erased",
		ArgsUsage: "BACKUP",
		Description: "BACKUP is a backup, or a folder of backups, of which the newest is taken. It is restored under the root as it is now and compared with the\n" +
			"ledger: the log is the same, every event of a living person opens, no event of an erased one does, not even under the keys that can be\n" +
			"derived from old key pages. The root is only read, and nothing is left behind. Exit 10 if the backup does not serve.",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "scratch", Usage: "folder for the copy, which needs as much space as the backup; default: that for temporary files"},
		),
		Action: func(c *cli.Context) error {
			from, err := argument(c, "backup")
			if err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				stage := ""
				step, end := func(uint64, uint64) {}, func() {}
				d, err := l.Drill(c.Context, ledger.DrillOptions{From: from, Scratch: c.String("scratch"), Progress: func(s string, done, total uint64) {
					if s != stage {
						end()
						step, end = progress(c.App.ErrWriter, s)
						stage = s
					}
					step(done, total)
				}})
				end()
				if d == nil {
					return err
				}
				if perr := printDrill(c, d); perr != nil {
					return perr
				}
				return err
			})
		},
	}
}

func printDrill(c *cli.Context, d *ledger.Drilled) error {
	w := c.App.Writer
	if c.Bool("json") {
		return printJSON(w, jsonv1.Drill{
			Version: jsonv1.DrillVersion, Backup: d.Backup, Serves: len(d.Problems) == 0, Size: d.Manifest.Size, Imported: d.Imported,
			Opened: d.Opened, Erased: d.Erased, Tried: d.Tried, Problems: append([]string{}, d.Problems...),
		})
	}
	for _, p := range d.Problems {
		fmt.Fprintf(w, "PROBLEM %s\n", p)
	}
	if len(d.Problems) > 0 {
		return nil
	}
	fmt.Fprintf(w, "%s restores: %d entries; %d sealed events open, %d erased ones stay erased\n", d.Backup, d.Manifest.Size, d.Opened, d.Erased)
	return nil
}
