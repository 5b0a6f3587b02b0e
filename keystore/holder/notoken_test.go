//go:build !pkcs11 || !cgo

package holder_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
)

// TestNoTokens: a build without PKCS #11 says so, and takes no URI for the name of a
// file.
func TestNoTokens(t *testing.T) {
	t.Chdir(t.TempDir())
	const uri = "pkcs11:token=vault;object=crm?module-path=/lib/vault.so"
	for what, f := range map[string]func(string) error{
		"create":  func(s string) error { _, err := holder.CreateFiles(s); return err },
		"open":    func(s string) error { _, err := holder.OpenFiles(s); return err },
		"wipe":    holder.Wipe,
		"discard": holder.Discard,
	} {
		var h *keystore.HintError
		if err := f(uri); !errors.As(err, &h) || !strings.Contains(h.Hint, "-tags pkcs11") {
			t.Errorf("%s: got %v, want a hint how to build it", what, err)
		}
		if err := f("pkcs11:token=vault"); err == nil || errors.As(err, &h) {
			t.Errorf("%s: a bad URI: %v", what, err)
		}
	}
}
