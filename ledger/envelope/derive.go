package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
)

// A Suite names the algorithms of one envelope. Its number is the first byte
// of the envelope and goes into every derivation, so that bytes of one suite
// mean nothing under the other.
type Suite byte

const (
	// ChaCha20Poly1305 is suite 1: zero nonce (every key seals once), salts
	// from the ChaCha20 keystream.
	ChaCha20Poly1305 Suite = 1
	// AES256GCM is suite 2: a random nonce drawn by crypto/cipher, salts from
	// AES-256-CTR. It uses nothing that Go's FIPS 140-3 module refuses, so it
	// runs under GODEBUG=fips140=only.
	AES256GCM Suite = 2
)

func (s Suite) String() string {
	switch s {
	case ChaCha20Poly1305:
		return "chacha20-poly1305"
	case AES256GCM:
		return "aes-256-gcm"
	}
	return fmt.Sprintf("suite %d", byte(s))
}

// known reports whether s is one of ours.
func (s Suite) known() bool { return s == ChaCha20Poly1305 || s == AES256GCM }

// overhead is how much longer than the plaintext the sealed part is.
func (s Suite) overhead() int {
	if s == AES256GCM {
		return 12 + 16
	}
	return 16
}

// Keys gives the secret of one event. A keystore lease is one; it derives
//
//	s = HKDF-Expand(PRK, "lacuna/v1/event" || suite || e, 32)
//
// and the key itself never leaves it.
type Keys interface {
	EventSecret(suite byte, e [16]byte) [32]byte
}

const (
	labelParts    = "lacuna/v1/parts"
	labelEnvelope = "lacuna/v1/envelope"
	labelMembers  = "lacuna/v1/members"
	labelLeaf     = "lacuna/v1/leaf"
)

// parts are the four values that one event secret expands to.
type parts struct {
	k  [32]byte // seals the event
	kc [32]byte // commits to k; stands in the envelope
	s  [32]byte // salts of the members
	r  [32]byte // blinds the leaf
}

// derive computes K || KC || S || r = HKDF-Expand(secret,
// "lacuna/v1/parts" || suite, 128).
func (p *parts) derive(suite Suite, secret *[32]byte) {
	if suite == AES256GCM {
		p.deriveFIPS(*secret)
		return
	}
	if paired {
		p.derivePaired(suite, secret)
		return
	}
	// On the stack. T(i) = HMAC(secret, T(i-1) || info || i), where
	// both pads stay in place while the message behind them changes.
	const info = len(labelParts) + 1
	var inner [64 + 32 + info + 1]byte
	var outer [64 + 32]byte
	pads(secret, (*[64]byte)(inner[:64]), (*[64]byte)(outer[:64]))
	copy(inner[96:], labelParts)
	inner[96+len(labelParts)] = byte(suite)

	// T(1) has no predecessor: its message is written 32 bytes earlier.
	var first [64 + info + 1]byte
	copy(first[:64], inner[:64])
	copy(first[64:], inner[96:])
	first[len(first)-1] = 1
	t := sha256.Sum256(first[:])
	for i, out := range [4]*[32]byte{&p.k, &p.kc, &p.s, &p.r} {
		if i > 0 {
			inner[len(inner)-1] = byte(i + 1)
			t = sha256.Sum256(inner[:])
		}
		copy(outer[64:], t[:])
		*out = sha256.Sum256(outer[:])
		copy(inner[64:96], out[:])
	}
	clear(inner[:])
	clear(outer[:])
	clear(first[:])
}

// deriveFIPS is derive for suite 2: where FIPS is asked for, HKDF and HMAC
// must be those of the module.
func (p *parts) deriveFIPS(secret [32]byte) {
	out, err := hkdf.Expand(sha256.New, secret[:], labelParts+string(rune(AES256GCM)), 128)
	if err != nil {
		panic("envelope: HKDF-Expand of 128 bytes failed: " + err.Error())
	}
	copy(p.k[:], out[0:])
	copy(p.kc[:], out[32:])
	copy(p.s[:], out[64:])
	copy(p.r[:], out[96:])
	clear(out)
	clear(secret[:])
}

// pads writes the inner and outer HMAC pads of a 32-byte key.
func pads(key *[32]byte, ipad, opad *[64]byte) {
	for i := range 64 {
		ipad[i], opad[i] = 0x36, 0x5c
	}
	subtle.XORBytes(ipad[:32], ipad[:32], key[:])
	subtle.XORBytes(opad[:32], opad[:32], key[:])
}

