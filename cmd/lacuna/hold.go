package main

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

const justification = "eu-gdpr:JustificationA17"

func holdCommand() *cli.Command {
	return &cli.Command{
		Name:  "hold",
		Usage: "keep data of a person from being erased (Art. 17(3))",
		Description: "A hold is an event about the person, and a flag on the keys of the compartment that it names: an erasure leaves them alone, or is\n" +
			"refused with exit 15 where nothing else is left, and retention passes them over. `lacuna record preservation.ordered` holds a whole ledger.",
		Subcommands: []*cli.Command{
			{
				Name:  "place",
				Usage: "hold a compartment of a person, or all of them",
				Flags: ledgerFlags(
					&cli.StringFlag{Name: "subject", Usage: "the person", Required: true},
					&cli.StringFlag{Name: "compartment", Usage: `what is held; "*" for everything`, Value: event.Everywhere},
					&cli.StringFlag{Name: "reason", Usage: "exception of Art. 17(3): " + strings.Join(holdReasons(), ", "), Required: true},
					&cli.StringFlag{Name: "review", Usage: "day on which somebody looks again, YYYY-MM-DD", Required: true},
					&cli.StringFlag{Name: "case", Usage: "the case it is for"},
				),
				Action: func(c *cli.Context) error {
					review, err := day(c, "review")
					if err != nil {
						return err
					}
					return recordAbout(c, "hold.placed", "compartment", c.String("compartment"),
						"reason_iri", justification+c.String("reason"), "review_at", review, "case_ref", c.String("case"))
				},
			},
			{
				Name:  "release",
				Usage: "end a hold",
				Flags: ledgerFlags(
					&cli.StringFlag{Name: "subject", Usage: "the person", Required: true},
					&cli.StringFlag{Name: "hold", Usage: "id of the hold, as lacuna hold list shows it", Required: true},
					&cli.StringFlag{Name: "reason", Usage: "why it is no longer needed"},
				),
				Action: func(c *cli.Context) error {
					return recordAbout(c, "hold.released", "hold", c.String("hold"), "reason", c.String("reason"))
				},
			},
			listHolds(false),
		},
	}
}

// holdReasons are the grounds of a hold without what they have in common.
func holdReasons() (out []string) {
	for _, g := range event.HoldGrounds() {
		out = append(out, strings.TrimPrefix(g, justification))
	}
	return out
}

// day reads a flag that is a day, as the time at which it begins.
func day(c *cli.Context, name string) (string, error) {
	text := c.String(name)
	if text == "" {
		return "", nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return "", usage(fmt.Errorf("--%s is a day, YYYY-MM-DD", name))
	}
	return t.Format(time.RFC3339), nil
}

// recordAbout records an event about --subject with members that are not empty.
func recordAbout(c *cli.Context, typ string, members ...string) error {
	if err := noArguments(c); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(`{"type":` + string(quote(typ)) + `,"subject":` + string(quote(c.String("subject"))))
	for i := 0; i < len(members); i += 2 {
		if members[i+1] != "" {
			b.WriteString("," + string(quote(members[i])) + ":" + string(quote(members[i+1])))
		}
	}
	b.WriteString("}")
	return withLedger(c, func(l *ledger.Ledger) error { return recordOne(c, l, []byte(b.String())) })
}

// listHolds lists the holds, or the restrictions, of one person or of everybody.
func listHolds(restrictions bool) *cli.Command {
	what := "holds"
	if restrictions {
		what = "restrictions"
	}
	return &cli.Command{
		Name:  "list",
		Usage: "list the " + what + " that are on, with the day of their review",
		Description: "Without --subject it reads the marked keys of everybody. Exit 10 where something cannot be read that may be one of them: it is named by its\n" +
			"entry, and the others are listed.",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "subject", Usage: "only those of this person"},
			&cli.BoolFlag{Name: "due", Usage: "only those whose review is due"},
		),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				var list *ledger.HoldList
				var err error
				switch {
				case !c.IsSet("subject"):
					list, err = l.AllHolds(c.Context)
				case c.String("subject") == "":
					return usage(errors.New("--subject is empty"))
				default:
					list, err = l.Holds(c.Context, c.String("subject"))
				}
				if err != nil {
					return err
				}
				return printHolds(c, l, list, restrictions)
			})
		},
	}
}

func printHolds(c *cli.Context, l *ledger.Ledger, list *ledger.HoldList, restrictions bool) error {
	out := []jsonv1.Hold{}
	var unread []jsonv1.Unread
	for _, u := range list.Unread {
		unread = append(unread, unreadJSON(u))
	}
	now := time.Now()
	add := func(h jsonv1.Hold, review time.Time) {
		h.Due = !review.IsZero() && !review.After(now)
		if !review.IsZero() {
			h.Review = review.UTC().Format(time.DateOnly)
		}
		if h.Due || !c.Bool("due") {
			out = append(out, h)
		}
	}
	for _, h := range list.Holds {
		if h.Restriction == restrictions {
			add(jsonv1.Hold{ID: h.ID, Subject: h.Subject, Compartment: h.Compartment, Ground: h.Ground, Law: h.Law(), Since: h.Since.UTC().Format(time.RFC3339), Index: h.Index}, h.Review)
		}
	}
	if !restrictions && !c.IsSet("subject") {
		for _, p := range l.Register().Preservations() {
			if p.Active {
				h := jsonv1.Hold{ID: p.ID, Compartment: event.Everywhere, Ground: p.Ground, Since: p.Since.UTC().Format(time.RFC3339)}
				if p.Compartments != nil {
					h.Compartment = strings.Join(p.Compartments, ",")
				}
				add(h, p.Review)
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Review < out[j].Review })
	if c.Bool("json") {
		if err := printJSON(c.App.Writer, jsonv1.Holds{Version: jsonv1.HoldsVersion, Holds: out, Unread: unread, Missing: list.Missing}); err != nil {
			return err
		}
	} else {
		printHoldsText(c.App.Writer, out, unread, list.Missing)
	}
	if len(unread)+len(list.Missing) > 0 {
		return &exitError{exitVerify}
	}
	return nil
}

func printHoldsText(w io.Writer, holds []jsonv1.Hold, unread []jsonv1.Unread, missing []string) {
	for _, h := range holds {
		who, review := h.Subject, "no review"
		if who == "" {
			who = "everybody"
		}
		if h.Review != "" {
			review = "review " + h.Review
		}
		if h.Due {
			review += " DUE"
		}
		fmt.Fprintf(w, "%s  %s  %s  %s  %s\n", h.ID, who, h.Compartment, strings.TrimPrefix(h.Ground, justification), review)
	}
	for _, p := range missing {
		fmt.Fprintf(w, "MISSING key page %s: who is on it may have more\n", p)
	}
	for _, u := range unread {
		fmt.Fprintf(w, "FAILED %s (%s): it may be one of these, or the end of one\n", u.Why, strings.TrimSpace(u.Compartment+" "+u.Cohort))
	}
}
