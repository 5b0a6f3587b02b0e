package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/erasure"
	paper "github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle"
)

func approveCommand() *cli.Command {
	return &cli.Command{
		Name:      "approve",
		Usage:     "agree to an erasure that waits for approval",
		ArgsUsage: "ID",
		Description: "Shows what would be erased, asks for the subject id, and signs. Nothing is destroyed: lacuna erase run does that, and lacuna serve, which\n" +
			"is stopped while somebody approves. The signature stands in the certificate, where whoever knows the approver's verifier key verifies it.",
		Flags: ledgerFlagsOptional(
			&cli.StringFlag{Name: "key", Usage: "file with the approver's key, made by lacuna approve key", EnvVars: []string{"LACUNA_APPROVER_KEY"}},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask (for scripts)"},
		),
		Subcommands: []*cli.Command{approveKeyCommand(), approvePolicyCommand()},
		Action:      approve,
	}
}

func approve(c *cli.Context) error {
	id, err := erasureID(c)
	if err != nil {
		return err
	}
	if c.String("ledger") == "" || c.String("key") == "" {
		return &usageError{err: errors.New("--ledger and --key are needed to approve"), hint: "lacuna approve --help"}
	}
	text, err := readAtMost(c.String("key"), 1<<16)
	if err != nil {
		return err
	}
	signer, err := merkle.NewSigner(strings.TrimSpace(string(text)))
	if err != nil {
		return usage(fmt.Errorf("%s: %w", c.String("key"), err))
	}
	return withLedger(c, func(l *ledger.Ledger) error {
		for _, w := range l.WaitingErasures() {
			if w.ID != id {
				continue
			}
			if !c.Bool("yes") {
				j := waitingErasure(w)
				person := strings.TrimPrefix(string(w.Subject), "s:")
				fmt.Fprintf(c.App.ErrWriter, "request %s, asked %s: %s\nof %s: %s\n", j.ID, j.Asked, j.Scope, person, strings.Join(j.Erases, ", "))
				if err := confirm(c, person, "Type the subject id to approve: "); err != nil {
					return err
				}
			}
			a, err := paper.Approve(signer, l.Origin(), w.Commitment)
			if err != nil {
				return err
			}
			after, err := l.ApproveErasure(c.Context, id, a)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return printJSON(c.App.Writer, waitingErasure(after))
			}
			fmt.Fprintf(c.App.ErrWriter, "approved: %d of %d; %s\n", len(after.Approvals), after.Need, waitingErasure(after).Status)
			return nil
		}
		return erasure.ErrNotWaiting
	})
}

func approveKeyCommand() *cli.Command {
	return &cli.Command{
		Name:        "key",
		Usage:       "make the key of an approver",
		Description: "Writes the secret key to a file that only you can read, and prints the verifier key, which goes into the ledger's policy.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "name of the key, say dpo.example.com; it stands in no certificate", Required: true},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "file for the secret key", Required: true},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			skey, vkey, err := merkle.GenerateKey(rand.Reader, c.String("name"))
			if err != nil {
				return usage(err)
			}
			f, err := os.OpenFile(c.String("output"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			_, err = f.WriteString(skey + "\n")
			if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
				return err
			}
			if c.Bool("json") {
				return printJSON(c.App.Writer, jsonv1.Approver{Key: vkey, File: c.String("output")})
			}
			_, err = fmt.Fprintln(c.App.Writer, vkey)
			return err
		},
	}
}

func approvePolicyCommand() *cli.Command {
	return &cli.Command{
		Name:  "policy",
		Usage: "say what erasures of this ledger have to wait for",
		Description: "Shows the policy in lacuna.json, or replaces all of it by what the flags say. Dependents and epoch_pause that stand there stay. The ledger must not be open.\n" +
			"The policy is as strong as that file: whoever can write it can erase. Certificates show who approved, to whoever knows the keys.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "ledger", Usage: "folder of the ledger", EnvVars: []string{"LACUNA_LEDGER"}, Required: true},
			&cli.StringSliceFlag{Name: "approver", Usage: "verifier key of somebody who may approve; several times for several"},
			&cli.IntFlag{Name: "approvals", Usage: "approvals that every erasure of a person needs"},
			&cli.IntFlag{Name: "everything", Usage: "approvals that --everything needs; at least one where there are approvers"},
			&cli.StringFlag{Name: "cooling-off", Usage: "how long a request waits, ISO 8601: P3D"},
			&cli.IntFlag{Name: "subjects-per-epoch", Usage: "how many people one epoch erases at most"},
			&cli.BoolFlag{Name: "none", Usage: "take the policy away: erasures begin at once"},
		},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			config, err := ledger.ReadConfig(c.String("ledger"))
			if err != nil {
				return err
			}
			p := ledger.ErasePolicy{Approvers: c.StringSlice("approver"), Approvals: c.Int("approvals"), Everything: c.Int("everything"),
				CoolingOff: c.String("cooling-off"), SubjectsPerEpoch: c.Int("subjects-per-epoch")}
			if config.Erasing != nil {
				p.Dependents, p.EpochPause = config.Erasing.Dependents, config.Erasing.EpochPause
			}
			says := slices.ContainsFunc([]string{"approver", "approvals", "everything", "cooling-off", "subjects-per-epoch"}, c.IsSet)
			switch {
			case says && c.Bool("none"):
				return usage(errors.New("--none takes the policy away, and the other flags say what it is"))
			case says || c.Bool("none"):
				if err := ledger.SetErasePolicy(c.String("ledger"), p); err != nil {
					return err
				}
			case config.Erasing != nil:
				p = *config.Erasing
			}
			printErasePolicy(c.App.Writer, &p)
			return nil
		},
	}
}

// printErasePolicy says in words what erasures have to wait for.
func printErasePolicy(w io.Writer, p *ledger.ErasePolicy) {
	for _, a := range p.Approvers {
		fmt.Fprintln(w, "approver   "+a)
	}
	if every, all := p.Need(false), p.Need(true); all > 0 {
		fmt.Fprintf(w, "approvals  %d for an erasure of a person, %d with --everything\n", every, all)
	} else {
		fmt.Fprintln(w, "approvals  none")
	}
	if p.CoolingOff != "" {
		fmt.Fprintln(w, "waits      "+p.CoolingOff)
	} else {
		fmt.Fprintln(w, "waits      no time")
	}
	if n := p.SubjectsPerEpoch; n > 0 {
		fmt.Fprintf(w, "one epoch  erases at most %d %s\n", n, map[bool]string{true: "person", false: "people"}[n == 1])
	}
	for _, d := range p.Dependents {
		fmt.Fprintln(w, "dependent  "+d.Name)
	}
}
