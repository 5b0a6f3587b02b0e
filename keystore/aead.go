package keystore

import (
	"crypto/subtle"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"
)

var (
	errWrongKey = errors.New("sealed under another key")
	errCorrupt  = errors.New("corrupt")
)

// Every key that reaches these two seals one message, so the nonce is zero.
var zeroNonce [chacha20poly1305.NonceSize]byte

// sealAEAD appends the sealed plaintext to dst.
func sealAEAD(dst, key, plaintext, ad []byte) []byte {
	a, err := chacha20poly1305.New(key)
	if err != nil {
		panic("keystore: " + err.Error()) // only for a key of another length
	}
	return a.Seal(dst, zeroNonce[:], plaintext, ad)
}

// openAEAD appends the plaintext to dst.
func openAEAD(dst, key, sealed, ad []byte) ([]byte, error) {
	a, err := chacha20poly1305.New(key)
	if err != nil {
		panic("keystore: " + err.Error())
	}
	p, err := a.Open(dst, zeroNonce[:], sealed, ad)
	if err != nil {
		return nil, errCorrupt
	}
	return p, nil
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
