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

// inFile is how a passphrase is given without a terminal.
const inFile = "with --passphrase-file FILE or in " + passphraseEnv

func passphraseFile() cli.Flag {
	return &cli.StringFlag{Name: "passphrase-file", Usage: "file with the passphrase of a sealed root; without it " + passphraseEnv + " is taken, or it is asked for at the terminal", EnvVars: []string{"LACUNA_PASSPHRASE_FILE"}}
}

// newPassphraseEnv has the passphrase that a root is to get.
const newPassphraseEnv = "LACUNA_NEW_PASSPHRASE"

// changedPassphrase returns what gives the passphrase that a root is to get, nil where it
// is to have none any more.
func changedPassphrase(c *cli.Context) (holder.Passphrase, error) {
	file := c.String("new-passphrase-file")
	if c.Bool("none") {
		if file != "" {
			return nil, usage(errors.New("--none and --new-passphrase-file: it can only be one of them"))
		}
		return nil, nil
	}
	return func() ([]byte, error) {
		switch words := os.Getenv(newPassphraseEnv); {
		case file != "":
			return readPassphrase("new-passphrase-file", file)
		case words != "":
			return []byte(words), nil
		}
		return typedTwice(c, "with --new-passphrase-file FILE or in "+newPassphraseEnv)
	}, nil
}

// askPassphrase returns what asks for the passphrase, where one is needed.
func askPassphrase(c *cli.Context) holder.Passphrase {
	return func() ([]byte, error) {
		words, err := givenPassphrase(c)
		if words != nil || err != nil {
			return words, err
		}
		return typed(c, "Passphrase of the root: ", inFile)
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
		return typedTwice(c, inFile)
	}, nil
}

// typedTwice asks for a new passphrase at the terminal.
func typedTwice(c *cli.Context, instead string) ([]byte, error) {
	first, err := typed(c, "New passphrase of the root: ", instead)
	if err != nil {
		return nil, err
	}
	second, err := typed(c, "The same again: ", instead)
	defer clear(second)
	if err == nil && !bytes.Equal(first, second) {
		err = errors.New("these are two different passphrases; nothing was changed")
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}

// givenPassphrase returns the passphrase from a file or the environment, nil where
// there is none.
func givenPassphrase(c *cli.Context) ([]byte, error) {
	if name := c.String("passphrase-file"); name != "" {
		return readPassphrase("passphrase-file", name)
	}
	if words := os.Getenv(passphraseEnv); words != "" {
		return []byte(words), nil
	}
	return nil, nil
}

// readPassphrase reads the file of a flag.
func readPassphrase(flag, name string) ([]byte, error) {
	words, err := os.ReadFile(name)
	if err != nil {
		return nil, usage(fmt.Errorf("--%s: %w", flag, err))
	}
	if words = bytes.TrimRight(words, "\r\n"); len(words) == 0 {
		return nil, usage(fmt.Errorf("--%s: %s is empty", flag, name))
	}
	return words, nil
}

// typed asks at the terminal, and says how else the passphrase can be given where there
// is none.
func typed(c *cli.Context, question, instead string) ([]byte, error) {
	in, ok := c.App.Reader.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, &usageError{err: errors.New("the root is sealed by a passphrase, and there is no terminal to ask at"), hint: "give it " + instead}
	}
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(c.App.ErrWriter, question)
	defer fmt.Fprintln(c.App.ErrWriter)
	type answer struct {
		words []byte
		err   error
	}
	typed := make(chan answer, 1)
	go func() {
		words, err := term.ReadPassword(fd)
		typed <- answer{words, err}
	}()
	select {
	case a := <-typed:
		return a.words, a.err
	case <-c.Context.Done():
		// Whoever reads goes on until the process ends; the terminal shows again what is typed.
		return nil, errors.Join(c.Context.Err(), term.Restore(fd, before))
	}
}
