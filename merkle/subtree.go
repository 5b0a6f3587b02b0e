package merkle

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// A subtree is the leaves from start up to, but not including, end, where start
// is a multiple of the smallest power of two that is at least end - start. Its
// root is the root of a log that has only these leaves. Logs with short proofs
// let witnesses sign subtrees beside checkpoints
// (https://c2sp.org/tlog-witness, "sign-subtree").

// CheckSubtree says whether [start, end) is a subtree of a tree of that size.
func CheckSubtree(start, end, size uint64) error {
	switch {
	case size > MaxSize:
		return fmt.Errorf("size is larger than %d", uint64(MaxSize))
	case start >= end:
		return fmt.Errorf("subtree from %d to %d has no leaves", start, end)
	case end > size:
		return fmt.Errorf("subtree ends at %d, the tree at %d", end, size)
	}
	// The leaves fill no more than 1<<up places, and start where such places do.
	if up := bits.Len64(end - start - 1); start&(1<<up-1) != 0 {
		return fmt.Errorf("subtree of %d leaves begins at %d, not at a multiple of %d", end-start, start, uint64(1)<<up)
	}
	return nil
}

// VerifySubtree checks that the subtree [start, end) with root sub stands in
// the tree of the given size and root (a Subtree Consistency Proof,
// https://datatracker.ietf.org/doc/html/draft-ietf-plants-merkle-tree-certs-03,
// section 4.4). If the proof leads to other roots, the error is a
// *[RootMismatchError].
//
// A proof for a subtree that begins at 0 is the consistency proof of RFC 6962,
// and one for a subtree of one leaf is an inclusion proof.
func VerifySubtree(start, end, size uint64, hashes []Hash, sub, root Hash) error {
	err := verifySubtree(start, end, size, hashes, sub, root)
	if err != nil {
		return fmt.Errorf("verifying subtree from %d to %d in tree of size %d: %w", start, end, size, err)
	}
	return nil
}

func verifySubtree(start, end, size uint64, hashes []Hash, sub, root Hash) error {
	if err := CheckSubtree(start, end, size); err != nil {
		return err
	}
	p := subtreeProof{sub: sub, hashes: hashes}
	gotSub, gotRoot, err := p.roots(start, end, size, true)
	if err != nil {
		return err
	}
	if len(p.hashes) > 0 {
		return fmt.Errorf("%d hashes too many", len(p.hashes))
	}
	if err := compare("subtree root", gotSub, sub); err != nil {
		return err
	}
	return compare("root", gotRoot, root)
}

// A subtreeProof is taken apart from its end: the last hash stands highest.
type subtreeProof struct {
	sub    Hash
	hashes []Hash
}

var errShortProof = errors.New("too few hashes")

func (p *subtreeProof) last() (Hash, error) {
	n := len(p.hashes)
	if n == 0 {
		return Hash{}, errShortProof
	}
	h := p.hashes[n-1]
	p.hashes = p.hashes[:n-1]
	return h, nil
}

// roots computes the roots of the subtree and of the whole tree of that size,
// by the same steps down the tree by which the proof is defined. known says that
// the subtree has not been cut, so that its root is the one that was given.
func (p *subtreeProof) roots(start, end, size uint64, known bool) (sub, root Hash, err error) {
	if start == 0 && end == size {
		if known {
			return p.sub, p.sub, nil
		}
		h, err := p.last()
		return h, h, err
	}
	// A subtree that does not fill the tree leaves room for two halves.
	left := uint64(1) << (bits.Len64(size-1) - 1)
	side, err := p.last()
	if err != nil {
		return Hash{}, Hash{}, err
	}
	switch {
	case end <= left:
		sub, root, err = p.roots(start, end, left, known)
		return sub, NodeHash(root, side), err
	case start >= left:
		sub, root, err = p.roots(start-left, end-left, size-left, known)
		return sub, NodeHash(side, root), err
	}
	// Only a subtree that begins at 0 reaches into both halves.
	sub, root, err = p.roots(0, end-left, size-left, false)
	return NodeHash(side, sub), NodeHash(side, root), err
}

// SignSubtree returns the signature line of a subtree of the log with that
// origin. It states no time, and only ML-DSA-44 keys can make it. Sign only what
// [VerifySubtree] has accepted for a checkpoint that this cosigner has signed.
func (c *Cosigner) SignSubtree(origin string, start, end uint64, root Hash) ([]byte, error) {
	if c.subtree == nil {
		return nil, fmt.Errorf("signing subtree: an %s key signs no subtrees", c.key.algorithm)
	}
	if err := CheckSubtree(start, end, end); err != nil {
		return nil, fmt.Errorf("signing subtree: %w", err)
	}
	message, err := subtreeMessage(c.key.name, 0, origin, start, end, root)
	if err != nil {
		return nil, fmt.Errorf("signing subtree: %w", err)
	}
	sig, err := c.subtree(message)
	if err != nil {
		return nil, fmt.Errorf("signing subtree: %w", err)
	}
	b := binary.BigEndian.AppendUint32(nil, c.key.hash)
	b = binary.BigEndian.AppendUint64(b, 0)
	b = append(b, sig...)
	return []byte(signaturePrefix + c.key.name + " " + base64.StdEncoding.EncodeToString(b) + "\n"), nil
}
