package verifier

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/receipt"
)

// verify verifies receipts, heads and the papers of erasures. A file that cannot be read is complained
// about and does not keep the others from being verified.
func verify(o options, t *receipt.Trust, f *files, complain func(error)) ([]byte, int, error) {
	type paper struct {
		at   int
		kind envelope.Kind
		file []byte
	}
	approvers, err := o.approving(f)
	if err != nil {
		return nil, exitUsage, err
	}
	var (
		reports []*receipt.Report
		papers  []paper
		unread  []string
	)
	for _, name := range o.files {
		file, err := f.read(name, maxPaper)
		if err != nil {
			complain(fmt.Errorf("reading the receipt: %w", err))
			unread = append(unread, name)
			continue
		}
		if isEvidence(file) {
			complain(&hinted{fmt.Errorf("%s: two signed heads of a log that do not follow each other, which another command verifies", name), "lacuna audit evidence --key VKEYFILE " + name})
			unread = append(unread, name)
			continue
		}
		check := t.Verify
		switch kind := receipt.PaperOf(file); {
		case kind == receipt.KindSample:
			check = t.VerifySample
		case kind == receipt.KindLost:
			check = t.VerifyLost
		case kind != "":
			papers = append(papers, paper{len(reports), kind, file})
			reports = append(reports, &receipt.Report{File: name})
			continue
		case receipt.IsHead(file):
			check = t.VerifyHead
		}
		r, _ := check(file) // the report says the same
		r.File = name
		reports = append(reports, r)
	}
	// A paper hangs on receipts that may stand anywhere among the files.
	for _, p := range papers {
		name := reports[p.at].File
		var r *receipt.Report
		if p.kind == receipt.KindPaired {
			r, _ = t.VerifyPaired(p.file, reports)
		} else {
			record, err := o.record(name, p.file, reports, t, f)
			if err != nil {
				complain(fmt.Errorf("reading the receipt of the epoch record: %w", err))
				unread = append(unread, name+besides)
			}
			sweep, err := o.sweep(name, t, f)
			if err != nil {
				complain(fmt.Errorf("reading the receipt of the sweep record: %w", err))
				unread = append(unread, name+besidesSweep)
			}
			r, _ = receipt.VerifyCertificate(p.file, record, approvers, append(slices.Clone(reports), sweep)...)
		}
		r.File = name
		reports[p.at] = r
	}
	if len(reports) == 0 {
		return nil, exitUsage, nil
	}
	if o.approvals > 0 && !slices.ContainsFunc(papers, func(p paper) bool { return p.kind == receipt.KindCertificate }) {
		return nil, exitUsage, &hinted{errors.New("--approvals is about certificates, and none is among the files"), "the signatures stand in the certificates, not in the epoch record"}
	}
	if seed, err := certificate.SeedOf(o.seed); err == nil {
		receipt.CheckSeed(reports, seed)
	}
	v := receipt.Conclude(reports, o.chain)
	code := exitOK
	if len(unread) > 0 {
		code = exitUsage
	}
	if !v.Verified {
		code = exitFailed
	}
	if o.json {
		b, err := verificationJSON(v, unread)
		return b, code, err
	}
	if o.lang != "" {
		return certificateText(v, o.lang), code, nil
	}
	return verificationText(v, len(unread), o.explain), code, nil
}

// isEvidence reports whether a file says that it is what an auditor or a witness has kept
// of a log that contradicts itself.
func isEvidence(file []byte) bool {
	var said struct {
		Format string `json:"format"`
	}
	return len(file) > 0 && file[0] == '{' && json.Unmarshal(file, &said) == nil && strings.HasPrefix(said.Format, "lacuna/log-evidence/")
}

// What the names of receipts add to that of the certificate they belong to: that of the epoch record, and
// that of the record of the sweep that removed its traces.
const (
	besides      = ".tlog-proof"
	besidesSweep = ".sweep.tlog-proof"
)

// sweep returns the report of the receipt of a sweep record that lies beside a certificate, nil where there
// is none.
func (o *options) sweep(name string, t *receipt.Trust, f *files) (*receipt.Report, error) {
	if name == "-" {
		return nil, nil
	}
	proof, ok, err := f.exists(name+besidesSweep, maxFile)
	if !ok {
		return nil, err
	}
	r, _ := t.Verify(proof)
	return r, nil
}

// record returns the report of the receipt that a certificate hangs on: among the
// files, or beside the certificate. It is nil where there is none.
func (o *options) record(name string, file []byte, reports []*receipt.Report, t *receipt.Trust, f *files) (*receipt.Report, error) {
	origin, index, err := receipt.RecordOf(file)
	if err != nil {
		return nil, nil // VerifyCertificate says what is wrong with it
	}
	for _, r := range reports {
		if r.Verified && r.Epoch != nil && r.Certificate == nil && r.Origin == origin && r.Index == index {
			return r, nil
		}
	}
	if name == "-" {
		return nil, nil
	}
	proof, ok, err := f.exists(name+besides, maxFile)
	if !ok {
		return nil, err
	}
	r, _ := t.Verify(proof)
	return r, nil
}
