package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	certificates "github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger"
)

func auditSampleCommand() *cli.Command {
	return &cli.Command{
		Name:  "sample",
		Usage: "answer an auditor who draws entries with a seed of their own",
		Description: "Each entry that SHA-256(seed || head) draws comes with an opening or with the bit by which the last sweep committed to whether it is erased.\n" +
			"The file verifies with the log's public key alone: lacuna verify --key log.vkey --seed TEXT FILE. Without --open nothing of an entry that\n" +
			"lives is shown. Let the auditor have a head first, and ask for the seed afterwards: then neither side chooses.",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "seed", Usage: "the auditor's seed, any `TEXT` that nobody could foresee", Required: true},
			&cli.IntFlag{Name: "n", Usage: "draw so many entries", Value: 100},
			&cli.IntFlag{Name: "blocks", Usage: "draw so many blocks of 4,096 entries, and show each bit of them: their totals are then proven"},
			&cli.StringFlag{Name: "head", Usage: "signed head that the auditor has from before (default: the newest)"},
			&cli.BoolFlag{Name: "open", Usage: "under supervision: open the entries that a key opens"},
			&cli.StringFlag{Name: "reveal", Usage: "with --open: members to show, with commas between (default: type)"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "file to write (default: standard output)"},
		),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			o, err := sampleOptions(c)
			if err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				step, end := stages(c.App.ErrWriter, "going through")
				o.Progress = step
				s, err := l.AuditSample(c.Context, o)
				end()
				if err != nil {
					return err
				}
				return writeSample(c, s)
			})
		},
	}
}

func sampleOptions(c *cli.Context) (o ledger.SampleOptions, err error) {
	o = ledger.SampleOptions{Leaves: c.Int("n"), Blocks: c.Int("blocks"), Open: c.Bool("open")}
	if o.Seed, err = certificates.SeedOf(c.String("seed")); err != nil {
		return o, &usageError{err: fmt.Errorf("--seed: %w", err), hint: "openssl rand -hex 32 draws one"}
	}
	if o.Leaves < 0 || o.Leaves > certificates.MaxSampleLeaves || o.Blocks < 0 || o.Blocks > certificates.MaxSampleBlocks {
		return o, usage(fmt.Errorf("a sample has at most %d entries and %d blocks", certificates.MaxSampleLeaves, certificates.MaxSampleBlocks))
	}
	if o.Leaves == 0 && o.Blocks == 0 {
		return o, usage(errors.New("a sample of nothing: -n says how many entries are drawn, --blocks how many blocks"))
	}
	if o.Reveal, err = revealed(c); err != nil {
		return o, err
	}
	if len(o.Reveal) > 0 && !o.Open {
		return o, usage(errors.New("--reveal says what --open shows, and is nothing without it"))
	}
	if name := c.String("head"); name != "" {
		o.Head, err = readAtMost(name, 1<<20)
	}
	return o, err
}

// revealed reads --reveal.
func revealed(c *cli.Context) (names []string, err error) {
	if !c.IsSet("reveal") {
		return nil, nil
	}
	for name := range strings.SplitSeq(c.String("reveal"), ",") {
		if name = strings.TrimSpace(name); name == "" {
			return nil, usage(errors.New("--reveal: a member's name is empty"))
		}
		names = append(names, name)
	}
	return names, nil
}

// writeSample writes a sample; it never overwrites anything.
func writeSample(c *cli.Context, s *certificates.Sample) error {
	text, err := s.Marshal()
	if err != nil {
		return err
	}
	name := c.String("output")
	if name == "" || name == "-" {
		_, err := c.App.Writer.Write(text)
		return err
	}
	if err := writeNew(name, text, 0o600); err != nil {
		return err
	}
	claims := map[string]int{}
	unstated := 0
	for _, l := range s.Leaves {
		claims[l.Claim]++
		if l.Claim == certificates.ClaimLost && l.Lost == nil {
			unstated++
		}
	}
	if unstated > 0 {
		fmt.Fprintf(c.App.ErrWriter, "lacuna: %d of them cannot be read, no erasure accounts for that, and nobody has stated it\n", unstated)
		fmt.Fprintln(c.App.ErrWriter, "hint: lacuna fsck says what is damaged; lacuna lost states it in public")
	}
	out := jsonv1.AuditSample{
		Version: jsonv1.AuditSampleVersion, File: name, Leaves: len(s.Leaves), Blocks: len(s.Blocks),
		Opened: claims[certificates.ClaimOpened], Living: claims[certificates.ClaimLiving], Erased: claims[certificates.ClaimErased], Lost: claims[certificates.ClaimLost],
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, out)
	}
	_, err = fmt.Fprintf(c.App.Writer, "%d entries drawn: %d opened, %d living and not opened, %d erased, %d lost. The sample is in %s.\n",
		out.Leaves, out.Opened, out.Living, out.Erased, out.Lost, name)
	return err
}

// writeNew writes a file that does not exist yet.
func writeNew(name string, b []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

func auditOpenCommand() *cli.Command {
	return &cli.Command{
		Name:      "open",
		Usage:     "open entries under supervision, without knowing whose they are",
		ArgsUsage: "INDEX…",
		Description: "That it was done, which entries and why is recorded first. Which key opens an entry is found in memory: a stored map would link people's records.\n" +
			"Of each entry that a key opens a proof is written; all members are shown but _seq and _prev. Exit 11 where an entry is erased.",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "reason", Usage: "for whom, and why; it is recorded", Required: true},
			&cli.StringFlag{Name: "reveal", Usage: "members to show, with commas between"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "folder for the proofs, entry-INDEX.tlog-proof", Value: "."},
		),
		Action: func(c *cli.Context) error {
			var entries []uint64
			for _, a := range c.Args().Slice() {
				i, err := strconv.ParseUint(a, 10, 63)
				if err != nil {
					return usage(fmt.Errorf("%q is no index of an entry", a))
				}
				entries = append(entries, i)
			}
			if len(entries) == 0 {
				return usage(errors.New("the index of an entry is missing"))
			}
			reveal, err := revealed(c)
			if err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				opened, err := l.AuditOpen(c.Context, entries, c.String("reason"), reveal)
				if err != nil {
					return err
				}
				return writeOpened(c, opened)
			})
		},
	}
}

// writeOpened writes the proofs, and says of each entry what became of it. The error is that of the first
// entry that was not opened.
func writeOpened(c *cli.Context, opened []ledger.AuditOpened) error {
	folder := c.String("output")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	out := jsonv1.AuditOpened{Version: jsonv1.AuditOpenedVersion, Entries: []jsonv1.AuditEntry{}}
	var first error
	for _, o := range opened {
		e := jsonv1.AuditEntry{Index: o.Index}
		if o.Err != nil {
			e.Error = o.Err.Error()
			if first == nil {
				first = o.Err
			}
		} else {
			e.File = filepath.Join(folder, fmt.Sprintf("entry-%d%s", o.Index, besidesCertificate))
			if err := writeProof(c, e.File, o.Proof); err != nil {
				return err
			}
		}
		out.Entries = append(out.Entries, e)
	}
	if c.Bool("json") {
		return errors.Join(printJSON(c.App.Writer, out), first)
	}
	for _, e := range out.Entries {
		what := e.File
		if e.Error != "" {
			what = e.Error
		}
		if _, err := fmt.Fprintf(c.App.Writer, "entry %d: %s\n", e.Index, what); err != nil {
			return err
		}
	}
	return first
}
