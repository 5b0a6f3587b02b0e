package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/lacunalog/lacuna/keystore/holder"
)

// passphraseEnv has the passphrase itself. A file is better: other processes of the
// same user can read the environment.
const passphraseEnv = "LACUNA_PASSPHRASE"

func passphraseFile() cli.Flag {
	return &cli.StringFlag{Name: "passphrase-file", Usage: "file with the passphrase of a sealed root; without it " + passphraseEnv + " is taken, or it is asked for at the terminal", EnvVars: []string{"LACUNA_PASSPHRASE_FILE"}}
}

// askPassphrase returns what asks for the passphrase, where one is needed.
func askPassphrase(c *cli.Context) holder.Passphrase {
	return func() ([]byte, error) {
		words, err := givenPassphrase(c)
		if words != nil || err != nil {
			return words, err
		}
		return typed(c, "Passphrase of the root: ")
	}
}

// newPassphrase returns what gives the passphrase of a new ledger, nil where its root
// is not to be sealed.
func newPassphrase(c *cli.Context) (holder.Passphrase, error) {
	if !c.Bool("passphrase") {
		if c.IsSet("passphrase-file") && os.Getenv("LACUNA_PASSPHRASE_FILE") == "" {
			return nil, usage(errors.New("--passphrase-file without --passphrase: the root would not be sealed"))
		}
		return nil, nil
	}
	return func() ([]byte, error) {
		words, err := givenPassphrase(c)
		if words != nil || err != nil {
			return words, err
		}
		first, err := typed(c, "New passphrase of the root: ")
		if err != nil {
			return nil, err
		}
		second, err := typed(c, "The same again: ")
		defer clear(second)
		if err == nil && !bytes.Equal(first, second) {
			err = errors.New("these are two different passphrases; nothing was made")
		}
		if err != nil {
			clear(first)
			return nil, err
		}
		return first, nil
	}, nil
}

// givenPassphrase returns the passphrase from a file or the environment, nil where
// there is none.
func givenPassphrase(c *cli.Context) ([]byte, error) {
	if name := c.String("passphrase-file"); name != "" {
		words, err := os.ReadFile(name)
		if err != nil {
			return nil, usage(fmt.Errorf("--passphrase-file: %w", err))
		}
		if words = bytes.TrimRight(words, "\r\n"); len(words) == 0 {
			return nil, usage(fmt.Errorf("--passphrase-file: %s is empty", name))
		}
		return words, nil
	}
	if words := os.Getenv(passphraseEnv); words != "" {
		return []byte(words), nil
	}
	return nil, nil
}

// typed asks at the terminal.
func typed(c *cli.Context, question string) ([]byte, error) {
	in, ok := c.App.Reader.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, &usageError{err: errors.New("the root is sealed by a passphrase, and there is no terminal to ask at"), hint: "give it with --passphrase-file FILE or in " + passphraseEnv}
	}
	fmt.Fprint(c.App.ErrWriter, question)
	defer fmt.Fprintln(c.App.ErrWriter)
	return term.ReadPassword(int(in.Fd()))
}
