package verifier

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/merkle"
)

// options are what the command line says.
type options struct {
	key, policy   string
	explain, json bool

	// of receipts and the papers of erasures
	chain bool
	seed  string
	lang  string
	// of certificates
	approvers string
	approvals int
	files     []string

	consistency       bool
	older, newer      string
	proof, tiles, out string
}

// parse reads the command line. Flags may stand before and behind file names;
// everything behind "--" is a file name.
func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("lacuna-verify", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.key, "key", "", "")
	fs.StringVar(&o.policy, "policy", "", "")
	fs.BoolVar(&o.explain, "explain", false, "")
	fs.BoolVar(&o.json, "json", false, "")
	if o.consistency = len(args) > 0 && args[0] == "consistency"; o.consistency {
		args = args[1:]
		fs.StringVar(&o.older, "old", "", "")
		fs.StringVar(&o.newer, "new", "", "")
		fs.StringVar(&o.proof, "proof", "", "")
		fs.StringVar(&o.tiles, "tiles", "", "")
		fs.StringVar(&o.out, "o", "", "")
	} else {
		fs.BoolVar(&o.chain, "chain", false, "")
		fs.StringVar(&o.seed, "seed", "", "")
		fs.StringVar(&o.lang, "lang", "", "")
		fs.StringVar(&o.approvers, "approvers", "", "")
		fs.IntVar(&o.approvals, "approvals", 0, "")
	}
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
	return o, o.check()
}

// check refuses what cannot be meant.
func (o *options) check() error {
	switch {
	case o.key == "" && o.policy == "":
		return &hinted{errors.New("no public key given"), "NAME --key log.vkey FILE, or --policy FILE"}
	case !o.consistency && len(o.files) == 0:
		return &hinted{errors.New("no receipt given"), "NAME --key log.vkey FILE; a FILE of - is standard input"}
	case o.lang != "" && !slices.Contains(certificate.Languages(), o.lang):
		return &hinted{fmt.Errorf("--lang %s: certificates are written in %s", o.lang, strings.Join(certificate.Languages(), " and ")), "NAME --key log.vkey --lang de FILE.json"}
	case o.approvals != 0 && o.approvers == "":
		return &hinted{errors.New("--approvals needs the keys of those who may approve"), "NAME --key log.vkey --approvers dpo.vkey --approvals 1 FILE.json"}
	case !o.consistency:
		return nil
	case len(o.files) > 0:
		return &hinted{fmt.Errorf("consistency takes flags only, and %q is none", o.files[0]), "NAME consistency --key log.vkey --old HEAD --new HEAD"}
	case o.older == "" || o.newer == "":
		return &hinted{errors.New("two heads are needed"), "NAME consistency --key log.vkey --old HEAD --new HEAD"}
	case o.proof != "" && o.tiles != "":
		return errors.New("--proof and --tiles are two ways to say one thing: give one of them")
	case o.out != "" && o.tiles == "":
		return errors.New("-o writes the proof that is computed from --tiles")
	}
	return nil
}

// trust reads the keys and the policy.
func (o *options) trust(f *files) (*receipt.Trust, error) {
	var (
		vkeys  []string
		policy *merkle.Policy
	)
	if o.key != "" {
		text, err := f.read(o.key, maxKeys)
		if err != nil {
			hint := "--key takes a file"
			if strings.Count(o.key, "+") >= 2 {
				hint = "--key takes a file, not the key itself: put the key into a file"
			}
			return nil, &hinted{fmt.Errorf("reading the public key: %w", err), hint}
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" {
				vkeys = append(vkeys, line)
			}
		}
	}
	if o.policy != "" {
		text, err := f.read(o.policy, maxKeys)
		if err != nil {
			return nil, fmt.Errorf("reading the policy: %w", err)
		}
		if policy, err = merkle.ParsePolicy(text); err != nil {
			return nil, &hinted{fmt.Errorf("%s: %w", o.policy, err), "a policy has lines log, witness, group and quorum: https://c2sp.org/tlog-policy"}
		}
	}
	t, err := receipt.NewTrust(vkeys, policy)
	switch {
	case err == nil:
		return t, nil
	case o.key == "":
		return nil, &hinted{fmt.Errorf("%s: %w", o.policy, err), "give the log's key, too: --key log.vkey"}
	default:
		return nil, &hinted{fmt.Errorf("%s: %w", o.key, err), "a public key is one line, name+id+base64; the receipt comes behind --key VKEYFILE"}
	}
}

// approving reads the keys of those who may approve an erasure.
func (o *options) approving(f *files) (a receipt.Approvers, err error) {
	if o.approvers == "" {
		return a, nil
	}
	text, err := f.read(o.approvers, maxKeys)
	if err != nil {
		return a, fmt.Errorf("reading the keys of the approvers: %w", err)
	}
	if a, err = receipt.NewApprovers(string(text), o.approvals); err != nil {
		hint := "a verifier key is one line, name+id+base64, as lacuna approve key prints it"
		if errors.Is(err, receipt.ErrApprovals) {
			hint = "--approvals is how many of them must have signed: at least 1, at most all of them"
		}
		return a, &hinted{fmt.Errorf("%s: %w", o.approvers, err), hint}
	}
	return a, nil
}
