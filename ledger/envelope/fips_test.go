package envelope_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// TestFIPSOnly runs suite 2 in a process of its own in which Go's crypto
// refuses everything that FIPS 140-3 does not know.
func TestFIPSOnly(t *testing.T) {
	if os.Getenv("LACUNA_TEST_FIPS_CHILD") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFIPSOnly$", "-test.v")
		cmd.Env = append(os.Environ(), "LACUNA_TEST_FIPS_CHILD=1", "GODEBUG=fips140=only")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("with GODEBUG=fips140=only: %v\n%s", err, out)
		}
		if !strings.Contains(string(out), "--- PASS: TestFIPSOnly") {
			t.Fatalf("the test did not run:\n%s", out)
		}
		return
	}
	sealed, err := envelope.Seal(alice, envelope.AES256GCM, testOrigin, []byte(testEvent))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := envelope.Open(alice, sealed.Envelope); err != nil {
		t.Fatal(err)
	}
	full, err := envelope.OpenFull(alice, sealed.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := envelope.OpenFields(alice, sealed.Envelope, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []*envelope.Opening{full.Opening(sealed.Leaf[:]), fields.Opening(sealed.Leaf[:])} {
		if _, _, err := o.Verify(testOrigin); err != nil {
			t.Errorf("%s opening: %v", o.Kind(), err)
		}
	}
	if _, err := envelope.Seal(alice, envelope.ChaCha20Poly1305, testOrigin, []byte(testEvent)); err == nil {
		t.Error("suite 1 seals although only FIPS algorithms are allowed")
	}
}
