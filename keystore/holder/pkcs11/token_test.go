//go:build pkcs11 && cgo

package pkcs11_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder/holdertest"
	"github.com/lacunalog/lacuna/keystore/holder/pkcs11"
)

var ctx = context.Background()

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func share(epoch uint64) keystore.Share {
	s := keystore.Share{Tree: keystore.TreeID{1}, Epoch: epoch}
	rand.Read(s.Attempt[:])
	rand.Read(s.Secret[:])
	return s
}

func prepare(t *testing.T, h keystore.Holder, ss ...keystore.Share) {
	t.Helper()
	for _, s := range ss {
		if err := h.Prepare(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
}

// holds checks that a holder has the shares of these epochs and no others.
func holds(t *testing.T, h keystore.Holder, want ...keystore.Share) {
	t.Helper()
	have := must(h.Current(ctx))(t)
	if len(have) != len(want) {
		t.Fatalf("there are %d shares, want %d", len(have), len(want))
	}
	for _, w := range want {
		ok := false
		for i := range have {
			ok = ok || have[i].Attempt == w.Attempt && have[i].Epoch == w.Epoch && have[i].Secret.Equal(&w.Secret)
		}
		if !ok {
			t.Errorf("the share of epoch %d is not there", w.Epoch)
		}
	}
}

func TestConformance(t *testing.T) {
	holdertest.Run(t, func(t *testing.T) func() keystore.Holder {
		u := holdertest.NewSoftHSM(t).URI("crm")
		first := true
		return func() keystore.Holder {
			if first {
				first = false
				return must(pkcs11.Create(u))(t)
			}
			return must(pkcs11.Open(u))(t)
		}
	})
}

func TestRefusals(t *testing.T) {
	token := holdertest.NewSoftHSM(t)
	u := token.URI("crm")
	hinted := func(what string, err, want error) {
		t.Helper()
		var h *keystore.HintError
		if !errors.Is(err, want) || !errors.As(err, &h) || h.Hint == "" {
			t.Errorf("%s: got %v, want %v with a hint", what, err, want)
		}
		if err != nil && strings.Contains(err.Error(), token.PIN) {
			t.Errorf("%s: the PIN is in the error", what)
		}
	}
	_, err := pkcs11.Open(u)
	hinted("nothing made", err, keystore.ErrHolderMissing)
	must(pkcs11.Create(u))(t).Close()
	_, err = pkcs11.Create(u)
	hinted("made twice", err, keystore.ErrExists)
	_, err = pkcs11.Open(strings.Replace(u, token.Label, "other", 1))
	hinted("another token", err, keystore.ErrHolderMissing)
	_, err = pkcs11.Open(strings.Replace(u, "libsofthsm2", "libother", 1))
	hinted("no module", err, keystore.ErrHolderMissing)
	bare := token.URIWithoutPIN("crm")
	_, err = pkcs11.Open(bare)
	hinted("no PIN", err, keystore.ErrHolderMissing)
	t.Setenv("LACUNA_PKCS11_PIN", "wrong-horse")
	if _, err = pkcs11.Open(bare); err == nil || strings.Contains(err.Error(), "wrong-horse") || !strings.Contains(err.Error(), "PIN_INCORRECT") {
		t.Errorf("a wrong PIN: %v", err)
	}
	t.Setenv("LACUNA_PKCS11_PIN", token.PIN)
	h := must(pkcs11.Open(bare))(t)
	if s := fmt.Sprintf("%v %+v %#v %s", h, h, h, h); strings.Contains(s, token.PIN) {
		t.Error("the PIN is in " + s)
	}
	h.Close()
	if _, err := h.Current(ctx); err == nil {
		t.Error("a closed holder answers")
	}
	token.Init(t)
	_, err = pkcs11.Open(u)
	hinted("two tokens of one label", err, keystore.ErrHolderMissing)
}

// TestLevel: nothing that a token says of itself makes it more than L0.
func TestLevel(t *testing.T) {
	u := holdertest.NewSoftHSM(t).URI("crm")
	h := must(pkcs11.Create(u))(t)
	prepare(t, h, share(1))
	h.Close()
	h = must(pkcs11.Open(u))(t)
	defer h.Close()
	c := h.Caps()
	if c.Level != keystore.L0 || c.Kind != "pkcs11" || !strings.Contains(c.Warning, "a program") {
		t.Errorf("caps %+v", c)
	}
	if strings.Contains(c.Warning, "copied") {
		t.Errorf("keys that the token does not let out are said to be copied: %s", c.Warning)
	}
	if values, errs := h.KeyValues(); len(errs) != 1 || errs[0] == nil {
		t.Errorf("the token gave away a key of %d bytes: %v", len(values[0]), errs)
	}
}

// TestLostSession: a token that was taken out and put back again goes on.
func TestLostSession(t *testing.T) {
	h := must(pkcs11.Create(holdertest.NewSoftHSM(t).URI("crm")))(t)
	defer h.Close()
	one, two := share(1), share(2)
	for _, step := range []func(){
		func() { prepare(t, h, one) },
		func() { prepare(t, h, two) },
		func() { holds(t, h, one, two) },
		func() { must(h.Destroy(ctx, two.Tree, 2, two.Attempt))(t) },
	} {
		if err := h.ThrowOut(); err != nil {
			t.Fatal(err)
		}
		step()
	}
	holds(t, h, two)
}

// TestTwoHolders: two names in one token are two holders, which do not disturb each
// other although they share the module.
func TestTwoHolders(t *testing.T) {
	token := holdertest.NewSoftHSM(t)
	a, b := must(pkcs11.Create(token.URI("a")))(t), must(pkcs11.Create(token.URI("b")))(t)
	one, two, other := share(1), share(2), share(7)
	prepare(t, a, one)
	prepare(t, b, other)
	prepare(t, a, two)
	must(a.Destroy(ctx, two.Tree, 2, two.Attempt))(t)
	holds(t, b, other)
	a.Close()
	holds(t, b, other)
	if err := errors.Join(b.Close(), pkcs11.Wipe(token.URI("a"))); err != nil {
		t.Fatal(err)
	}
	a = must(pkcs11.Open(token.URI("a")))(t)
	holds(t, a)
	a.Close()
	if err := pkcs11.Discard(token.URI("a")); err != nil {
		t.Fatal(err)
	}
	if err := pkcs11.Discard(token.URI("a")); !errors.Is(err, keystore.ErrHolderMissing) {
		t.Errorf("discarded twice: %v", err)
	}
	must(pkcs11.Create(token.URI("a")))(t).Close()
	b = must(pkcs11.Open(token.URI("b")))(t)
	defer b.Close()
	holds(t, b, other)
}

// TestInterrupted: keys without records and records without keys are no shares, and go
// with the next step.
func TestInterrupted(t *testing.T) {
	u := holdertest.NewSoftHSM(t).URI("crm")
	h := must(pkcs11.Create(u))(t)
	defer h.Close()
	one, two, three := share(1), share(2), share(3)
	prepare(t, h, one)
	if err := h.Key(two.Attempt); err != nil {
		t.Fatal(err)
	}
	holds(t, h, one)
	prepare(t, h, two) // again, after it was interrupted
	if n := must(h.Objects())(t); n != 5 {
		t.Errorf("there are %d objects, want those of two shares and the name", n)
	}
	must(h.Destroy(ctx, one.Tree, 1, one.Attempt))(t)
	if err := h.Key(three.Attempt); err != nil {
		t.Fatal(err)
	}
	must(h.Destroy(ctx, one.Tree, 1, one.Attempt))(t)
	if n := must(h.Objects())(t); n != 3 {
		t.Errorf("there are %d objects, want those of one share and the name", n)
	}

	// The record that a thief has kept opens nothing when the key is gone.
	records := must(h.DestroyKeys())(t)
	holds(t, h)
	prepare(t, h, two)
	if err := h.PutRecord(records[0]); err != nil {
		t.Fatal(err)
	}
	holds(t, h, two)

	// A record that its key does not open is no empty place.
	var key [16]byte
	copy(key[:], records[0][48:64])
	if err := h.Key(key); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Current(ctx); err == nil {
		t.Error("a record that does not open was passed over")
	}
	if err := h.Prepare(ctx, three); err == nil {
		t.Error("a share was prepared beside a record that does not open")
	}
	if err := pkcs11.Wipe(u); err != nil {
		t.Errorf("what does not open cannot be wiped: %v", err)
	}
	holds(t, h)
}

// TestAttackPutBack: SoftHSM is no eraser. Whoever puts its files back has the key
// again. A destruction that leaves them there is not stated, and what comes back later
// is destroyed when the tree is opened.
func TestAttackPutBack(t *testing.T) {
	token := holdertest.NewSoftHSM(t)
	h := must(pkcs11.Create(token.URI("crm")))(t)
	one, two := share(1), share(2)
	prepare(t, h, one)
	old := files(t, filepath.Join(token.Dir, "tokens"))
	prepare(t, h, two)
	h.BeforeLooking(func() error { return putBack(old) })
	if _, err := h.Destroy(ctx, two.Tree, 2, two.Attempt); err == nil {
		t.Error("stated a destruction that left the share in the token")
	}
	h.BeforeLooking(func() error { return nil })
	st := must(h.Destroy(ctx, two.Tree, 2, two.Attempt))(t)
	if len(st.Destroyed) != 1 || st.Destroyed[0] != 1 {
		t.Errorf("statement %+v", st)
	}
	holds(t, h, two)
	h.Close()

	if err := putBack(old); err != nil {
		t.Fatal(err)
	}
	h = must(pkcs11.Open(token.URI("crm")))(t)
	defer h.Close()
	holds(t, h, one, two) // this is why the level is L0
	must(h.Destroy(ctx, two.Tree, 2, two.Attempt))(t)
	holds(t, h, two)
}

// files reads a folder.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		all[name] = bytes.Clone(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func putBack(all map[string][]byte) error {
	for name, b := range all {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkEpoch is a share that is prepared and the one before destroyed.
func BenchmarkEpoch(b *testing.B) {
	h := must(pkcs11.Create(holdertest.NewSoftHSM(b).URI("crm")))(b)
	defer h.Close()
	epoch := uint64(1)
	for b.Loop() {
		s := share(epoch)
		if err := h.Prepare(ctx, s); err != nil {
			b.Fatal(err)
		}
		must(h.Destroy(ctx, s.Tree, s.Epoch, s.Attempt))(b)
		epoch++
	}
}
