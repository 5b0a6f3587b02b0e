package receipt_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/ledger/receipt/receipttest"
	"github.com/lacunalog/lacuna/merkle"
)

// erasing is a log with two epochs, and the certificates of both.
func erasing(t testing.TB) (l *receipttest.Log, records []uint64, certs []*certificate.Certificate) {
	t.Helper()
	l = receipttest.NewLog("demo.lacuna.test")
	l.Fill(5)
	first, a := l.Erase("c-2", nil, nil)
	l.Fill(2)
	second, b := l.Erase("c-3", &first, nil)
	return l, []uint64{first, second}, []*certificate.Certificate{a, b}
}

func epochs(t testing.TB, l *receipttest.Log, indexes ...uint64) (reports []*receipt.Report) {
	t.Helper()
	for _, i := range indexes {
		r, err := receipt.Verify(l.Receipt(i, nil), l.VKey)
		if err != nil || r.Epoch == nil {
			t.Fatalf("the receipt of an epoch record: %v", err)
		}
		reports = append(reports, r)
	}
	return reports
}

func TestEpochRecord(t *testing.T) {
	l, records, _ := erasing(t)
	r := epochs(t, l, records...)[1]
	for _, want := range []string{
		"ok     erasure.epoch\n",
		"note   keys destroyed 2026-05-04T12:31:40Z, epoch 2, level L1; people: 1-9 on request, 0 by retention, 0 by closure\n",
		"note   the holder of the root states that the old one was overwritten: file (L1)\n",
	} {
		if !strings.Contains(r.Text(), want) {
			t.Errorf("no %q in\n%s", want, r.Text())
		}
	}
	if v := receipt.Conclude(epochs(t, l, records...), false); !v.Verified || len(v.Findings) > 0 {
		t.Errorf("two records in order: %+v", v.Findings)
	}
	// What calls itself a record and is none.
	for _, statement := range []string{`{"type":"erasure.epoch"}`, `{"epoch":1,"schema":2,"type":"erasure.epoch"}`} {
		r, err := receipt.Verify(l.Receipt(l.Publish(statement), nil), l.VKey)
		if f, ok := errors.AsType[*receipt.Failure](err); !ok || f.Stage != receipt.StageRecord {
			t.Errorf("%s: %v\n%s", statement, err, r.Text())
		}
	}
	if _, err := receipt.Verify(l.Receipt(l.Publish(`{"epoch":1,"type":"another"}`), nil), l.VKey); err != nil {
		t.Errorf("control: another statement: %v", err)
	}
}

// TestTwoRecords: every way in which two epoch records cannot both be true.
func TestTwoRecords(t *testing.T) {
	l, records, _ := erasing(t)
	fork := l.Fork()
	third, _ := l.Erase("c-4", &records[0], nil) // follows the first, as the second does
	fork.Erase("c-5", nil, nil)                  // epoch 3, too
	again, _ := fork.Erase("c-6", nil, func(terms *certificate.Terms) { terms.Epoch = 2 })
	backwards, _ := fork.Erase("c-7", &again, func(terms *certificate.Terms) { terms.Epoch = 1 })
	for _, c := range []struct {
		name    string
		reports []*receipt.Report
		text    string
	}{
		{"one after the other", epochs(t, l, records...), ""},
		{"two that follow one", epochs(t, l, records[1], third), "both say that they follow the same epoch record"},
		{"two of one epoch", epochs(t, fork, records[1], again), "are both the record of epoch 2"},
		{"backwards", epochs(t, fork, again, backwards), "says that it follows that of epoch 2"},
		{"the same twice", epochs(t, l, records[0], records[0]), ""},
	} {
		findings := receipt.CheckErasures(c.reports)
		if c.text == "" {
			if len(findings) > 0 {
				t.Errorf("%s: %+v", c.name, findings)
			}
			continue
		}
		expect(t, findings, receipt.Failed, c.text)
	}
}

