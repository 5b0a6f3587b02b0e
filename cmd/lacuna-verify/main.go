// Lacuna-verify checks receipts offline: .tlog-proof files of a Lacuna log.
//
//	lacuna-verify --key VKEYFILE FILE…
//
// It needs the receipts and the log's public key, and nothing else: no network,
// no database, no ledger. It is meant to be read by the people who rely on it.
// What it does is in package verifier beside this file, and in three packages of
// this module, none of which does any input or output:
//
//	merkle           the Merkle tree, checkpoints and their signatures
//	ledger/envelope  what an entry commits to, and how it is opened
//	ledger/receipt   both together, and the words that are printed
//
// Exit codes: 0 every receipt verifies, 2 wrong usage, 10 at least one does not
// verify or they contradict one another.
package main

import (
	"os"

	"github.com/lacunalog/lacuna/cmd/lacuna-verify/verifier"
)

func main() {
	os.Exit(verifier.Run("lacuna-verify", os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
