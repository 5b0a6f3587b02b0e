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
func subtreeMessage(cosigner string, time uint64, s SubtreeRoot) ([]byte, error) {
	switch {
	case len(cosigner) < 1 || len(cosigner) > maxOrigin:
		return nil, fmt.Errorf("cosigner's name of %d bytes, must be 1 to %d", len(cosigner), maxOrigin)
	case len(s.Origin) < 1 || len(s.Origin) > maxOrigin:
		return nil, fmt.Errorf("origin of %d bytes, must be 1 to %d", len(s.Origin), maxOrigin)
	case time > maxTime:
		return nil, errTime
	case s.Start != 0 && time != 0:
		return nil, errors.New("only a subtree that begins with the first entry is signed with a time")
	}
	b := make([]byte, 0, len(subtreeLabel)+1+len(cosigner)+8+1+len(s.Origin)+8+8+HashSize)
	b = append(b, subtreeLabel...)
	b = append(b, byte(len(cosigner)))
	b = append(b, cosigner...)
	b = binary.BigEndian.AppendUint64(b, time)
	b = append(b, byte(len(s.Origin)))
	b = append(b, s.Origin...)
	b = binary.BigEndian.AppendUint64(b, s.Start)
	b = binary.BigEndian.AppendUint64(b, s.End)
	return append(b, s.Root[:]...), nil
}

// verifyCheckpoint checks a timestamped signature of a checkpoint's text.
func verifyCheckpoint(public *mldsa.PublicKey, cosigner string, text, sig []byte) bool {
	c, err := ParseCheckpoint(string(text))
	if err != nil || len(c.Extensions) > 0 {
		return false
	}
	_, ok := verifySubtreeSig(public, cosigner, SubtreeRoot{c.Origin, 0, c.Size, c.Root}, sig)
	return ok
}

// verifySubtreeSig checks a timestamped signature of a subtree, or of a
// checkpoint, which is the subtree that begins with the first entry.
func verifySubtreeSig(public *mldsa.PublicKey, cosigner string, s SubtreeRoot, sig []byte) (time uint64, ok bool) {
	time, sig, ok = splitTime(sig, mldsa.MLDSA44SignatureSize)
	if !ok {
		return 0, false
	}
	message, err := subtreeMessage(cosigner, time, s)
	return time, err == nil && mldsa.Verify(public, message, sig, nil) == nil
}
