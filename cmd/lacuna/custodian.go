package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder/custodian"
)

func custodianCommand() *cli.Command {
	dir := func(usage string) cli.Flag {
		return &cli.StringFlag{Name: "dir", Usage: usage, Required: true}
	}
	asJSON := &cli.BoolFlag{Name: "json", Usage: "print JSON"}
	return &cli.Command{
		Name:  "custodian",
		Usage: "keep a share of a ledger's root on another machine",
		Description: "Without all shares of the root nobody's data can be read, and one share that is really destroyed is enough to erase. A custodian keeps\n" +
			"one where neither the ledger's disk nor its snapshots reach. init, serve and invite are for the machine of the custodian; add, remove\n" +
			"and status for that of the ledger.",
		Subcommands: []*cli.Command{
			{
				Name:        "init",
				Usage:       "make a custodian, and print an invitation for one ledger",
				Description: "The invitation is a secret until the ledger has used it. Never restore the folder from a backup, and never run a copy of it.",
				Flags: []cli.Flag{
					dir("folder to create"),
					&cli.StringFlag{Name: "address", Usage: "HOST:PORT under which the ledger reaches it", Required: true},
					&cli.StringSliceFlag{Name: "root", Usage: "file that holds the share; give it twice for a second place on another disk (default: DIR/root)"},
					asJSON,
				},
				Action: initCustodian,
			},
			{
				Name:  "serve",
				Usage: "answer the ledger",
				Description: "Prints its address and runs until it is stopped. It speaks TLS 1.3 with the one ledger that has enrolled, by the keys that were exchanged\n" +
					"then; no certificates are needed.",
				Flags: []cli.Flag{
					dir("folder of the custodian"),
					&cli.StringFlag{Name: "listen", Usage: "address to listen on (default: the one that was given to init)"},
					asJSON,
				},
				Action: serveCustodian,
			},
			{
				Name:        "invite",
				Usage:       "print another invitation",
				Description: "For a ledger that has got another signing key, or was restored elsewhere. It takes the place of the one that is served when it enrols. The custodian may be running.",
				Flags:       []cli.Flag{dir("folder of the custodian"), asJSON},
				Action: func(c *cli.Context) error {
					if err := noArguments(c); err != nil {
						return err
					}
					i, err := custodian.Invite(c.String("dir"))
					if err != nil {
						return custodianError(err)
					}
					return printInvitation(c, i)
				},
			},
			custodianAddCommand(), custodianRemoveCommand(), custodianStatusCommand(),
		},
	}
}

func initCustodian(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	i, err := custodian.Create(custodian.Options{Dir: c.String("dir"), Host: c.String("address"), Root: c.StringSlice("root")})
	if err != nil {
		return custodianError(err)
	}
	if len(c.StringSlice("root")) < 2 {
		fmt.Fprintln(c.App.ErrWriter, "lacuna: THERE IS NO SECOND PLACE FOR THE SHARE. WHOEVER LOSES IT HAS ERASED EVERYBODY IN THE LEDGER.")
		fmt.Fprintln(c.App.ErrWriter, "hint: lacuna custodian init --root FILE --root FILE-ON-ANOTHER-DISK")
	}
	return printInvitation(c, i)
}

func printInvitation(c *cli.Context, i *custodian.Invitation) error {
	if c.Bool("json") {
		return printJSON(c.App.Writer, jsonv1.Invitation{Address: i.Custodian.Host, Key: custodian.KeyText(i.Custodian.Key), Invitation: i.String()})
	}
	_, err := fmt.Fprintln(c.App.Writer, i)
	return err
}

func serveCustodian(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	cu, err := custodian.Open(c.String("dir"))
	if err != nil {
		return custodianError(err)
	}
	at := cu.Address()
	addr := c.String("listen")
	if addr == "" {
		addr = at.Host
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return errors.Join(err, cu.Close())
	}
	if s, err := cu.Status(c.Context); err == nil && s.Warning != "" {
		fmt.Fprintf(c.App.ErrWriter, "lacuna: warning: %s\n", s.Warning)
	}
	if c.Bool("json") {
		err = printJSON(c.App.Writer, jsonv1.Invitation{Address: l.Addr().String(), Key: custodian.KeyText(at.Key)})
	} else {
		_, err = fmt.Fprintln(c.App.Writer, l.Addr())
	}
	if err == nil {
		s := &custodian.Server{Custodian: cu, Log: slog.New(slog.NewTextHandler(c.App.ErrWriter, nil))}
		err = s.Serve(c.Context, l)
	}
	return errors.Join(err, cu.Close())
}

// custodianError gives an error of a custodian's folder its exit code.
func custodianError(err error) error {
	var h *keystore.HintError
	switch {
	case errors.Is(err, keystore.ErrLocked):
		return err
	case errors.As(err, &h):
		return &usageError{err: err, hint: h.Hint}
	}
	return err
}
