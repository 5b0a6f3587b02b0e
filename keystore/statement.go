package keystore

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// CustodianID is the holder id of a custodian, which follows from its public key: a
// signature so belongs to one holder, and a holder to one key.
func CustodianID(public ed25519.PublicKey) (id HolderID) {
	sum := sha256.Sum256(append([]byte("lacuna/v1/custodian"), public...))
	copy(id[:], sum[:])
	return id
}

// text is what a custodian signs, see docs/spec/custodian.md.
func (s *Statement) text() []byte {
	b := []byte("lacuna/v1/statement")
	b = append(b, s.Holder[:]...)
	b = append(b, byte(len(s.Kind)))
	b = append(b, s.Kind...)
	b = append(b, byte(s.Level))
	b = append(b, s.Tree[:]...)
	b = binary.BigEndian.AppendUint64(b, s.Epoch)
	b = append(b, s.Attempt[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.Destroyed)))
	for _, e := range s.Destroyed {
		b = binary.BigEndian.AppendUint64(b, e)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(s.Overwritten))
	return binary.BigEndian.AppendUint32(b, uint32(s.Copies))
}

// Sign signs the statement in the name of the custodian whose key it is. The public
// key goes before the signature, so that a reader who never met the custodian sees
// whose word it is.
func (s *Statement) Sign(key ed25519.PrivateKey) {
	public := key.Public().(ed25519.PublicKey)
	s.Holder = CustodianID(public)
	s.Signature = append(append([]byte(nil), public...), ed25519.Sign(key, s.text())...)
}

// Verify checks the signature, which there must be.
func (s *Statement) Verify() error {
	if len(s.Signature) != ed25519.PublicKeySize+ed25519.SignatureSize {
		return errors.New("a statement is not signed")
	}
	public := ed25519.PublicKey(s.Signature[:ed25519.PublicKeySize])
	switch {
	case CustodianID(public) != s.Holder:
		return errors.New("a statement is signed with the key of another custodian")
	case !ed25519.Verify(public, s.text(), s.Signature[ed25519.PublicKeySize:]):
		return errors.New("the signature of a statement does not fit")
	}
	return nil
}
