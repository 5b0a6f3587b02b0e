package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCertificateNotWritten lets the file refuse the certificate, as a full disk does:
// the only copy has to come out all the same.
func TestCertificateNotWritten(t *testing.T) {
	name := filepath.Join(t.TempDir(), "certificate.json")
	out, err := certificateFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.f.Close(); err != nil {
		t.Fatal(err)
	}
	if out.f, err = os.Open(name); err != nil { // for reading: every write fails
		t.Fatal(err)
	}
	const text = `{"type":"a certificate"}`
	var stderr strings.Builder
	if err := out.put(&stderr, []byte(text)); err == nil {
		t.Error("a file that cannot be written took a certificate")
	}
	if got := strings.TrimSpace(stderr.String()); got != text {
		t.Errorf("the certificate is lost; printed %q", got)
	}
}
