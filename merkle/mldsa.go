package merkle

import (
	"encoding/binary"
	"errors"
	"fmt"

	"filippo.io/mldsa"
)

// subtreeLabel begins every message that an ML-DSA-44 cosigner signs.
const subtreeLabel = "subtree/v1\n\x00"

// subtreeMessage writes the cosigned_message of https://c2sp.org/tlog-cosignature.
// Each part has a fixed length or its length before it, so no two statements
// have the same bytes.
func subtreeMessage(cosigner string, time uint64, origin string, start, end uint64, root Hash) ([]byte, error) {
	switch {
	case len(cosigner) < 1 || len(cosigner) > maxOrigin:
		return nil, fmt.Errorf("cosigner's name of %d bytes, must be 1 to %d", len(cosigner), maxOrigin)
	case len(origin) < 1 || len(origin) > maxOrigin:
		return nil, fmt.Errorf("origin of %d bytes, must be 1 to %d", len(origin), maxOrigin)
	case start != 0 && time != 0:
		return nil, errors.New("only a subtree that begins with the first entry is signed with a time")
	}
	b := make([]byte, 0, len(subtreeLabel)+1+len(cosigner)+8+1+len(origin)+8+8+HashSize)
	b = append(b, subtreeLabel...)
	b = append(b, byte(len(cosigner)))
	b = append(b, cosigner...)
	b = binary.BigEndian.AppendUint64(b, time)
	b = append(b, byte(len(origin)))
	b = append(b, origin...)
	b = binary.BigEndian.AppendUint64(b, start)
	b = binary.BigEndian.AppendUint64(b, end)
	return append(b, root[:]...), nil
}

// verifyCheckpoint checks a timestamped signature of a checkpoint's text.
func verifyCheckpoint(public *mldsa.PublicKey, cosigner string, text, sig []byte) bool {
	c, err := ParseCheckpoint(string(text))
	if err != nil || len(c.Extensions) > 0 {
		return false
	}
	time, sig, ok := splitTime(sig, mldsa.MLDSA44SignatureSize)
	if !ok {
		return false
	}
	// A checkpoint is the subtree that begins with the first entry.
	message, err := subtreeMessage(cosigner, time, c.Origin, 0, c.Size, c.Root)
	return err == nil && mldsa.Verify(public, message, sig, nil) == nil
}
