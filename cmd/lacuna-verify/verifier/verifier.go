// Package verifier is the command line of the offline verifier: lacuna-verify,
// and the same thing as `lacuna verify`.
package verifier

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/lacunalog/lacuna/ledger/receipt"
)

const (
	exitOK     = 0
	exitError  = 1  // the result could not be written
	exitUsage  = 2  // also where a file cannot be read
	exitFailed = 10 // something does not verify
)

const usage = `usage: %[1]s --key VKEYFILE [--chain] [--json] FILE…

Checks receipts (.tlog-proof files) against the public key of the log.
A FILE of - is standard input.

  --key VKEYFILE  file with the log's public key, one line name+id+base64
  --chain         the receipts must be consecutive events of one chain
  --json          print one JSON object (verification/v1) instead of lines

ok      proven: it follows from the file and the key
note    not proven: what the operator says, or what is not shown
FAILED  not to be believed, and where it went wrong

exit 0: everything verifies; 2: wrong usage; 10: something does not verify
`

// Run does what the command line says and returns the exit code. name is what the
// program is called by.
func Run(name string, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(stdout, usage, name)
		return exitOK
	}
	var reports []*receipt.Report
	if err == nil {
		reports, err = verify(o, stdin)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		if h, ok := errors.AsType[*hinted](err); ok {
			fmt.Fprintf(stderr, "hint: %s\n", strings.ReplaceAll(h.hint, "NAME", name))
		}
		return exitUsage
	}
	v := receipt.Conclude(reports, o.chain)
	if err := print(stdout, v, o.json); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return exitError
	}
	if !v.Verified {
		return exitFailed
	}
	return exitOK
}

// A hinted error says what to type instead; NAME stands for the program.
type hinted struct {
	error
	hint string
}

type options struct {
	key         string
	chain, json bool
	files       []string
}

// parse reads the command line. Flags may stand before and behind file names;
// everything behind "--" is a file name.
func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("lacuna-verify", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.key, "key", "", "")
	fs.BoolVar(&o.chain, "chain", false, "")
	fs.BoolVar(&o.json, "json", false, "")
	for len(args) > 0 {
		if args[0] == "--" {
			o.files = append(o.files, args[1:]...)
			break
		}
		if !strings.HasPrefix(args[0], "-") || args[0] == "-" {
			o.files = append(o.files, args[0])
			args = args[1:]
			continue
		}
		// Hand over one flag at a time, with what follows it.
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return o, err
			}
			return o, &hinted{err, "NAME -h shows all flags"}
		}
		rest := fs.Args()
		if n := len(args) - len(rest); args[n-1] == "--" {
			o.files = append(o.files, rest...)
			break
		}
		args = rest
	}
	switch {
	case o.key == "":
		return o, &hinted{errors.New("no public key given"), "NAME --key log.vkey FILE"}
	case len(o.files) == 0:
		return o, &hinted{errors.New("no receipt given"), "NAME --key log.vkey FILE; a FILE of - is standard input"}
	}
	return o, nil
}

// verify reads the key and the receipts. An error is one of usage; a receipt
// that does not verify is a report that says so.
func verify(o options, stdin io.Reader) ([]*receipt.Report, error) {
	key, err := os.ReadFile(o.key)
	if err != nil {
		hint := "--key takes a file"
		if strings.Count(o.key, "+") >= 2 {
			hint = "--key takes a file, not the key itself: put the key into a file"
		}
		return nil, &hinted{fmt.Errorf("reading the public key: %w", err), hint}
	}
	vkey := string(bytes.TrimSpace(key))
	var reports []*receipt.Report
	for _, name := range o.files {
		file, err := read(name, stdin)
		if err != nil {
			return nil, fmt.Errorf("reading the receipt: %w", err)
		}
		r, err := receipt.Verify(file, vkey)
		if errors.Is(err, receipt.ErrKey) {
			return nil, &hinted{fmt.Errorf("%s: %w", o.key, err), "a public key is one line, name+id+base64; the receipt comes behind --key VKEYFILE"}
		}
		r.File = name
		reports = append(reports, r)
	}
	return reports, nil
}

// read reads a receipt, and no more than it takes to see that it is none.
func read(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(stdin, receipt.MaxFile+1))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, receipt.MaxFile+1))
}

func print(w io.Writer, v *receipt.Verification, asJSON bool) error {
	var b bytes.Buffer
	if asJSON {
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(v); err != nil {
			return err
		}
		_, err := w.Write(b.Bytes())
		return err
	}
	for _, r := range v.Reports {
		if len(v.Reports) > 1 {
			fmt.Fprintf(&b, "%s:\n", r.File)
		}
		b.WriteString(r.Text())
	}
	if len(v.Findings) > 0 {
		fmt.Fprintln(&b, "together:")
	}
	for _, f := range v.Findings {
		fmt.Fprintln(&b, f.Line)
	}
	_, err := w.Write(b.Bytes())
	return err
}
