package merkle

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// A Signer signs checkpoints under a name and a key id.
type Signer = note.Signer

// A Verifier checks signatures of the one key that it stands for.
type Verifier = note.Verifier

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

// NewSigner returns a signer from a secret key. Errors do not show the key.
func NewSigner(skey string) (Signer, error) {
	s, err := note.NewSigner(skey)
	if err != nil {
		return nil, fmt.Errorf("reading secret key: %w", err)
	}
	return s, nil
}

// NewVerifier returns a verifier from a public key, of which only the Ed25519
// kind (type 0x01) is known here.
func NewVerifier(vkey string) (Verifier, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		if strings.HasPrefix(vkey, "PRIVATE+KEY+") {
			return nil, errors.New("this is a secret key, not a public one")
		}
		return nil, fmt.Errorf("reading public key: %w", err) // not the text: it may be another file's
	}
	return v, nil
}

// VerifierOf returns the public key that belongs to a secret key.
func VerifierOf(skey string) (vkey string, err error) {
	s, err := NewSigner(skey)
	if err != nil {
		return "", err
	}
	// NewSigner has checked the form PRIVATE+KEY+name+id+base64. The base64 may
	// contain a plus sign, the four parts before it may not.
	key, err := base64.StdEncoding.DecodeString(strings.SplitN(skey, "+", 5)[4])
	if err != nil || len(key) != 1+ed25519.SeedSize {
		return "", errors.New("reading secret key: not an Ed25519 key")
	}
	public := ed25519.NewKeyFromSeed(key[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(s.Name(), public)
}

// checkKeyName refuses what cannot stand in a signature line.
func checkKeyName(name string) error {
	if name == "" || !utf8.ValidString(name) || strings.Contains(name, "+") ||
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || r < 0x20 }) {
		return fmt.Errorf("key name %q: must not be empty or contain spaces, control characters or a plus sign", name)
	}
	return nil
}
