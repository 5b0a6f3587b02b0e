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
	_, ok := verifySubtreeSig(public, cosigner, sig, c.Origin, 0, c.Size, c.Root)
	return ok
}

// verifySubtreeSig checks a timestamped signature of a subtree, or of a
// checkpoint, which is the subtree that begins with the first entry.
func verifySubtreeSig(public *mldsa.PublicKey, cosigner string, sig []byte, origin string, start, end uint64, root Hash) (time uint64, ok bool) {
	time, sig, ok = splitTime(sig, mldsa.MLDSA44SignatureSize)
	if !ok {
		return 0, false
	}
	message, err := subtreeMessage(cosigner, time, origin, start, end, root)
	return time, err == nil && mldsa.Verify(public, message, sig, nil) == nil
}

// VerifySubtreeSignature checks one signature line, as [Cosigner.SignSubtree]
// writes it or a witness answers it, and returns what it states of the subtree
// [start, end) of the log with that origin. The line of a checkpoint does for
// the subtree that the checkpoint is; only then may there be a time. The error
// is a *[SignatureError] if the line is well formed.
func VerifySubtreeSignature(line []byte, origin string, start, end uint64, root Hash, v Verifier) (Cosignature, error) {
	c, err := verifySubtreeSignature(line, origin, start, end, root, v)
	if err != nil {
		return Cosignature{}, fmt.Errorf("verifying the signature of the subtree from %d to %d: %w", start, end, err)
	}
	return c, nil
}

func verifySubtreeSignature(line []byte, origin string, start, end uint64, root Hash, v Verifier) (Cosignature, error) {
	k, ok := v.(*verifier)
	if !ok || k.subtree == nil {
		return Cosignature{}, errors.New("only ML-DSA-44 keys sign subtrees")
	}
	if err := CheckSubtree(start, end, end); err != nil {
		return Cosignature{}, err
	}
	lines, err := parseSignatureLines(line)
	if err != nil {
		return Cosignature{}, err
	}
	if len(lines) > 1 {
		return Cosignature{}, fmt.Errorf("%d signature lines, want one", len(lines))
	}
	l := lines[0]
	if l.name != k.name || l.hash != k.hash {
		return Cosignature{}, &SignatureError{Reason: fmt.Sprintf("signed by %s+%08x, not by %s+%08x", l.name, l.hash, k.name, k.hash)}
	}
	time, ok := k.subtree(l.sig, origin, start, end, root)
	if !ok {
		return Cosignature{}, &SignatureError{
			Reason:  fmt.Sprintf("the signature of key %s+%08x does not match the subtree", k.name, k.hash),
			Invalid: true,
		}
	}
	return Cosignature{k.name, k.hash, k.algorithm, time}, nil
}
