package merkle

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"filippo.io/mldsa"
	"golang.org/x/mod/sumdb/note"
)

// A Signer signs checkpoints under a name and a key id.
type Signer = note.Signer

// A Verifier checks signatures of the one key that it stands for.
type Verifier = note.Verifier

// An Algorithm is the signature type of a key: the byte before the key itself
// in its text form (https://c2sp.org/signed-note, "Signature types").
type Algorithm byte

// The signature types that are known here. One key is of one type: nobody
// should use the same key for two.
const (
	// Ed25519 signs the text of a note as it is: the log's own signature.
	Ed25519 Algorithm = 0x01
	// CosignatureEd25519 signs a checkpoint together with the time.
	CosignatureEd25519 Algorithm = 0x04
	// CosignatureMLDSA44 signs a checkpoint or a subtree together with the time
	// and the name of the cosigner, and withstands a quantum computer. Witnesses
	// use it, and a log may use it for a second signature of its own.
	CosignatureMLDSA44 Algorithm = 0x06
)

// String returns the name of the algorithm.
func (a Algorithm) String() string {
	switch a {
	case Ed25519:
		return "Ed25519"
	case CosignatureEd25519:
		return "Ed25519 cosignature"
	case CosignatureMLDSA44:
		return "ML-DSA-44 cosignature"
	}
	return fmt.Sprintf("signature type 0x%02x", byte(a))
}

// publicSize returns the size of a public key, or 0 for an unknown algorithm.
func (a Algorithm) publicSize() int {
	switch a {
	case Ed25519, CosignatureEd25519:
		return ed25519.PublicKeySize
	case CosignatureMLDSA44:
		return mldsa.MLDSA44PublicKeySize
	}
	return 0
}

// seedSize is the size of a secret key of every algorithm: both kinds are
// expanded from a seed.
const seedSize = 32

// secretPrefix is how every secret key begins.
const secretPrefix = "PRIVATE+KEY+"

// GenerateKey draws an Ed25519 key for signing checkpoints. The name should be
// the origin of the log. Both keys are one line of text in the form of
// https://c2sp.org/signed-note; skey must be kept secret.
func GenerateKey(rand io.Reader, name string) (skey, vkey string, err error) {
	if err := checkKeyName(name); err != nil {
		return "", "", fmt.Errorf("generating key: %w", err)
	}
	skey, vkey, err = note.GenerateKey(rand, name)
	if err != nil {
		return "", "", fmt.Errorf("generating key: %w", err)
	}
	return skey, vkey, nil
}

// GenerateCosigner draws a key for cosigning checkpoints, [CosignatureEd25519]
// or [CosignatureMLDSA44], from 32 bytes of rand. The name is that of the
// cosigner, for a witness a URL without scheme; a log that signs with ML-DSA-44
// beside Ed25519 uses its origin. Both keys are one line of text, and skey must
// be kept secret. See [NewCosigner].
func GenerateCosigner(rand io.Reader, name string, a Algorithm) (skey, vkey string, err error) {
	seed := make([]byte, seedSize)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return "", "", fmt.Errorf("generating key: %w", err)
	}
	c, err := newCosigner(name, a, seed)
	if err != nil {
		return "", "", fmt.Errorf("generating key: %w", err)
	}
	return secretPrefix + c.key.text(seed), c.VKey(), nil
}

// NewSigner returns a signer from a secret key of the kind that [GenerateKey]
// makes. Errors do not show the key.
func NewSigner(skey string) (Signer, error) {
	s, err := note.NewSigner(skey)
	if err != nil {
		if c, err := NewCosigner(skey); err == nil {
			return nil, fmt.Errorf("reading secret key: this is a key for %ss, and those need a time", c.Algorithm())
		}
		return nil, fmt.Errorf("reading secret key: %w", err)
	}
	return s, nil
}

