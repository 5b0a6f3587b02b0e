package keystore

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/chacha20"
)

// The mask is the plain keystream, whichever way it is made.
func TestMask(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{1})
	leaf := make([]byte, 34)
	for n := range 2000 {
		size := n
		if n >= 1000 {
			size = n * 17
		}
		g := newGeneration(1)
		rng.Read(leaf)
		env := make([]byte, size)
		rng.Read(env)
		want := make([]byte, size)
		c, err := chacha20.NewUnauthenticatedCipher(g.env[:], leaf[2:14])
		if err != nil {
			t.Fatal(err)
		}
		c.XORKeyStream(want, env)
		slow := generation{g: 1, env: g.env}
		for name, gen := range map[string]*generation{"fast": &g, "slow": &slow} {
			// What lies behind the envelope is not the mask's.
			got := append(bytes.Clone(env), 0xAA, 0xAA)
			gen.mask(leaf, got[:size])
			if !bytes.Equal(got[:size], want) || got[size] != 0xAA || got[size+1] != 0xAA {
				t.Fatalf("%s mask of %d bytes differs", name, size)
			}
			gen.mask(leaf, got[:size])
			if !bytes.Equal(got[:size], env) {
				t.Fatalf("%s mask of %d bytes, twice, is something", name, size)
			}
		}
	}
}
