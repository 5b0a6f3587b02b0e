package holder_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/holder/holdertest"
)

func phrase(words string) holder.Passphrase {
	return func() ([]byte, error) { return []byte(words), nil }
}

// TestSealedConformance: a sealed holder is a holder.
func TestSealedConformance(t *testing.T) {
	defer holder.CheapPassphrases()()
	pass := phrase("nine quiet herons over the weir")
	for name, n := range map[string]int{"file": 1, "mirrored": 2} {
		t.Run(name, func(t *testing.T) {
			holdertest.Run(t, func(t *testing.T) func() keystore.Holder {
				var paths []string
				for i := range n {
					paths = append(paths, filepath.Join(t.TempDir(), string(rune('a'+i))))
				}
				first := true
				return func() keystore.Holder {
					if first {
						first = false
						return must(pass.CreateFiles(paths...))(t)
					}
					return must(pass.OpenFiles(paths...))(t)
				}
			})
		})
	}
}

// TestSealed: the share is not in the file, nobody opens it without the passphrase
// or with another, and whoever cannot open it changes nothing.
func TestSealed(t *testing.T) {
	defer holder.CheapPassphrases()()
	path := filepath.Join(t.TempDir(), "root")
	pass := phrase("nine quiet herons over the weir")
	h := must(pass.CreateFiles(path))(t)
	if !h.Caps().Sealed {
		t.Error("a sealed holder does not say so")
	}
	var tree keystore.TreeID
	one, two := share(tree, 1), share(tree, 2)
	if err := errors.Join(h.Prepare(ctx, one), h.Prepare(ctx, two)); err != nil {
		t.Fatal(err)
	}
	h.Close()
	before := must(os.ReadFile(path))(t)
	for _, s := range []keystore.Share{one, two} {
		for at := 0; at+8 <= len(s.Secret); at++ {
			if bytes.Contains(before, s.Secret[at:at+8]) {
				t.Fatalf("bytes of the share of epoch %d lie in the file", s.Epoch)
			}
		}
	}
	for name, p := range map[string]holder.Passphrase{
		"none": nil, "another": phrase("nine quiet herons over the weir "), "a short one": phrase("short"),
		"one that cannot be had": func() ([]byte, error) { return nil, os.ErrNotExist },
	} {
		_, err := p.OpenFiles(path)
		if err == nil || name != "one that cannot be had" && !errors.Is(err, holder.ErrPassphrase) {
			t.Errorf("with %s: %v", name, err)
		}
	}
	if _, err := holder.OpenFile(path); !errors.Is(err, holder.ErrPassphrase) {
		t.Errorf("opened as if it were not sealed: %v", err)
	}
	// The probe may have written the third block.
	if after := must(os.ReadFile(path))(t); !bytes.Equal(after[:2*4096], before[:2*4096]) {
		t.Error("somebody without the passphrase changed the slots")
	}
	asked := 0
	h = must(holder.Passphrase(func() ([]byte, error) { asked++; return []byte("nine quiet herons over the weir"), nil }).OpenFiles(path))(t)
	defer h.Close()
	if got := must(h.Current(ctx))(t); len(got) != 2 || !h.Caps().Sealed {
		t.Errorf("%d shares, sealed %v", len(got), h.Caps().Sealed)
	}
	st := must(h.Destroy(ctx, tree, 2, two.Attempt))(t)
	if len(st.Destroyed) != 1 || st.Destroyed[0] != 1 || asked != 1 {
		t.Errorf("destroyed %v, asked %d times", st.Destroyed, asked)
	}
}

// TestSealedMirror: one question for all copies, and a new copy is sealed as the
// others are.
func TestSealedMirror(t *testing.T) {
	defer holder.CheapPassphrases()()
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	asked := 0
	pass := holder.Passphrase(func() ([]byte, error) { asked++; return []byte("nine quiet herons over the weir"), nil })
	h := must(pass.CreateFiles(a, b))(t)
	var tree keystore.TreeID
	one := share(tree, 1)
	if err := h.Prepare(ctx, one); err != nil {
		t.Fatal(err)
	}
	h.Close()
	must(holder.CreateFile(c))(t).Close()
	h = must(pass.OpenFiles(a, b, c))(t)
	must(h.Destroy(ctx, tree, 1, one.Attempt))(t)
	h.Close()
	if asked != 2 {
		t.Errorf("asked %d times for two openings", asked)
	}
	if bytes.Contains(must(os.ReadFile(c))(t), one.Secret[:8]) {
		t.Error("the new copy is not sealed")
	}
	h = must(pass.OpenFiles(c))(t)
	if got := must(h.Current(ctx))(t); len(got) != 1 || !got[0].Secret.Equal(&one.Secret) {
		t.Error("the new copy does not hold the share")
	}
	h.Close()

	// Copies that are sealed in two ways were not made together.
	d := filepath.Join(dir, "d")
	other := must(pass.CreateFiles(d))(t)
	if err := other.Prepare(ctx, one); err != nil {
		t.Fatal(err)
	}
	other.Close()
	if _, err := pass.OpenFiles(a, d); !errors.Is(err, keystore.ErrWrongTree) {
		t.Errorf("two ways of sealing: %v", err)
	}
}
