package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/erasure"
	certificates "github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/receipt"
)

// besidesCertificate is what is added to the name of a certificate's file for the proof
// of its epoch record; the verifier looks there.
const besidesCertificate = ".tlog-proof"

// besidesSwept is the same for the record of the sweep that removed its traces.
const besidesSwept = ".sweep.tlog-proof"

func certificatesCommand() *cli.Command {
	return &cli.Command{
		Name:  "certificates",
		Usage: "list what was erased, by its certificates",
		Description: "The officer's copies, which name nobody, in the order of the epochs. With -o each is written to a file of its own, with the proof of its epoch\n" +
			"record beside it, so that lacuna verify --key log.vkey FOLDER/*.json verifies them. Running it again adds what is new, and beside each\n" +
			"certificate in the folder whose traces were swept meanwhile the proof that says so, NAME.sweep.tlog-proof. After a sweep nobody can write\n" +
			"the certificates from before it again: lacuna sweep --certificates writes them in time.",
		Flags: ledgerFlags(
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "folder to write them to"},
			&cli.StringSliceFlag{Name: "swept", Usage: "write beside this certificate the proofs that are missing there, of its epoch record and of the sweep that removed its traces, and nothing else; exit 13 if that is yet to come"},
			&cli.StringFlag{Name: "lang", Usage: "write letters instead of lines, in this language: de or en"},
			&cli.BoolFlag{Name: "text", Usage: "write letters; in English unless --lang says otherwise"},
		),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			lang := c.String("lang")
			if lang == "" && c.Bool("text") {
				lang = "en"
			}
			if known := certificates.Languages(); lang != "" && !slices.Contains(known, lang) {
				return usage(fmt.Errorf("--lang %s: certificates are written in %s", lang, strings.Join(known, " and ")))
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				if files := c.StringSlice("swept"); len(files) > 0 {
					return proveSwept(c, l, files, false)
				}
				certs, err := l.Certificates(c.Context)
				if err != nil {
					return err
				}
				if certs, err = withFiled(certs, l.CertificatesDir()); err != nil {
					return err
				}
				if folder := c.String("output"); folder != "" {
					if err := writeCertificates(c, l, certs, folder); err != nil {
						return err
					}
					if err := proveFolder(c, l, folder); err != nil {
						return err
					}
				}
				swept, err := l.SweepRecords(c.Context)
				if err != nil {
					return err
				}
				if lang != "" {
					return printLetters(c, certs, swept, lang)
				}
				return printCertificates(c, certs, swept)
			})
		},
	}
}

// sweptBy returns the record of the sweep that removed the traces of a certificate's epoch,
// nil where they are not yet swept.
func sweptBy(records []ledger.SweepRecord, cert *erasure.Certificate) *ledger.SweepRecord {
	i := slices.IndexFunc(records, func(r ledger.SweepRecord) bool { return r.Covers(cert.Terms.Tree, cert.Terms.Epoch) })
	if i < 0 {
		return nil
	}
	return &records[i]
}

func printCertificates(c *cli.Context, certs []*erasure.Certificate, swept []ledger.SweepRecord) error {
	if c.Bool("json") {
		out := jsonv1.Certificates{Version: jsonv1.CertificatesVersion, Certificates: []jsonv1.Certificate{}}
		for _, cert := range certs {
			text, err := cert.Marshal()
			if err != nil {
				return err
			}
			j := jsonv1.Certificate{File: certificateName(cert), Text: string(text)}
			if r := sweptBy(swept, cert); r != nil {
				j.TracesSweptAt, j.Sweep = r.TracesSweptAt, &r.Index
			}
			out.Certificates = append(out.Certificates, j)
		}
		return printJSON(c.App.Writer, out)
	}
	for _, cert := range certs {
		t := cert.Terms
		var parts []string
		for i, p := range t.Erased {
			if i == 5 {
				parts = append(parts, fmt.Sprintf("and %d more", len(t.Erased)-i))
				break
			}
			parts = append(parts, strings.TrimSpace(p.Compartment+" "+p.Cohort))
		}
		_, err := fmt.Fprintf(c.App.Writer, "epoch %-4d %s  %-9s  level %s  %6d %-7s  record %-8d  %s\n", t.Epoch, t.KeysDestroyedAt, t.Reason, t.Level,
			cert.Entries, entriesOf(cert.Entries), cert.Record.Index, strings.Join(parts, ", "))
		if err != nil {
			return err
		}
	}
	return nil
}

func entriesOf(n uint64) string {
	if n == 1 {
		return "entry"
	}
	return "entries"
}

// printLetters prints certificates for people.
func printLetters(c *cli.Context, certs []*erasure.Certificate, swept []ledger.SweepRecord, lang string) error {
	for i, cert := range certs {
		var sweep *certificates.SweepRecord
		if r := sweptBy(swept, cert); r != nil {
			sweep = &r.SweepRecord
		}
		text, err := cert.Text(lang, sweep)
		if err != nil {
			return err
		}
		if i > 0 {
			text = "\n" + text
		}
		if _, err := io.WriteString(c.App.Writer, text); err != nil {
			return err
		}
	}
	return nil
}

