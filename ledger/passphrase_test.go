package ledger_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/ledger"
)

// TestChangePassphrase: the old passphrase opens the ledger no more, not even with a copy
// of the root from before, whose root is not the live one. The control is the same copy
// before the change.
func TestChangePassphrase(t *testing.T) {
	phrase := func(words string) holder.Passphrase {
		return func() ([]byte, error) { return []byte(words), nil }
	}
	old, next := phrase("nine quiet herons over the weir"), phrase("eleven loud geese under the bridge")
	dir := t.TempDir()
	root, pages := filepath.Join(dir, "root"), filepath.Join(dir, "pages")
	o := ledger.Options{Dir: filepath.Join(dir, "crm"), Passphrase: old}
	if err := ledger.Init(t.Context(), ledger.InitOptions{Dir: o.Dir, Origin: "pass.lacuna.test", Root: []string{root}, Pages: pages, Passphrase: old}); err != nil {
		t.Fatal(err)
	}
	reads := func(o ledger.Options) error {
		l, err := ledger.Open(t.Context(), o)
		if err == nil {
			err = l.Close()
		}
		return err
	}
	copied, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	putBack := func() error {
		return errors.Join(os.Rename(root, root+".live"), os.WriteFile(root, copied, 0o600))
	}
	if err := putBack(); err != nil {
		t.Fatal(err)
	}
	if err := reads(o); err != nil {
		t.Fatalf("the control: a copy does not open the ledger before the change: %v", err)
	}

	// Where the epoch cannot take place the passphrase is changed, and that is said.
	if err := errors.Join(os.RemoveAll(pages), os.WriteFile(pages, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := ledger.ChangePassphrase(t.Context(), o, phrase("seven wet swans at the lock")); err == nil {
		t.Error("the root was drawn anew although key pages went nowhere")
	}
	if err := reads(o); !errors.Is(err, holder.ErrPassphrase) {
		t.Errorf("opened by the old passphrase: %v", err)
	}
	if err := os.Remove(pages); err != nil {
		t.Fatal(err)
	}
	o.Passphrase = phrase("seven wet swans at the lock")
	if err := ledger.ChangePassphrase(t.Context(), o, next); err != nil {
		t.Fatal(err)
	}
	o.Passphrase = next
	if err := reads(o); err != nil {
		t.Fatal(err)
	}
	if err := putBack(); err != nil {
		t.Fatal(err)
	}
	o.Passphrase = old
	if err := reads(o); !errors.Is(err, keystore.ErrNoCompleteEpoch) {
		t.Errorf("a copy from before the change, opened by the old passphrase: %v", err)
	}
}
