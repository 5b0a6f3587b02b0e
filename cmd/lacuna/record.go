package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

func recordCommand() *cli.Command {
	return &cli.Command{
		Name:      "record",
		Usage:     "record one event",
		ArgsUsage: "TYPE member=value…",
		Description: "A value is taken as JSON where it is an object, an array, a number, true, false or null, and as text otherwise:\n" +
			"lacuna record consent.withdrawn subject=c-2 purpose='*' channel=chat",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "receipt", Usage: "write a proof file of the event for the person: who withdraws should get one"},
			&cli.BoolFlag{Name: "check", Usage: "record nothing; print the full form as it would be sealed"},
		),
		Action: func(c *cli.Context) error {
			text, err := eventFromArguments(c.Args().Slice())
			if err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				return recordOne(c, l, text)
			})
		},
	}
}

func recordOne(c *cli.Context, l *ledger.Ledger, text []byte) error {
	ev, err := event.Parse(text)
	if err == nil {
		ev, err = withFiles(ev, ".")
	}
	if err == nil && c.Bool("check") {
		var r ledger.Checked
		if r, err = l.Checker().Check(c.Context, ev); err == nil {
			if r.Replayed {
				fmt.Fprintln(c.App.ErrWriter, "recorded before")
			}
			for _, f := range r.Full {
				fmt.Fprintf(c.App.Writer, "%s\n", f.Canonical())
			}
			return nil
		}
	}
	var recorded []ledger.Recorded
	if err == nil {
		recorded, err = l.Record(c.Context, ev)
	}
	var refused *event.Refused
	if errors.As(err, &refused) {
		if c.Bool("json") {
			j := jsonv1.Refused{Line: 1, Retryable: refused.Retryable}
			for _, r := range refused.Reasons {
				j.Refused = append(j.Refused, jsonv1.Reason{Reason: r.Reason, Path: r.Path, Hint: r.Hint})
			}
			if err := printJSON(c.App.Writer, j); err != nil {
				return err
			}
			return &exitError{exitRefused}
		}
		printRefusal(c.App.ErrWriter, "lacuna", refused)
		return &exitError{exitRefused}
	}
	if err != nil {
		return err
	}
	a := &appender{c: c, out: bufio.NewWriter(c.App.Writer)}
	for _, r := range recorded {
		if err := a.answer(1, r); err != nil {
			return err
		}
	}
	if err := a.out.Flush(); err != nil || c.String("receipt") == "" {
		return err
	}
	return writeReceipts(c, l, ev.Str("subject"), recorded)
}

// writeReceipts writes what the person gets: FILE, and FILE.2, FILE.3 where one request
// became several events.
func writeReceipts(c *cli.Context, l *ledger.Ledger, person string, recorded []ledger.Recorded) error {
	if person == "" {
		return usage(errors.New("--receipt is for events about a person; this one is recorded"))
	}
	for i, r := range recorded {
		name := c.String("receipt")
		if i > 0 {
			name += fmt.Sprintf(".%d", i+1)
		}
		p, err := l.Receipt(c.Context, person, r)
		if err == nil {
			err = writeProof(c, name, p.File)
		}
		if err != nil {
			return withHint(fmt.Errorf("the event is recorded, but not its receipt: %w", err), fmt.Sprintf("lacuna prove --index %d", r.Index))
		}
	}
	return nil
}

// eventFromArguments makes the JSON of an event from TYPE member=value….
func eventFromArguments(args []string) ([]byte, error) {
	if len(args) == 0 {
		return nil, usage(errors.New("no event type is named"))
	}
	var b strings.Builder
	b.WriteString(`{"type":` + string(quote(args[0])))
	for i, a := range args[1:] {
		name, value, ok := strings.Cut(a, "=")
		if !ok || name == "" {
			return nil, &usageError{err: fmt.Errorf("argument %d is not member=value", i+2), hint: "lacuna record consent.withdrawn subject=c-2 purpose='*' channel=chat"}
		}
		b.WriteString("," + string(quote(name)) + ":")
		if isJSON(value) {
			b.WriteString(value)
		} else {
			b.Write(quote(value))
		}
	}
	b.WriteString("}")
	return []byte(b.String()), nil
}

// isJSON reports whether a value is meant as JSON rather than as text. A number
// is text: identifiers are strings, and 0042 is no number.
func isJSON(v string) bool {
	switch v {
	case "true", "false", "null":
		return true
	}
	return (strings.HasPrefix(v, "{") || strings.HasPrefix(v, "[")) && json.Valid([]byte(v))
}
