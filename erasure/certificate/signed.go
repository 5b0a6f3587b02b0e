package certificate

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// kindRemote is a custodian: a holder on another machine, which signs what it states.
const kindRemote = "remote"

// text is what a custodian signs about an epoch, see docs/spec/custodian.md.
func (s *Statement) text(tree ID, epoch uint64, attempt ID) []byte {
	b := []byte("lacuna/v1/statement")
	b = append(b, s.Holder[:]...)
	b = append(b, byte(len(s.Kind)))
	b = append(b, s.Kind...)
	b = append(b, s.Level[1]-'0')
	b = append(b, tree[:]...)
	b = binary.BigEndian.AppendUint64(b, epoch)
	b = append(b, attempt[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.Destroyed)))
	for _, e := range s.Destroyed {
		b = binary.BigEndian.AppendUint64(b, e)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(s.Overwritten))
	return binary.BigEndian.AppendUint32(b, uint32(s.Copies))
}

// Custodian returns the public key of the custodian that made the statement, nil where
// a holder made it that has none. It stands before the signature, and its hash is the
// holder's name: so a reader who was told the key by the custodian itself knows that
// it is their word.
func (s *Statement) Custodian() ed25519.PublicKey {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s.Signature)
	if err != nil || len(b) != ed25519.PublicKeySize+ed25519.SignatureSize {
		return nil
	}
	return b[:ed25519.PublicKeySize]
}

// checkSignatures holds the statements of custodians to their signatures. The level of
// each was checked before.
func checkSignatures(holders []Statement, tree ID, epoch uint64, attempt ID) error {
	for i := range holders {
		s := &holders[i]
		if s.Signature == "" && s.Kind != kindRemote {
			continue
		}
		key := s.Custodian()
		if key == nil || len(s.Kind) > 255 {
			return errors.New("a custodian's statement is not signed")
		}
		name := sha256.Sum256(append([]byte("lacuna/v1/custodian"), key...))
		if ID(name[:16]) != s.Holder {
			return errors.New("a statement is signed with the key of another custodian")
		}
		b, err := base64.RawURLEncoding.DecodeString(s.Signature)
		if err != nil || !ed25519.Verify(key, s.text(tree, epoch, attempt), b[ed25519.PublicKeySize:]) {
			return errors.New("a custodian did not sign this statement")
		}
	}
	return nil
}