// NewVerifier returns a verifier from a public key of any [Algorithm].
//
// The verifier of a cosigner accepts only checkpoints, and that of an ML-DSA-44
// key only checkpoints without extension lines: the signature does not cover
// those, and whoever sees one that verifies takes it to cover the whole text.
func NewVerifier(vkey string) (Verifier, error) {
	v, err := parseVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// VerifierOf returns the public key that belongs to a secret key of any
// [Algorithm].
func VerifierOf(skey string) (vkey string, err error) {
	k, seed, err := parseSecret(skey)
	if err != nil {
		return "", err
	}
	if k.algorithm != Ed25519 {
		c, err := newCosigner(k.name, k.algorithm, seed)
		if err != nil {
			return "", fmt.Errorf("reading secret key: %w", err)
		}
		if c.key.hash != k.hash {
			return "", errSecretHash
		}
		return c.VKey(), nil
	}
	k.public = ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	if k.id() != k.hash {
		return "", errSecretHash
	}
	return k.text(k.public), nil
}

// A key is a public key with the name and the id that signature lines carry.
type key struct {
	name      string
	hash      uint32
	algorithm Algorithm
	public    []byte
}

// id computes the key id: the first four bytes of the hash over name, newline,
// algorithm and public key.
func (k *key) id() uint32 {
	h := sha256.New()
	h.Write([]byte(k.name))
	h.Write([]byte{'\n', byte(k.algorithm)})
	h.Write(k.public)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// text writes name, key id and one of the two halves of the key as one line.
func (k *key) text(half []byte) string {
	return fmt.Sprintf("%s+%08x+%s", k.name, k.hash, base64.StdEncoding.EncodeToString(append([]byte{byte(k.algorithm)}, half...)))
}

// A verifier checks one kind of signature of one key.
type verifier struct {
	key
	// verify checks a signature of the text of a note.
	verify func(text, sig []byte) bool
}

func (v *verifier) Name() string                 { return v.name }
func (v *verifier) KeyHash() uint32              { return v.hash }
func (v *verifier) Verify(text, sig []byte) bool { return v.verify(text, sig) }

var (
	errPublicKey  = errors.New("reading public key: not of the form name+key id+base64")
	errSecretKey  = errors.New("reading secret key: not of the form PRIVATE+KEY+name+key id+base64")
	errSecretHash = errors.New("reading secret key: the key id is not that of the key")
)

// parseVerifier reads the text form of a public key. No error shows the text:
// it may be another file's.
func parseVerifier(vkey string) (*verifier, error) {
	if strings.HasPrefix(vkey, secretPrefix) {
		return nil, errors.New("this is a secret key, not a public one")
	}
	k, public, err := parseKey(vkey)
	if err != nil {
		return nil, errPublicKey
	}
	size := k.algorithm.publicSize()
	if size == 0 {
		return nil, fmt.Errorf("reading public key: unknown %s", k.algorithm)
	}
	if len(public) != size {
		return nil, fmt.Errorf("reading public key: %d bytes, want %d for an %s key", len(public), size, k.algorithm)
	}
	k.public = public
	if k.id() != k.hash {
		return nil, errors.New("reading public key: the key id is not that of name and key")
	}
	return k.verifier()
}

// verifier returns what checks signatures of the key.
func (k key) verifier() (*verifier, error) {
	v := &verifier{key: k}
	switch k.algorithm {
	case Ed25519:
		v.verify = func(text, sig []byte) bool { return ed25519.Verify(k.public, text, sig) }
	case CosignatureEd25519:
		v.verify = func(text, sig []byte) bool { return verifyEd25519(k.public, text, sig) }
	case CosignatureMLDSA44:
		if err := checkCosignerName(k.name); err != nil {
			return nil, fmt.Errorf("reading public key: %w", err)
		}
		public, err := mldsa.NewPublicKey(mldsa.MLDSA44(), k.public)
		if err != nil {
			return nil, fmt.Errorf("reading public key: %w", err)
		}
		v.verify = func(text, sig []byte) bool { return verifyCheckpoint(public, k.name, text, sig) }
	}
	return v, nil
}

// parseSecret reads the text form of a secret key. The caller compares the key
// id, for which it must have the public key first.
func parseSecret(skey string) (key, []byte, error) {
	rest, ok := strings.CutPrefix(skey, secretPrefix)
	if !ok {
		return key{}, nil, errSecretKey
	}
	k, seed, err := parseKey(rest)
	if err != nil {
		return key{}, nil, errSecretKey
	}
	if k.algorithm.publicSize() == 0 {
		return key{}, nil, fmt.Errorf("reading secret key: unknown %s", k.algorithm)
	}
	if len(seed) != seedSize {
		return key{}, nil, fmt.Errorf("reading secret key: %d bytes, want %d", len(seed), seedSize)
	}
	return k, seed, nil
}

// parseKey reads name+key id+base64(algorithm || half of the key). The base64
// may contain plus signs, what stands before it may not.
func parseKey(text string) (key, []byte, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 || len(parts[1]) != 8 {
		return key{}, nil, errPublicKey
	}
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil {
		return key{}, nil, errPublicKey
	}
	half, err := decodeBase64(parts[2])
	if err != nil || len(half) < 2 || checkKeyName(parts[0]) != nil {
		return key{}, nil, errPublicKey
	}
	return key{name: parts[0], hash: uint32(hash), algorithm: Algorithm(half[0])}, half[1:], nil
}

// checkKeyName refuses what cannot stand in a signature line.
func checkKeyName(name string) error {
	if name == "" || !utf8.ValidString(name) || strings.Contains(name, "+") ||
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || r < 0x20 }) {
		return fmt.Errorf("key name %q: must not be empty or contain spaces, control characters or a plus sign", name)
	}
	return nil
}

// checkCosignerName refuses the name of a cosigner that an ML-DSA-44 signature
// cannot hold, which has one byte for its length. The other kind is held to the
// same, so that a witness may have both.
func checkCosignerName(name string) error {
	if err := checkKeyName(name); err != nil {
		return err
	}
	if len(name) > maxOrigin {
		return fmt.Errorf("key name of %d bytes, at most %d", len(name), maxOrigin)
	}
	return nil
}
