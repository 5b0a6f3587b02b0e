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
	case time > maxTime:
		return nil, errTime
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

// checkpointMessage returns what an ML-DSA-44 cosigner signs of a checkpoint.
func checkpointMessage(cosigner string, time uint64, c Checkpoint) ([]byte, error) {
	if len(c.Extensions) > 0 {
		return nil, errors.New("an ML-DSA-44 cosignature would not cover the extension lines of the checkpoint")
	}
	return subtreeMessage(cosigner, time, c.Origin, 0, c.Size, c.Root)
}

// verifyMLDSA checks a timestamped signature of a checkpoint's text.
func verifyMLDSA(public *mldsa.PublicKey, cosigner string, text, sig []byte) bool {
	time, sig, ok := splitTime(sig, mldsa.MLDSA44SignatureSize)
	if !ok {
		return false
	}
	c, err := ParseCheckpoint(string(text))
	if err != nil {
		return false
	}
	message, err := checkpointMessage(cosigner, time, c)
	return err == nil && mldsa.Verify(public, message, sig, nil) == nil
}
