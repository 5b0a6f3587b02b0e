//go:build pkcs11 && cgo

package holder_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/holder/holdertest"
)

// TestTokenAndFile moves a root from a file into a token and back: a new place is
// filled, one that is given up is wiped, and the level is that of the worse of both.
func TestTokenAndFile(t *testing.T) {
	file, token := filepath.Join(t.TempDir(), "root"), holdertest.NewSoftHSM(t).URI("crm")
	var tree keystore.TreeID
	one := share(tree, 1)
	h := must(holder.CreateFiles(file))(t)
	if err := h.Prepare(ctx, one); err != nil {
		t.Fatal(err)
	}
	id := h.Caps().ID
	h.Close()

	move := func(from, to string) {
		t.Helper()
		must(holder.CreateFiles(to))(t).Close()
		h := must(holder.OpenFiles(from, to))(t)
		if c := h.Caps(); c.ID != id || c.Level != keystore.L0 || c.Copies != 2 {
			t.Errorf("caps %+v", c)
		}
		st := must(h.Destroy(ctx, tree, 1, one.Attempt))(t)
		if st.Overwritten != 2 {
			t.Errorf("statement %+v", st)
		}
		h.Close()
		if err := holder.Wipe(from); err != nil {
			t.Fatal(err)
		}
		h = must(holder.OpenFiles(from))(t)
		if shares := must(h.Current(ctx))(t); len(shares) > 0 {
			t.Errorf("%d shares are left in %s", len(shares), from)
		}
		h.Close()
		if err := holder.Discard(from); err != nil {
			t.Fatal(err)
		}
		h = must(holder.OpenFiles(to))(t)
		defer h.Close()
		shares := must(h.Current(ctx))(t)
		if len(shares) != 1 || !shares[0].Secret.Equal(&one.Secret) || h.Caps().ID != id {
			t.Errorf("the root did not come to %s", to)
		}
	}
	move(file, token)
	move(token, file)

	// One of two cannot be made: none is left.
	if _, err := holder.CreateFiles(token, file); !errors.Is(err, keystore.ErrExists) {
		t.Errorf("made a root over another: %v", err)
	}
	if _, err := holder.OpenFiles(token); !errors.Is(err, keystore.ErrHolderMissing) {
		t.Errorf("the token still has a holder: %v", err)
	}
	words := holder.Passphrase(func() ([]byte, error) { return []byte("nine quiet herons"), nil })
	if _, err := words.CreateFiles(token); !errors.Is(err, holder.ErrNotFiles) {
		t.Errorf("a token was sealed by a passphrase: %v", err)
	}
	if !holder.SameVolume(token, strings.Replace(token, "crm", "hr", 1)) || holder.SameVolume(token, file) {
		t.Error("one token is not told from another place")
	}
}
