package merkle_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

func TestKeys(t *testing.T) {
	// Base64 may contain plus signs: a few dozen keys are sure to have some.
	plus := false
	for seed := range byte(64) {
		skey, vkey, err := merkle.GenerateKey(seedReader(seed), testOrigin)
		if err != nil {
			t.Fatal(err)
		}
		plus = plus || strings.Count(skey, "+") > 4
		got, err := merkle.VerifierOf(skey)
		if err != nil || got != vkey {
			t.Errorf("the public key of seed %d is %q, %v, want %q", seed, got, err, vkey)
		}
		s, err := merkle.NewSigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		v, err := merkle.NewVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name() != testOrigin || v.Name() != testOrigin || s.KeyHash() != v.KeyHash() {
			t.Errorf("signer %s+%08x and verifier %s+%08x differ", s.Name(), s.KeyHash(), v.Name(), v.KeyHash())
		}
		sig, err := s.Sign([]byte("text\n"))
		if err != nil || !v.Verify([]byte("text\n"), sig) || v.Verify([]byte("test\n"), sig) {
			t.Errorf("seed %d: signature: %v", seed, err)
		}
	}
	if !plus {
		t.Error("no key had a plus sign in its base64")
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("no entropy") }

func TestKeysRefused(t *testing.T) {
	for _, name := range []string{"", "a b", "a+b", "a\u00a0b", "a\nb", "a\x00b", "a\xff"} {
		if _, _, err := merkle.GenerateKey(seedReader(1), name); err == nil {
			t.Errorf("a key named %q was generated", name)
		}
	}
	if _, _, err := merkle.GenerateKey(brokenReader{}, "a"); err == nil {
		t.Log("the standard library no longer reads entropy from the given reader")
	}
	skey, vkey, err := merkle.GenerateKey(seedReader(1), testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	secret := skey[strings.LastIndex(skey, "+")+1:]
	for name, bad := range map[string]string{
		"empty":       "",
		"public":      vkey,
		"other name":  strings.Replace(skey, "log.example", "log.exbmple", 1),
		"cut":         skey[:len(skey)-4],
		"only secret": secret,
		"other type":  strings.Replace(skey, "+"+secret, "+BA"+secret[2:], 1),
	} {
		_, err1 := merkle.NewSigner(bad)
		_, err2 := merkle.VerifierOf(bad)
		for _, err := range []error{err1, err2} {
			if err == nil {
				t.Errorf("%s: accepted as a secret key", name)
			} else if strings.Contains(err.Error(), secret[4:12]) {
				t.Errorf("%s: the error shows the key", name)
			}
		}
	}
	for name, bad := range map[string]string{
		"empty":      "",
		"other name": strings.Replace(vkey, "log.example", "log.exbmple", 1),
		"cut":        vkey[:len(vkey)-4],
		"other type": "example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
	} {
		if _, err := merkle.NewVerifier(bad); err == nil {
			t.Errorf("%s: accepted as a public key", name)
		}
	}
}
