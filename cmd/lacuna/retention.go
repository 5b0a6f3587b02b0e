package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/ledger"
)

func retentionCommand() *cli.Command {
	return &cli.Command{
		Name:  "retention",
		Usage: "destroy keys whose last day has passed",
		Subcommands: []*cli.Command{{
			Name:  "run",
			Usage: "destroy every key whose last day has passed",
			Flags: ledgerFlags(
				&cli.StringFlag{Name: "now", Usage: "act as if today were this day, YYYY-MM-DD; a day to come has to be confirmed, and is refused where the policy has approvers"},
				&cli.BoolFlag{Name: "dry-run", Usage: "only list"},
				&cli.BoolFlag{Name: "yes", Usage: "do not ask when --now is a day to come (for scripts)"},
				&cli.BoolFlag{Name: "more-than-cap", Usage: "go on where more people are due than the policy lets one epoch erase; it takes several epochs"},
			),
			Action: func(c *cli.Context) error {
				if err := noArguments(c); err != nil {
					return err
				}
				at := time.Now()
				if text := c.String("now"); text != "" {
					var err error
					if at, err = time.Parse(time.DateOnly, text); err != nil {
						return usage(errors.New("--now is a day, YYYY-MM-DD"))
					}
				}
				return withLedger(c, func(l *ledger.Ledger) error {
					return runRetention(c, l, at)
				})
			},
		}},
	}
}

// confirmFuture asks before it destroys what is not due today: a mistyped year, in a
// script or at a terminal, would destroy everything that has a last day. Where others
// have to approve an erasure, nobody gets around them by naming a day.
func confirmFuture(c *cli.Context, l *ledger.Ledger, at time.Time) error {
	if !at.After(time.Now()) {
		return nil
	}
	config, err := ledger.ReadConfig(c.String("ledger"))
	if err != nil {
		return err
	}
	if config.Erasing != nil && len(config.Erasing.Approvers) > 0 {
		return withHint(fmt.Errorf("%w: the policy has approvers, and what is not due yet is erased with them alone; nothing was destroyed", erasure.ErrNotApproved),
			"without --now it destroys what is due today, --dry-run only lists")
	}
	if c.Bool("yes") {
		return nil
	}
	lines, _, err := l.RetentionPlan(c.Context, at)
	if err != nil {
		return err
	}
	keys := 0
	for _, r := range lines {
		keys += r.Keys
	}
	day := at.Format(time.DateOnly)
	fmt.Fprintf(c.App.ErrWriter, "%d %s that are due by %s would be destroyed today; there is no way back.\n", keys, plural(keys, "key"), day)
	return confirm(c, day, "Type the day to destroy them: ")
}

// underCap refuses a run that is probably a mistake: it would destroy the keys of
// more people than the policy lets one epoch erase.
func underCap(c *cli.Context, l *ledger.Ledger, at time.Time) error {
	config, err := ledger.ReadConfig(c.String("ledger"))
	if err != nil || config.Erasing == nil || config.Erasing.SubjectsPerEpoch == 0 || c.Bool("more-than-cap") {
		return err
	}
	_, keys, err := l.RetentionPlan(c.Context, at)
	if err != nil {
		return err
	}
	people := make(map[string]bool)
	for _, k := range keys {
		people[string(k.Ref.Bytes()[:16])] = true
	}
	if len(people) <= config.Erasing.SubjectsPerEpoch {
		return nil
	}
	return withHint(fmt.Errorf("%w: %d people are due, and the policy lets one epoch erase %d; nothing was destroyed", erasure.ErrTooMany, len(people), config.Erasing.SubjectsPerEpoch),
		"--dry-run lists them, --more-than-cap goes on")
}

func runRetention(c *cli.Context, l *ledger.Ledger, at time.Time) error {
	before := l.Log().Head().Checkpoint
	var lines []ledger.RetentionLine
	var err error
	if c.Bool("dry-run") {
		lines, _, err = l.RetentionPlan(c.Context, at)
	} else {
		if err := underCap(c, l, at); err != nil {
			return err
		}
		if err := confirmFuture(c, l, at); err != nil {
			return err
		}
		lines, _, err = l.RunRetention(c.Context, at)
	}
	if err != nil {
		return err
	}
	if !c.Bool("dry-run") {
		sweepIfDue(c, l)
	}
	// What was logged has not changed: the same entries still have the same root.
	root, err := l.Log().RootAt(c.Context, before.Size)
	if err != nil {
		return err
	}
	if root != before.Root {
		return &ledger.VerifyError{Problems: []string{fmt.Sprintf("the first %d entries had root %s, now they have %s", before.Size, before.Root, root)}}
	}
	out := jsonv1.Retained{DryRun: c.Bool("dry-run"), Destroyed: expirations(lines), Entries: before.Size, Root: before.Root.String()}
	stays, err := l.RetentionStays(c.Context, at)
	if err != nil {
		return err
	}
	out.Kept = expirations(stays)
	if c.Bool("json") {
		return printJSON(c.App.Writer, out)
	}
	verb := "destroyed"
	if c.Bool("dry-run") {
		verb = "to be destroyed"
	}
	keys := 0
	for _, r := range out.Destroyed {
		keys += r.Keys
		fmt.Fprintf(c.App.Writer, "%s %s: %d %s %s, expired %s\n", r.Compartment, r.Cohort, r.Keys, plural(r.Keys, "key"), verb, r.Expired)
	}
	for _, r := range out.Kept {
		fmt.Fprintf(c.App.Writer, "%s %s: %d %s kept by a hold or a restriction, expired %s\n", r.Compartment, r.Cohort, r.Keys, plural(r.Keys, "key"), r.Expired)
	}
	fmt.Fprintf(c.App.Writer, "%d %s %s. What was logged has not changed: %d entries, same root.\n", keys, plural(keys, "key"), verb, before.Size)
	return nil
}

func expirations(lines []ledger.RetentionLine) []jsonv1.Expiration {
	out := []jsonv1.Expiration{}
	for _, r := range lines {
		out = append(out, jsonv1.Expiration{Compartment: r.Compartment, Cohort: r.Cohort, Expired: r.Expired.Format(time.DateOnly), Keys: r.Keys})
	}
	return out
}
