package sha2_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lacunalog/lacuna/merkle/sha2"
)

func need(t testing.TB) {
	t.Helper()
	if !sha2.Fast {
		t.Skip("needs an amd64 processor with SSE4.1 and the SHA extensions, and a build without the tag purego")
	}
}

// whole hashes two messages from their beginning.
func whole(p, q []byte) (a, b [32]byte) {
	s, t := sha2.IV, sha2.IV
	sha2.Two(&s, &t, sha2.Pad(bytes.Clone(p), len(p)), sha2.Pad(bytes.Clone(q), len(q)))
	return s.Digest(), t.Digest()
}

func check(t *testing.T, p, q []byte) {
	t.Helper()
	a, b := whole(p, q)
	if want := sha256.Sum256(p); a != want {
		t.Errorf("%d bytes beside %d: %x, want %x", len(p), len(q), a, want)
	}
	if want := sha256.Sum256(q); b != want {
		t.Errorf("beside %d, %d bytes: %x, want %x", len(p), len(q), b, want)
	}
}

// TestAgainstStandardLibrary holds every length up to several blocks, in both
// places, against crypto/sha256.
func TestAgainstStandardLibrary(t *testing.T) {
	need(t)
	rng := rand.NewChaCha8([32]byte{1})
	text := make([]byte, 1024)
	rng.Read(text)
	for n := range 330 {
		check(t, text[:n], text[330:330+(n*7)%300])
	}
	if sha2.Padded(55) != 64 || sha2.Padded(56) != 128 || sha2.Padded(0) != 64 {
		t.Error("the length of a padded message is wrong")
	}
}

// TestContinued compresses a message in parts, as an HMAC under a known key does.
func TestContinued(t *testing.T) {
	need(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		p := make([]byte, rng.IntN(400))
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
		cut := len(p) / 64 * 64
		if cut > 0 {
			cut = rng.IntN(cut/64+1) * 64
		}
		s := sha2.IV
		sha2.One(&s, p[:cut])
		rest := sha2.Pad(bytes.Clone(p[cut:]), len(p))
		other := sha2.IV
		if rng.IntN(2) == 0 {
			sha2.One(&s, rest)
		} else {
			sha2.Two(&other, &s, make([]byte, 64*rng.IntN(4)), rest)
		}
		if got, want := s.Digest(), sha256.Sum256(p); got != want {
			t.Fatalf("%d bytes cut at %d: %x, want %x", len(p), cut, got, want)
		}
	}
}

// TestStandardVector is the example of FIPS 180-4, which does not depend on the
// standard library being right.
func TestStandardVector(t *testing.T) {
	need(t)
	a, _ := whole([]byte("abc"), nil)
	if got, want := fmt.Sprintf("%x", a), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; got != want {
		t.Errorf("abc: %s, want %s", got, want)
	}
}

func TestRefusesParts(t *testing.T) {
	need(t)
	defer func() {
		if recover() == nil {
			t.Error("63 bytes were compressed")
		}
	}()
	s := sha2.IV
	sha2.One(&s, make([]byte, 63))
}

func FuzzTwo(f *testing.F) {
	need(f)
	f.Add([]byte("abc"), []byte(""))
	f.Add(bytes.Repeat([]byte{0xff}, 200), bytes.Repeat([]byte{0x5c}, 64))
	f.Fuzz(func(t *testing.T, p, q []byte) { check(t, p, q) })
}

var sink sha2.State

func BenchmarkCompress(b *testing.B) {
	need(b)
	for _, blocks := range []int{1, 2, 10} {
		p := make([]byte, 64*blocks)
		binary.BigEndian.PutUint64(p, 1)
		b.Run(fmt.Sprintf("one/blocks=%d", blocks), func(b *testing.B) {
			for b.Loop() {
				sha2.One(&sink, p)
			}
		})
		b.Run(fmt.Sprintf("two/blocks=%d", blocks), func(b *testing.B) {
			t := sha2.IV
			for b.Loop() {
				sha2.Two(&sink, &t, p, p)
			}
		})
	}
}
