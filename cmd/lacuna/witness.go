package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/audit"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// What a witness's folder holds: its keys, and what it remembers.
const (
	witnessSecret   = "witness.skey"
	witnessPublic   = "witness.vkey"
	witnessRemember = "logs"
)

func witnessCommand() *cli.Command {
	return &cli.Command{
		Name:  "witness",
		Usage: "cosign the heads of other people's logs",
		Description: "A witness remembers the newest head of each log and cosigns a newer one only if nothing before it has changed (https://c2sp.org/tlog-witness).\n" +
			"Prints its URL and runs until it is stopped. A log that shows it two histories is refused, and the evidence is kept beside the keys (lacuna audit evidence). Never restore its folder from a backup: make a new witness instead.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "folder of the witness"},
			&cli.StringFlag{Name: "policy", Usage: "file with the logs to cosign, in the form of https://c2sp.org/tlog-policy; its witnesses and its quorum mean nothing here"},
			&cli.StringSliceFlag{Name: "log", Usage: "public key of a log to cosign; may be given several times"},
			&cli.BoolFlag{Name: "json", Usage: "print the address, the name and the public keys as JSON"},
		}, listenFlags()...),
		Action: serveWitness,
		Subcommands: []*cli.Command{{
			Name:        "init",
			Usage:       "make the keys of a new witness",
			Description: "Prints the public keys, one to a line, for the policies of those who trust the witness.",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "dir", Usage: "folder to create", Required: true},
				&cli.StringFlag{Name: "name", Usage: "name of the witness, a URL without scheme: witness.example.com/w1", Required: true},
				&cli.BoolFlag{Name: "mldsa", Usage: "make a second key, ML-DSA-44, whose cosignatures withstand a quantum computer"},
				&cli.BoolFlag{Name: "json", Usage: "print JSON"},
			},
			Action: initWitness,
		}},
	}
}

func initWitness(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	algorithms := []merkle.Algorithm{merkle.CosignatureEd25519}
	if c.Bool("mldsa") {
		algorithms = append(algorithms, merkle.CosignatureMLDSA44)
	}
	var skeys, vkeys []string
	for _, a := range algorithms {
		skey, vkey, err := merkle.GenerateCosigner(rand.Reader, c.String("name"), a)
		if err != nil {
			return usage(fmt.Errorf("--name: %w", err))
		}
		skeys, vkeys = append(skeys, skey), append(vkeys, vkey)
	}
	dir := c.String("dir")
	// First, because it fails where there is a witness already, and because keys
	// without a memory must not begin to sign.
	if err := witness.Create(filepath.Join(dir, witnessRemember)); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return &usageError{err: fmt.Errorf("there is a witness in %s, or one whose making was interrupted", dir), hint: "a new witness needs a folder of its own"}
		}
		return err
	}
	if err := writeLines(filepath.Join(dir, witnessSecret), skeys, 0o600); err != nil {
		return err
	}
	if err := writeLines(filepath.Join(dir, witnessPublic), vkeys, 0o644); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, jsonv1.Witness{Dir: dir, Name: c.String("name"), Keys: vkeys})
	}
	for _, k := range vkeys {
		fmt.Fprintln(c.App.Writer, k)
	}
	return nil
}

