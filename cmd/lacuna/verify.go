package main

import (
	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna-verify/verifier"
)

// verifyCommand is lacuna-verify under another name: one verifier, which imports
// no storage, whichever program it is called from.
func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:            "verify",
		Usage:           "verify proof files offline",
		ArgsUsage:       "--key VKEYFILE FILE…",
		SkipFlagParsing: true,
		Action: func(c *cli.Context) error {
			code := verifier.Run("lacuna verify", c.Args().Slice(), c.App.Reader, c.App.Writer, c.App.ErrWriter)
			switch code {
			case exitOK:
				return nil
			case exitFailure:
				return errTold
			}
			return &exitError{code}
		},
	}
}
