package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/consent"
)

func mayCommand() *cli.Command {
	return &cli.Command{
		Name:        "may",
		Usage:       "ask whether something may be done",
		Description: "Exit 0 allow, 20 deny, 21 gap (something is not declared). A gap is not an allow.",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "subject", Usage: "the person", Required: true},
			&cli.StringFlag{Name: "purpose", Usage: "for what", Required: true},
			&cli.StringFlag{Name: "channel", Usage: "email, phone, chat, web, …"},
			&cli.StringFlag{Name: "contact", Usage: "contact address, as a URI"},
			&cli.StringFlag{Name: "recipient", Usage: "to whom data would go"},
		),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				a, err := l.May(c.Context, c.String("subject"), consent.Question{
					Purpose: c.String("purpose"), Channel: c.String("channel"),
					Contact: c.String("contact"), Recipient: c.String("recipient"),
				})
				if err != nil {
					return err
				}
				if err := printAnswer(c, a); err != nil {
					return err
				}
				switch a.Decision {
				case consent.Allow:
					return nil
				case consent.Deny:
					return &exitError{exitDeny}
				}
				return &exitError{exitGap}
			})
		},
	}
}

func printAnswer(c *cli.Context, a consent.Answer) error {
	if c.Bool("json") {
		j := jsonv1.Answer{Decision: a.Decision.String(), Basis: a.Basis, Reasons: []jsonv1.Reasoned{}, RestsOn: []jsonv1.RestsOn{}}
		for _, r := range a.Reasons {
			j.Reasons = append(j.Reasons, jsonv1.Reasoned{Reason: r.Code, Text: r.Text})
		}
		for _, r := range a.RestsOn {
			j.RestsOn = append(j.RestsOn, jsonv1.RestsOn{Index: r.Index, What: r.What})
		}
		if !a.ValidUntil.IsZero() {
			j.ValidUntil = &a.ValidUntil
		}
		return printJSON(c.App.Writer, j)
	}
	_, err := fmt.Fprintf(c.App.Writer, "%-6s %s\n", strings.ToUpper(a.Decision.String()), a.Text())
	return err
}