// writeLines writes a new file, durably.
func writeLines(path string, lines []string, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	// The name, too: a witness whose key is lost is of no use to who trusts it.
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func serveWitness(c *cli.Context) error {
	dir := c.String("dir")
	if dir == "" {
		return &usageError{err: errors.New("--dir is missing"), hint: "lacuna witness --help"}
	}
	cosigners, err := readCosigners(dir)
	if err != nil {
		return err
	}
	logs, err := logsToCosign(c)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(c.App.ErrWriter, nil))
	o := witness.Options{Dir: filepath.Join(dir, witnessRemember), Cosigners: cosigners, Logger: logger}
	vkeys := make(map[string][]string)
	for _, k := range logs {
		v, err := merkle.NewVerifier(k)
		if err != nil {
			return err
		}
		o.Logs = append(o.Logs, v)
		vkeys[v.Name()] = append(vkeys[v.Name()], k)
	}
	o.Fork = func(f witness.Fork) {
		name, err := keepFork(filepath.Join(dir, "witness"), f, vkeys[f.Origin])
		if err != nil {
			logger.Error("evidence not kept", "origin", f.Origin, "err", err)
			return
		}
		logger.Error("evidence kept, see lacuna audit evidence", "origin", f.Origin, "file", name)
	}
	s, err := witness.NewServer(o)
	if err != nil {
		return err
	}
	l, url, err := listen(c)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	if err := printWitness(c, cosigners, url); err != nil {
		return errors.Join(err, l.Close(), s.Close())
	}
	err = serveUntil(c.Context, l, s, logger)
	return errors.Join(err, s.Close())
}

func printWitness(c *cli.Context, cosigners []*merkle.Cosigner, url string) error {
	if !c.Bool("json") {
		_, err := fmt.Fprintln(c.App.Writer, url)
		return err
	}
	w := jsonv1.Witness{Name: cosigners[0].Name(), URL: url}
	for _, k := range cosigners {
		w.Keys = append(w.Keys, k.VKey())
	}
	return printJSON(c.App.Writer, w)
}

func readCosigners(dir string) ([]*merkle.Cosigner, error) {
	b, err := os.ReadFile(filepath.Join(dir, witnessSecret))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &usageError{err: fmt.Errorf("there is no witness in %s", dir), hint: fmt.Sprintf("lacuna witness init --dir %s --name NAME", dir)}
	}
	if err != nil {
		return nil, err
	}
	var cosigners []*merkle.Cosigner
	for line := range strings.Lines(string(b)) {
		k, err := merkle.NewCosigner(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", filepath.Join(dir, witnessSecret), len(cosigners)+1, err)
		}
		cosigners = append(cosigners, k)
	}
	return cosigners, nil
}

// maxForks is how many evidence files there may be in the folder of a witness. A
// log that forks may show a new head every second, and one file is enough.
const maxForks = 100

// keepFork writes what shows that a log has forked, and returns where.
func keepFork(base string, f witness.Fork, vkeys []string) (string, error) {
	have, err := filepath.Glob(base + ".fork-*.json")
	if err != nil {
		return "", err
	}
	if len(have) >= maxForks {
		return "", fmt.Errorf("there are %d files of evidence already", len(have))
	}
	var failed error
	for i, k := range vkeys {
		// Both heads are signed by one key of the log, not always by the first.
		l, err := audit.NewLog(append([]string{k}, slices.Delete(slices.Clone(vkeys), i, i+1)...), f.Origin, nil)
		if err != nil {
			return "", err
		}
		e, err := audit.NewFork(l, f.Cosigned, f.Refused, f.Root, f.Proof, "a request to this witness", time.Now())
		if err == nil {
			return e.Write(base)
		}
		failed = err
	}
	return "", failed
}

// logsToCosign returns the public keys of --policy and --log.
func logsToCosign(c *cli.Context) ([]string, error) {
	var logs []string
	if path := c.String("policy"); path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, usage(fmt.Errorf("--policy: %w", err))
		}
		p, err := merkle.ParsePolicy(b)
		if err != nil {
			return nil, usage(fmt.Errorf("--policy %s: %w", path, err))
		}
		for _, l := range p.Logs() {
			logs = append(logs, l.VKey)
		}
	}
	for i, text := range c.StringSlice("log") {
		text = strings.TrimSpace(text)
		if _, err := merkle.NewVerifier(text); err != nil {
			return nil, usage(fmt.Errorf("--log, number %d: %w", i+1, err))
		}
		logs = append(logs, text)
	}
	if len(logs) == 0 {
		return nil, &usageError{err: errors.New("no log to cosign"), hint: "--log VKEY, or --policy FILE with a line \"log VKEY\""}
	}
	return logs, nil
}