func TestVerifyCertificate(t *testing.T) {
	l, records, certs := erasing(t)
	w := witnesses()[0]
	l.Witnesses = []merkle.Signer{w.At(noon)}
	record, err := trust(t, receipttest.Policy([]*receipttest.Log{l}, 1, w)).Verify(l.Receipt(records[0], nil))
	if err != nil {
		t.Fatal(err)
	}
	file := receipttest.Marshal(certs[0])
	r, err := receipt.VerifyCertificate(file, record, receipt.Approvers{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"ok     an erasure certificate, the copy of \"c-2\"\n",
		"       made unreadable: 3 entries\n", "       erased: marketing\n", "       to be told: mailer\n",
		"ok     the log holds these very terms since entry 5 of 9, under the head signed by demo.lacuna.test\n",
		"seen   press.example/w countersigned this head at 2026-05-04T12:00:00Z: the terms were fixed by then\n",
		"note   not covered: A copy of a key that the operator took in secret before",
	} {
		if !strings.Contains(r.Text(), want) {
			t.Errorf("no %q in\n%s", want, r.Text())
		}
	}
	if origin, index, err := receipt.RecordOf(file); err != nil || origin != l.Origin || index != records[0] || receipt.PaperOf(file) != receipt.KindCertificate {
		t.Errorf("the record is entry %d of %q, %v", index, origin, err)
	}
	officer, err := receipt.VerifyCertificate(receipttest.Marshal(certs[0].Officer()), record, receipt.Approvers{})
	if err != nil || strings.Contains(officer.Text(), "c-2") || len(officer.Members) > 0 {
		t.Errorf("the officer's copy: %v\n%s", err, officer.Text())
	}
	shown := *certs[0]
	shown.Opening = shown.Opening.Withhold(certificate.MemberSubject)
	withheld, err := receipt.VerifyCertificate(receipttest.Marshal(&shown), record, receipt.Approvers{})
	if err != nil || !strings.Contains(withheld.Text(), "the person's copy, without the name") {
		t.Errorf("without the name: %v\n%s", err, withheld.Text())
	}
}

func TestVerifyCertificateRefuses(t *testing.T) {
	l, records, certs := erasing(t)
	reports := epochs(t, l, records...)
	file := receipttest.Marshal(certs[0])
	bad, _ := receipt.Verify(nil, l.VKey)
	filler, err := receipt.Verify(l.Receipt(0, nil), l.VKey)
	if err != nil {
		t.Fatal(err)
	}
	other := receipttest.NewLog("other.example")
	other.Fill(5)
	foreign, _ := other.Erase("c-2", nil, nil)
	change := func(f func(c *certificate.Certificate)) []byte {
		c := *certs[0]
		o := *c.Opening
		c.Opening = &o
		f(&c)
		return receipttest.Marshal(&c)
	}
	for _, c := range []struct {
		name   string
		file   []byte
		record *receipt.Report
		stage  receipt.Stage
		text   string
	}{
		{"no record", file, nil, receipt.StageRecord, "record: the receipt of the epoch record, entry 5, is not there"},
		{"a record that does not verify", file, bad, receipt.StageRecord, "does not verify: file: "},
		{"an entry that is no record", file, filler, receipt.StageRecord, "entry 0 is no epoch record"},
		{"another epoch's record", file, reports[1], receipt.StageCertificate, "certificate: the record is another entry of the log"},
		{"another log's record", file, epochs(t, other, foreign)[0], receipt.StageRecord, `the certificate is of the log "demo.lacuna.test", the epoch record of "other.example"`},
		{"nothing kept, it says", change(func(c *certificate.Certificate) {
			c.Terms.Kept = []certificate.Stay{{Compartment: "tax", Reason: "law"}}
		}), reports[0], receipt.StageCertificate, "the requests tree of the record does not hold these terms"},
		{"another level", change(func(c *certificate.Certificate) { c.Terms.Level = "L3" }), reports[0], receipt.StageCertificate, "the record states another level"},
		{"another count", change(func(c *certificate.Certificate) { c.Entries++ }), reports[0], receipt.StageCertificate, ""},
		{"another commitment", change(func(c *certificate.Certificate) { c.Opening.Rho[0] ^= 1 }), reports[0], receipt.StageCertificate, "the opening is of another commitment"},
		{"a line behind", append(bytes.Clone(file), '\n'), reports[0], receipt.StageFile, "file: certificate: "},
		{"a statement", []byte(`{"type":"erasure.epoch"}`), reports[0], receipt.StageFile, "file: certificate: "},
		{"a long one", bytes.Repeat([]byte("{"), receipt.MaxFile+1), reports[0], receipt.StageFile, "longer than"},
	} {
		r, err := receipt.VerifyCertificate(c.file, c.record, receipt.Approvers{})
		f, ok := errors.AsType[*receipt.Failure](err)
		if !ok || f.Stage != c.stage || !strings.Contains(f.Text, c.text) || r.Verified || r.Certificate != nil && r.Text() != "FAILED "+f.Text+"\n" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := receipt.VerifyCertificate(file, reports[0], receipt.Approvers{}); err != nil {
		t.Errorf("control: %v", err)
	}
	if _, _, err := receipt.RecordOf([]byte("{}")); !errors.Is(err, receipt.ErrNoCertificate) {
		t.Errorf("no certificate: %v", err)
	}
}

// TestCertificateMutations flips a bit of every byte of a certificate.
func TestCertificateMutations(t *testing.T) {
	l, records, certs := erasing(t)
	record := epochs(t, l, records[0])[0]
	file := receipttest.Marshal(certs[0])
	for i := range file {
		bit := byte(1) << (i % 8)
		file[i] ^= bit
		if r, err := receipt.VerifyCertificate(file, record, receipt.Approvers{}); err == nil || r.Verified {
			t.Errorf("bit %d of byte %d: verified", i%8, i)
		}
		file[i] ^= bit
	}
}

// TestTwoCertificates: one request, and two sets of terms that the record both binds.
// An operator can prepare that; whoever gets both sees it.
func TestTwoCertificates(t *testing.T) {
	l, records, certs := erasing(t)
	reports := epochs(t, l, records...)
	report := func(c *certificate.Certificate, record *receipt.Report) *receipt.Report {
		r, err := receipt.VerifyCertificate(receipttest.Marshal(c), record, receipt.Approvers{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	a, b := report(certs[0], reports[0]), report(certs[1], reports[1])
	if f := receipt.CheckErasures([]*receipt.Report{a, b, report(certs[0].Officer(), reports[0])}); len(f) > 0 {
		t.Errorf("two requests: %+v", f)
	}
	// As if the second were about the first request.
	twin := *b.Certificate
	twin.Commitment = a.Certificate.Commitment
	b.Certificate = &twin
	expect(t, receipt.CheckErasures([]*receipt.Report{a, b}), receipt.Failed, "two certificates for one request say different things; keep both files")
}
