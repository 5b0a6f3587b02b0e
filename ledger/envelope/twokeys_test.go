package envelope_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// TestTwoKeys builds an AES-256-GCM ciphertext that opens under two keys
// (Dodis, Grubbs, Ristenpart and Woodage, "Fast Message Franking: From
// Invisible Salamanders to Encryptment", 2018) and puts it into an envelope.
// The bare AEAD takes it under both; the envelope's key commitment lets it
// through under at most one, and a ciphertext made for two readers cannot be
// given a commitment that suits both.
func TestTwoKeys(t *testing.T) {
	e := bytes.Repeat([]byte{9}, 16)
	s1, s2 := refSHA([]byte("first secret")), refSHA([]byte("second secret"))
	p1, p2 := refExpand(s1, 2), refExpand(s2, 2)
	nonce := bytes.Repeat([]byte{5}, 12)

	for what, kc := range map[string][]byte{"the first": p1.KC, "the second": p2.KC, "neither": make([]byte, 32)} {
		ad := slices.Concat([]byte{2}, e, kc)
		ct := collide(p1.K, p2.K, nonce, ad, bytes.Repeat([]byte{0x55}, 256))
		env := slices.Concat(ad, nonce, ct)

		var plain [2][]byte
		for i, k := range [][]byte{p1.K, p2.K} {
			block, err := aes.NewCipher(k)
			if err != nil {
				t.Fatal(err)
			}
			aead, err := cipher.NewGCM(block)
			if err != nil {
				t.Fatal(err)
			}
			if plain[i], err = aead.Open(nil, nonce, ct, ad); err != nil {
				t.Fatalf("the ciphertext does not open under key %d; this test is broken: %v", i+1, err)
			}
		}
		if bytes.Equal(plain[0], plain[1]) {
			t.Fatal("both keys give the same plaintext; this test is broken")
		}

		refused := 0
		for _, s := range [][]byte{s1, s2} {
			_, _, err := (&envelope.FullOpening{Secret: [32]byte(s), Envelope: env}).Verify(testOrigin)
			if errors.Is(err, envelope.ErrWrongKey) {
				refused++
			}
			if err == nil {
				t.Error("opened")
			}
		}
		want := 1
		if what == "neither" {
			want = 2
		}
		if refused != want {
			t.Errorf("committed to %s: refused under %d keys by the commitment, want %d", what, refused, want)
		}
	}
}

// collide returns ciphertext || tag with the given associated data and nonce
// that authenticates under both keys. Its last full block before the length
// block is solved for; the others are those of body.
func collide(k1, k2, nonce, ad, body []byte) []byte {
	type key struct{ h, mask gf }
	var keys [2]key
	for i, k := range [][]byte{k1, k2} {
		block, err := aes.NewCipher(k)
		if err != nil {
			panic(err)
		}
		var h, m [16]byte
		block.Encrypt(h[:], h[:])
		copy(m[:], nonce)
		m[15] = 1
		block.Encrypt(m[:], m[:])
		keys[i] = key{gfOf(h[:]), gfOf(m[:])}
	}
	ct := bytes.Clone(body)
	last := ct[len(ct)-16:]
	clear(last)
	tag := func(k key) gf {
		var y gf
		absorb := func(b []byte) {
			for len(b) > 0 {
				var block [16]byte
				b = b[copy(block[:], b):]
				y = y.add(gfOf(block[:])).mul(k.h)
			}
		}
		absorb(ad)
		absorb(ct)
		var lengths [16]byte
		binary.BigEndian.PutUint64(lengths[:], uint64(len(ad))*8)
		binary.BigEndian.PutUint64(lengths[8:], uint64(len(ct))*8)
		absorb(lengths[:])
		return y.add(k.mask)
	}
	// With the solved block x the tags are T_i + x H_i^2, so
	// x = (T_1 + T_2) / (H_1^2 + H_2^2).
	t1, t2 := tag(keys[0]), tag(keys[1])
	d := keys[0].h.mul(keys[0].h).add(keys[1].h.mul(keys[1].h))
	x := t1.add(t2).mul(d.inverse())
	copy(last, x.bytes())
	return append(ct, tag(keys[0]).bytes()...)
}

// gf is an element of GF(2^128) in GCM's bit order, kept reflected so that
// the coefficient of x^i is bit i.
type gf struct{ v *big.Int }

func gfOf(b []byte) gf {
	v := new(big.Int)
	for i := range 128 {
		if b[i/8]>>(7-i%8)&1 == 1 {
			v.SetBit(v, i, 1)
		}
	}
	return gf{v}
}

func (a gf) bytes() []byte {
	b := make([]byte, 16)
	for i := range 128 {
		b[i/8] |= byte(a.int().Bit(i)) << (7 - i%8)
	}
	return b
}

func (a gf) int() *big.Int {
	if a.v == nil {
		return new(big.Int)
	}
	return a.v
}

func (a gf) add(b gf) gf { return gf{new(big.Int).Xor(a.int(), b.int())} }

func (a gf) mul(b gf) gf {
	p := new(big.Int)
	for i := range 128 {
		if b.int().Bit(i) == 1 {
			p.Xor(p, new(big.Int).Lsh(a.int(), uint(i)))
		}
	}
	mod := big.NewInt(1<<7 | 1<<2 | 1<<1 | 1)
	mod.SetBit(mod, 128, 1)
	for i := p.BitLen() - 1; i >= 128; i-- {
		if p.Bit(i) == 1 {
			p.Xor(p, new(big.Int).Lsh(mod, uint(i-128)))
		}
	}
	return gf{p}
}

// inverse is a^(2^128 - 2).
func (a gf) inverse() gf {
	r := gf{big.NewInt(1)}
	for range 127 {
		a = a.mul(a)
		r = r.mul(a)
	}
	return r
}
