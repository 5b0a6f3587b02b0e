package verifier

import (
	"fmt"

	"github.com/lacunalog/lacuna/ledger/receipt"
)

// verify verifies receipts, certificates and heads. A file that cannot be read is complained
// about and does not keep the others from being verified.
func verify(o options, t *receipt.Trust, f *files, complain func(error)) ([]byte, int, error) {
	type certificate struct {
		at   int
		file []byte
	}
	var (
		reports      []*receipt.Report
		certificates []certificate
		unread       []string
	)
	for _, name := range o.files {
		file, err := f.read(name, maxFile)
		if err != nil {
			complain(fmt.Errorf("reading the receipt: %w", err))
			unread = append(unread, name)
			continue
		}
		if receipt.IsCertificate(file) {
			certificates = append(certificates, certificate{len(reports), file})
			reports = append(reports, &receipt.Report{File: name})
			continue
		}
		check := t.Verify
		if receipt.IsHead(file) {
			check = t.VerifyHead
		}
		r, _ := check(file) // the report says the same
		r.File = name
		reports = append(reports, r)
	}
	// A certificate hangs on a receipt that may stand anywhere among the files.
	for _, c := range certificates {
		name := reports[c.at].File
		record, err := o.record(name, c.file, reports, t, f)
		if err != nil {
			complain(fmt.Errorf("reading the receipt of the epoch record: %w", err))
			unread = append(unread, name+besides)
		}
		r, _ := receipt.VerifyCertificate(c.file, record)
		r.File = name
		reports[c.at] = r
	}
	if len(reports) == 0 {
		return nil, exitUsage, nil
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
	return verificationText(v, len(unread), o.explain), code, nil
}

// besides is what the name of a receipt adds to that of the certificate it belongs to.
const besides = ".tlog-proof"

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
