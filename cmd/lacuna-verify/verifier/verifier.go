// Package verifier is the command line of the offline verifier: lacuna-verify,
// and the same thing as `lacuna verify`. It reads files and standard input, writes to
// standard output, and asks nobody.
//
// What is checked, and the words for it, are in package ledger/receipt. Here is which
// files are read, what is printed, and with which exit code it ends.
package verifier

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// Exit codes. The worst of all files is the one of the call: a file that does not
// verify weighs more than one that cannot be read.
const (
	exitOK     = 0
	exitError  = 1  // the result could not be written
	exitUsage  = 2  // also where a file cannot be read
	exitFailed = 10 // something does not verify
)

const usage = `usage: %[1]s (--key VKEYFILE | --policy FILE) [--chain] [--seed TEXT] [--approvers FILE [--approvals N]]
                     [--explain] [--json | --lang de|en] FILE…
       %[1]s consistency (--key VKEYFILE | --policy FILE) --old HEAD --new HEAD
                     [--proof FILE | --tiles FOLDER [-o FILE]] [--explain] [--json]

Checks receipts (.tlog-proof files) and the papers of erasures (certificates, paired
openings, audit samples) and of losses against the public key of the log, offline. A
FILE of - is standard input.

  --key VKEYFILE  file with public keys of the log, one to a line as name+id+base64;
                  every one of them must have signed
  --policy FILE   policy after C2SP tlog-policy: which witnesses must have countersigned
                  and, without --key, which logs are believed
  --chain         the receipts must be consecutive events of one chain
  --seed TEXT     the auditor's own seed: an audit sample that another has drawn is refused
  --approvers FILE  verifier keys of those who may approve erasures, one to a line: their
                  signatures in the certificates are checked, against the commitment of
                  the request and the keys that the epoch record names
  --approvals N   so many of them must have approved what a person asked for
  --lang de|en    write each certificate that verifies as a letter, in German or English
  --explain       say of each check what was compared with what
  --json          print one JSON object (verification/v1, consistency/v1) instead of lines
  --version       say which build of the program this is, and nothing else

A certificate hangs on an epoch record. Give the receipt of that record as a further
FILE, or keep it beside the certificate: NAME.tlog-proof for a certificate NAME. The
receipt of the sweep record that says when traces were swept may be among the files,
too, or beside it as NAME.sweep.tlog-proof. Paired openings need the receipts of the
two sweep records that they stand between.
A FILE may also be a signed head: the witnesses of one from before an entry bound its
time from the other side.

consistency compares two signed heads (checkpoints) of one log:

  --old, --new    the two heads, each a file; of a receipt its head counts, and nothing else
  --proof FILE    consistency proof: hashes in base64, one to a line
  --tiles FOLDER  static copy of the log, from which the proof is computed
  -o FILE         write the proof that was computed

ok      proven: it follows from the file and the key
seen    attested: witnesses say so, whose keys the policy has
note    not proven: what the operator says, or what is not shown
FAILED  not to be believed, and where it went wrong

exit 0: everything verifies; 1: the result could not be written;
2: wrong usage, or a file that cannot be read; 10: something does not verify
`

// Run does what the command line says and returns the exit code. name is what the
// program is called by.
func Run(name string, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return run(name, args, disk(stdin), stdout, stderr)
}

// run is Run with every file that there is.
func run(name string, args []string, f *files, stdout, stderr io.Writer) int {
	complain := func(err error) {
		fmt.Fprintf(stderr, "%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "; "))
		if h, ok := errors.AsType[*hinted](err); ok {
			fmt.Fprintf(stderr, "hint: %s\n", strings.ReplaceAll(h.hint, "NAME", name))
		}
	}
	answer, code, err := answer(name, args, f, complain)
	if err != nil {
		complain(err)
		return code
	}
	if _, err := stdout.Write(answer); err != nil {
		complain(err)
		return exitError
	}
	return code
}

// answer returns what is printed to standard output. An error is one of usage, or of
// reading a file that nothing goes without; what does not verify is an answer.
func answer(name string, args []string, f *files, complain func(error)) ([]byte, int, error) {
	if len(args) == 1 && (args[0] == "--version" || args[0] == "-version") {
		return fmt.Appendf(nil, "%s version %s\n", name, Version()), exitOK, nil
	}
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return fmt.Appendf(nil, usage, name), exitOK, nil
	}
	if err != nil {
		return nil, exitUsage, err
	}
	t, err := o.trust(f)
	if err != nil {
		return nil, exitUsage, err
	}
	if o.consistency {
		return compare(o, t, f)
	}
	return verify(o, t, f, complain)
}

// Version is what the Go tool knows of this build.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	rev := ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			rev = " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return strings.TrimSpace(info.Main.Version + rev)
}

// A hinted error says what to type instead; NAME stands for the program.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }
