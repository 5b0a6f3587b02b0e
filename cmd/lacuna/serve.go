package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "serve the log to auditors, and publish its heads",
		Description: "Serves the checkpoint, tiles and entries after C2SP tlog-tiles, which name nobody, and with a policy has new heads countersigned. Prints its\n" +
			"URL and runs until it is stopped; meanwhile no other program can open the ledger. Erasures that are approved and whose day comes are carried out, and\n" +
			"traces are swept when they are due. Without TLS only this machine can connect. If a witness has seen more of this log than there is, it\n" +
			"goes on serving what there is, signs nothing, and ends with exit 10. It refuses a root whose old versions may stay on the disk (exit 2)\n" +
			"without --accept-l0.",
		Flags: append(ledgerFlags(
			&cli.DurationFlag{Name: "every", Usage: "how often a new head is published", Value: 10 * time.Second},
			&cli.BoolFlag{Name: "accept-l0", Usage: "serve although an erased root may stay on the disk (destruction level L0), which every certificate then says", EnvVars: []string{"LACUNA_ACCEPT_L0"}},
		), listenFlags()...),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			if c.Duration("every") < time.Second {
				return usage(errors.New("--every: heads are published a second apart at least"))
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				if level, why := l.Level(); level == keystore.L0 && !c.Bool("accept-l0") {
					return &usageError{err: fmt.Errorf("destruction level L0: %s", why), hint: "docs/howto/protect-the-root.md says where a root may lie; --accept-l0 serves all the same"}
				}
				return serve(c, l)
			})
		},
	}
}

func serve(c *cli.Context, l *ledger.Ledger) error {
	// Before the address, so that nobody is told of one that is then closed.
	socket, url, err := listen(c)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = printJSON(c.App.Writer, jsonv1.Served{URL: url, Origin: l.Origin()})
	} else {
		_, err = fmt.Fprintln(c.App.Writer, url)
	}
	if err != nil {
		return errors.Join(err, socket.Close())
	}
	ctx, stop := context.WithCancel(c.Context)
	defer stop()
	erased := make(chan struct{})
	go func() {
		defer close(erased)
		keepErased(ctx, c, l)
	}()
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		keepSwept(ctx, c, l)
	}()
	published := make(chan error, 1)
	go func() {
		published <- keepPublished(ctx, c, l, stop)
	}()
	err = serveUntil(ctx, socket, l.Log().Handler(), slog.New(slog.NewTextHandler(c.App.ErrWriter, nil)))
	stop()
	<-erased
	<-swept
	return errors.Join(err, <-published)
}

// keepPublished publishes until the context ends. An old copy of a log can be read,
// so the server goes on; a broken one cannot, so it is stopped.
func keepPublished(ctx context.Context, c *cli.Context, l *ledger.Ledger, stop context.CancelFunc) error {
	if !l.Publishes() {
		return nil
	}
	err := l.KeepPublished(ctx, c.Duration("every"))
	if l.RolledBack() != nil {
		return err
	}
	if err != nil {
		stop()
	}
	return err
}
