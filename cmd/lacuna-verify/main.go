// Lacuna-verify checks offline what a Lacuna log has handed out: receipts
// (.tlog-proof files), erasure certificates, paired openings, audit samples, openings
// of a loss and signed heads.
//
//	lacuna-verify (--key VKEYFILE | --policy FILE) [--seed TEXT] [--lang de|en] FILE…
//	lacuna-verify consistency (--key VKEYFILE | --policy FILE) --old HEAD --new HEAD (--proof FILE | --tiles FOLDER)
//
// It needs the files and the log's public key, or a policy that says whom its reader
// believes, and nothing else: no network, no database, no ledger. It is meant to be
// read by the people who rely on it. What it does is in package verifier beside this
// file, and in four packages of this module, none of which does any input or output:
//
//	merkle               the Merkle tree, checkpoints, signatures and policies
//	ledger/envelope      what an entry commits to, and how it is opened
//	erasure/certificate  records of epochs and sweeps, and the papers that hang on them
//	ledger/receipt       all together, and the words that are printed
//
// Exit codes: 0 everything verifies, 1 the answer could not be written, 2 wrong usage
// or a file that cannot be read, 10 something does not verify or contradicts something
// else.
package main

import (
	"os"

	"github.com/lacunalog/lacuna/cmd/lacuna-verify/verifier"
)

func main() {
	os.Exit(verifier.Run("lacuna-verify", os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
