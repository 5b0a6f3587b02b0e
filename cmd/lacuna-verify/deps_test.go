package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports keeps the program as small as it claims to be: whoever audits it
// has to read these packages, and the cryptography of Go and x/crypto.
func TestImports(t *testing.T) {
	allowed := []string{
		"github.com/lacunalog/lacuna/cmd/lacuna-verify",
		"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1", // what --json prints
		"github.com/lacunalog/lacuna/erasure/certificate",
		"github.com/lacunalog/lacuna/merkle/sha2",
		"github.com/lacunalog/lacuna/ledger/envelope",
		"github.com/lacunalog/lacuna/ledger/receipt",
		"github.com/lacunalog/lacuna/merkle",
		"github.com/go-json-experiment/json", // strict, and in the form of RFC 8785
		"github.com/transparency-dev/merkle", // RFC 6962 hashes and proofs
		"golang.org/x/crypto/chacha20",       // and chacha20poly1305
		"golang.org/x/crypto/internal/",
		"golang.org/x/mod/sumdb/", // signed notes, and the second opinion
		"golang.org/x/mod/internal/",
		"golang.org/x/sys/cpu",
		"filippo.io/mldsa", // ML-DSA-44 signatures; until the standard library has them
	}
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 4 {
		t.Fatalf("go list found only %q", packages)
	}
next:
	for _, p := range packages {
		for _, a := range allowed {
			if p == a || strings.HasPrefix(p, a) {
				continue next
			}
		}
		t.Errorf("the verifier imports %s", p)
	}
}