// proveFolder writes what sweeps say beside the certificates of a folder.
func proveFolder(c *cli.Context, l *ledger.Ledger, folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return err
	}
	return proveSwept(c, l, files, true)
}

// proveSwept writes beside each certificate the proof of the record of the sweep that removed its traces, and that of
// its epoch record if it is missing. In a folder, what is no certificate of this log is passed over, and so is one that no sweep has covered.
func proveSwept(c *cli.Context, l *ledger.Ledger, files []string, folder bool) error {
	records, err := l.SweepRecords(c.Context)
	if err != nil {
		return err
	}
	for _, name := range files {
		b, err := readAtMost(name, receipt.MaxFile)
		if err != nil {
			return err
		}
		cert, err := certificates.Parse(b)
		if err == nil && cert.Terms.Origin != l.Origin() {
			err = errors.New("it is of another log")
		}
		if err != nil && folder {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, serr := os.Stat(name + besidesCertificate); errors.Is(serr, os.ErrNotExist) {
			// Whoever wrote the certificate was stopped before this.
			if err := proveRecord(c, l, cert, name+besidesCertificate); err != nil {
				return err
			}
		}
		sweep := sweptBy(records, cert)
		if sweep == nil && folder {
			continue
		}
		if sweep == nil {
			return &ledger.BusyError{What: name + ": its traces are not yet swept"}
		}
		if _, err := os.Stat(name + besidesSwept); err == nil && folder {
			continue
		}
		p, err := l.Prove(c.Context, sweep.Index, ledger.ProveOptions{NoAssertion: true})
		if err != nil {
			return err
		}
		if err := writeProof(c, name+besidesSwept, p.File); err != nil {
			return err
		}
	}
	return nil
}

// certificateName is the name of a certificate's file: an epoch has one certificate
// for each place in its requests tree.
func certificateName(cert *erasure.Certificate) string {
	return fmt.Sprintf("epoch-%d-%d.json", cert.Terms.Epoch, cert.Place)
}

// writeCertificates writes certificates and the proofs of their records. What is there
// already stays; a file of that name with something else in it stops it.
func writeCertificates(c *cli.Context, l *ledger.Ledger, certs []*erasure.Certificate, folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, cert := range certs {
		text, err := cert.Marshal()
		if err != nil {
			return err
		}
		name := filepath.Join(folder, certificateName(cert))
		old, err := os.ReadFile(name)
		switch {
		case errors.Is(err, os.ErrNotExist):
			err = os.WriteFile(name, text, 0o600)
		case err == nil && !bytes.Equal(old, text):
			err = fmt.Errorf("%s exists and is another file", name)
		}
		if err != nil {
			return err
		}
		if _, err := os.Stat(name + besidesCertificate); err == nil {
			continue
		}
		if err := proveRecord(c, l, cert, name+besidesCertificate); err != nil {
			return err
		}
	}
	return nil
}

// proveUnclaimed writes the proofs of their epoch records beside the subjects' copies that
// nobody waited for: opening the ledger has written those of erasures that were
// interrupted, and nobody could verify them without. Whoever opened it wants something
// else, which does not fail by that.
func proveUnclaimed(c *cli.Context, l *ledger.Ledger) {
	files, err := filepath.Glob(filepath.Join(l.UnclaimedDir(), "*.json"))
	for _, name := range files {
		if _, serr := os.Stat(name + besidesCertificate); !errors.Is(serr, os.ErrNotExist) {
			continue
		}
		text, rerr := readAtMost(name, receipt.MaxFile)
		if rerr != nil {
			err = errors.Join(err, rerr)
			continue
		}
		if cert, perr := certificates.Parse(text); perr == nil && cert.Terms.Origin == l.Origin() {
			err = errors.Join(err, proveRecord(c, l, cert, name+besidesCertificate))
		}
	}
	if err != nil {
		fmt.Fprintf(c.App.ErrWriter, "lacuna: warning: proofs of certificates that nobody has claimed: %v\n", err)
	}
}

// proveRecord writes the proof of the epoch record that a certificate hangs on.
func proveRecord(c *cli.Context, l *ledger.Ledger, cert *erasure.Certificate, name string) error {
	p, err := l.Prove(c.Context, cert.Record.Index, ledger.ProveOptions{NoAssertion: true})
	if err != nil {
		return err
	}
	if p.Unwitnessed != nil {
		fmt.Fprintf(c.App.ErrWriter, "lacuna: %s leads to a head that only the log has signed: %v\n", name, p.Unwitnessed)
	}
	return writeProof(c, name, p.File)
}
