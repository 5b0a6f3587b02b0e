package main

import (
	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna-verify/verifier"
)

// verifyCommand is lacuna-verify under another name: one verifier, which imports
// no storage, whichever program it is called from.
func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "verify proofs, erasure certificates and heads offline",
		ArgsUsage: "(--key VKEYFILE | --policy FILE) [--chain] [--approvers FILE] [--explain] [--json] FILE…",
		Description: "Takes .tlog-proof files and erasure certificates, any number of them; - is standard input. --key names a file with public keys of the log,\n" +
			"all of which must have signed; --policy one after C2SP tlog-policy, with the witnesses who must have countersigned. --approvers names a\n" +
			"file with the keys of those who may approve erasures. --explain says of each check what was compared with what. `lacuna verify consistency\n" +
			"--old HEAD --new HEAD (--proof FILE | --tiles FOLDER)` compares two signed heads of one log. Exit 10 where something does not verify, or two files contradict one another. lacuna verify --help says more.",
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