// leafOf computes the leaf. Its HMAC is the same for both suites; leafFIPS is
// for those who must use the module's.
func leafOf(r, origin, dE, dP *[32]byte) (leaf [34]byte) {
	leaf[0], leaf[1] = leafVersion, leafSealed
	const message = len(labelLeaf) + 3*32
	var inner [64 + message]byte
	var outer [64 + 32]byte
	pads(r, (*[64]byte)(inner[:64]), (*[64]byte)(outer[:64]))
	n := 64 + copy(inner[64:], labelLeaf)
	n += copy(inner[n:], origin[:])
	n += copy(inner[n:], dE[:])
	copy(inner[n:], dP[:])
	t := sha256.Sum256(inner[:])
	copy(outer[64:], t[:])
	t = sha256.Sum256(outer[:])
	copy(leaf[2:], t[:])
	clear(inner[:64])
	clear(outer[:64])
	return leaf
}

// leafFIPS is leafOf with the HMAC of the FIPS module.
func leafFIPS(r, origin, dE, dP [32]byte) (leaf [34]byte) {
	leaf[0], leaf[1] = leafVersion, leafSealed
	h := hmac.New(sha256.New, r[:])
	h.Write([]byte(labelLeaf))
	h.Write(origin[:])
	h.Write(dE[:])
	h.Write(dP[:])
	h.Sum(leaf[2:2])
	return leaf
}

// salts fills dst with the salts of the members, 16 bytes each. With room for a tag
// behind them, suite 1 allocates nothing for them.
func (p *parts) salts(suite Suite, dst []byte) {
	clear(dst)
	if suite == AES256GCM {
		block, err := aes.NewCipher(p.s[:])
		if err != nil {
			panic("envelope: AES-256 refused a 32-byte key: " + err.Error())
		}
		var iv [16]byte
		cipher.NewCTR(block, iv[:]).XORKeyStream(dst, dst)
		return
	}
	// On amd64 x/crypto has assembly for ChaCha20 inside the AEAD only, which encrypts
	// with the keystream from counter 1: it gives all but the first block. Its tag is
	// not used.
	first := dst[:min(len(dst), chachaBlock)]
	c, err := chacha20.NewUnauthenticatedCipher(p.s[:], zeroNonce[:])
	if err != nil {
		panic("envelope: ChaCha20 refused a 32-byte key: " + err.Error())
	}
	c.XORKeyStream(first, first)
	if rest := dst[len(first):]; len(rest) > 0 {
		aead, err := chacha20poly1305.New(p.s[:])
		if err != nil {
			panic("envelope: ChaCha20-Poly1305 refused a 32-byte key: " + err.Error())
		}
		copy(rest, aead.Seal(rest[:0], zeroNonce[:], rest, nil))
	}
}

// chachaBlock is how much keystream one value of the counter gives.
const chachaBlock = 64

// zeroNonce is the nonce of suite 1: its key is drawn for one message.
var zeroNonce [chacha20poly1305.NonceSize]byte

// seal encrypts the plaintext that stands in env behind the header, in
// place where the suite allows it. env has its final length.
func (p *parts) seal(suite Suite, env []byte, plaintext []byte) error {
	header, body := env[:headerSize:headerSize], env[headerSize:headerSize]
	if suite == AES256GCM {
		block, err := aes.NewCipher(p.k[:])
		if err != nil {
			return fmt.Errorf("sealing an event: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return fmt.Errorf("sealing an event: %w", err)
		}
		aead.Seal(body, nil, plaintext, header)
		return nil
	}
	aead, err := chacha20poly1305.New(p.k[:])
	if err != nil {
		return fmt.Errorf("sealing an event: %w", err)
	}
	aead.Seal(body, zeroNonce[:], plaintext, header)
	return nil
}

// commits reports, in constant time, whether env is sealed under these parts.
func (p *parts) commits(env []byte) bool {
	return subtle.ConstantTimeCompare(p.kc[:], env[17:headerSize]) == 1
}

// open decrypts an envelope into dst. It checks the key commitment first, in
// constant time: neither AEAD commits to its key, and a ciphertext can be made
// that opens under two.
func (p *parts) open(dst, env []byte) ([]byte, error) {
	suite := Suite(env[0])
	if !p.commits(env) {
		return nil, ErrWrongKey
	}
	header, body := env[:headerSize:headerSize], env[headerSize:]
	if suite == AES256GCM {
		block, err := aes.NewCipher(p.k[:])
		if err != nil {
			return nil, fmt.Errorf("opening an envelope: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("opening an envelope: %w", err)
		}
		plaintext, err := aead.Open(dst, nil, body, header)
		if err != nil {
			return nil, ErrCorrupt
		}
		return plaintext, nil
	}
	aead, err := chacha20poly1305.New(p.k[:])
	if err != nil {
		return nil, fmt.Errorf("opening an envelope: %w", err)
	}
	plaintext, err := aead.Open(dst, zeroNonce[:], body, header)
	if err != nil {
		return nil, ErrCorrupt
	}
	return plaintext, nil
}

// appendMembersHead starts the bytes that d_P hashes.
func appendMembersHead(dst []byte, n int) []byte {
	dst = append(dst, labelMembers...)
	return binary.BigEndian.AppendUint16(dst, uint16(n))
}

// wipe erases the parts from memory that will be used again.
func (p *parts) wipe() { *p = parts{} }
