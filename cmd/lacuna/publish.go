package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

func publishCommand() *cli.Command {
	return &cli.Command{
		Name:  "publish",
		Usage: "have the newest head countersigned by the witnesses of the policy",
		Description: "Asks all witnesses at once, and archives the head when it satisfies the policy; from then on strangers are shown it. Who has not answered\n" +
			"a second later, and is not needed, is not waited for. Exit 13 where too few answer: what the others have signed is asked\n" +
			"for again the next time. Exit 10 where a witness has seen more of this log than there is.",
		Flags: ledgerFlags(),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				if !l.Publishes() {
					return &usageError{err: fmt.Errorf("there is no policy in %s that says who countersigns", c.String("ledger")), hint: "write a policy into the ledger: docs/howto/get-witnessed.md"}
				}
				h, err := l.Publish(c.Context)
				if err != nil {
					return err
				}
				cs, err := l.Cosignatures(h)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					p := jsonv1.Published{Origin: h.Origin, Size: h.Size, Root: h.Root.String(), Cosignatures: []jsonv1.Cosignature{}}
					for _, x := range cs {
						p.Cosignatures = append(p.Cosignatures, jsonv1.Cosignature{
							Name: x.Witness, Key: fmt.Sprintf("%s+%08x", x.Cosignature.Name, x.KeyHash), Kind: x.Algorithm.String(), Time: cosignedAt(x),
						})
					}
					return printJSON(c.App.Writer, p)
				}
				fmt.Fprintf(c.App.Writer, "published: %d entries, root %s\n", h.Size, h.Root)
				for _, x := range cs {
					fmt.Fprintf(c.App.Writer, "cosigned by %s at %s (%s)\n", x.Witness, cosignedAt(x), x.Algorithm)
				}
				return nil
			})
		},
	}
}

func cosignedAt(x ledger.Cosignature) string {
	return time.Unix(int64(x.Time), 0).UTC().Format(time.RFC3339)
}
