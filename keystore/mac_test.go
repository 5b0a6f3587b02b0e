package keystore

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	"github.com/lacunalog/lacuna/merkle/sha2"
)

// TestMAC compares the two kept states with HMAC and HKDF as the standard library
// has them, on processors that have the instructions and on others.
func TestMAC(t *testing.T) {
	was := fast
	defer func() { fast = was }()
	for _, fast = range []bool{false, sha2.Fast} {
		rng := rand.New(rand.NewPCG(1, 2))
		random := func(n int) []byte {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			return b
		}
		for n := range 400 {
			key, a, b := random(rng.IntN(65)), random(rng.IntN(n+1)), random(rng.IntN(300))
			m := newMAC(key)
			h := hmac.New(sha256.New, key)
			h.Write(a)
			h.Write(b)
			var got [32]byte
			m.sum(&got, a, b)
			if !bytes.Equal(got[:], h.Sum(nil)) {
				t.Fatalf("fast %t: HMAC of %d and %d bytes under %d differs", fast, len(a), len(b), len(key))
			}
			if text := random(n); sum256(text) != sha256.Sum256(text) {
				t.Fatalf("fast %t: SHA-256 of %d bytes differs", fast, n)
			}
			prk := random(32)
			m = newMAC(prk)
			for _, size := range []int{32, 64} {
				want, err := hkdf.Expand(sha256.New, prk, "label"+string(b), size)
				if err != nil {
					t.Fatal(err)
				}
				out := make([]byte, size)
				m.expand(out, "label", b)
				if !bytes.Equal(out, want) {
					t.Fatalf("fast %t: HKDF-Expand of %d bytes to %d differs", fast, len(b), size)
				}
			}
		}
	}
}

func TestPageKeyIsHKDF(t *testing.T) {
	children := randomChildren()
	for _, bits := range []uint8{0, 3, 6} {
		first, end := slotRange(addr{2, 0}, 6+bits)
		var ikm []byte
		for _, c := range children[first : end+1] {
			ikm = append(ikm, c[:]...)
		}
		want, err := hkdf.Key(sha256.New, ikm, nil, labelPage, 32)
		if err != nil {
			t.Fatal(err)
		}
		if got := pageKey(children, addr{2, 0}, 6+bits); !bytes.Equal(got[:], want) {
			t.Fatalf("the key of a page that covers children %d to %d differs", first, end)
		}
	}
}
