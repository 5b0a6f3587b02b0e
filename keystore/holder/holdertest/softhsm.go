package holdertest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// SoftHSMModule is where Debian puts the library.
const SoftHSMModule = "/usr/lib/softhsm/libsofthsm2.so"

// A SoftHSM is a token in a folder of its own. It behaves like hardware and is none.
type SoftHSM struct {
	Dir   string // with the token's files in it
	Label string
	PIN   string
}

// NewSoftHSM makes a token for a test, which must not run beside others: the module
// knows one configuration in a process, and reads it again only when no holder uses it.
func NewSoftHSM(t testing.TB) *SoftHSM {
	t.Helper()
	if _, err := os.Stat(SoftHSMModule); err != nil {
		if os.Getenv("LACUNA_TEST_REQUIRE") == "all" {
			t.Fatal("there is no SoftHSM: apt-get install softhsm2")
		}
		t.Skip("there is no SoftHSM: apt-get install softhsm2")
	}
	s := &SoftHSM{Dir: t.TempDir(), Label: "vault", PIN: rand.Text()}
	tokens, conf := filepath.Join(s.Dir, "tokens"), filepath.Join(s.Dir, "softhsm2.conf")
	err := errors.Join(os.Mkdir(tokens, 0o700),
		os.WriteFile(conf, fmt.Appendf(nil, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", tokens), 0o600),
		os.WriteFile(filepath.Join(s.Dir, "pin"), []byte(s.PIN+"\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	s.Init(t)
	return s
}

// Init makes another token of the same label.
func (s *SoftHSM) Init(t testing.TB) {
	t.Helper()
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", s.Label, "--pin", s.PIN, "--so-pin", "12345678").CombinedOutput()
	if err != nil {
		t.Fatalf("making a token: %v: %s", err, out)
	}
}

// URI names a holder in the token, and a file with the PIN.
func (s *SoftHSM) URI(object string) string {
	return s.URIWithoutPIN(object) + "&pin-source=file:" + filepath.Join(s.Dir, "pin")
}

// URIWithoutPIN names a holder in the token.
func (s *SoftHSM) URIWithoutPIN(object string) string {
	return "pkcs11:token=" + s.Label + ";object=" + object + "?module-path=" + SoftHSMModule
}
