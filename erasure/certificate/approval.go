package certificate

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/merkle"
)

// An Approval is the signature of somebody who agreed to a request before its keys were destroyed. It
// stands in the certificate of that request and is bound by the record like all terms.
//
// The record itself lists, once, each key whose signatures stand in the certificates of its epoch: one
// signature for every request would tell the world how many people asked to be erased.
type Approval struct {
	Key       string `json:"key"`       // key id of the approver's verifier key, 8 hex digits
	Signature string `json:"signature"` // base64url, Ed25519
}

// ApprovalText is what an approver signs. The commitment binds everything that was asked, and hides it from
// whoever sees no more than the signature.
func ApprovalText(origin string, commitment Digest) []byte {
	return []byte("lacuna/v1/erasure-approval\n" + origin + "\n" + commitment.String() + "\n")
}

// Approve signs the approval of a request.
func Approve(s merkle.Signer, origin string, commitment Digest) (Approval, error) {
	sig, err := s.Sign(ApprovalText(origin, commitment))
	if err != nil {
		return Approval{}, fmt.Errorf("signing an approval: %w", err)
	}
	return Approval{Key: fmt.Sprintf("%08x", s.KeyHash()), Signature: b64.EncodeToString(sig)}, nil
}

// Verify says whether a key made the approval.
func (a Approval) Verify(v merkle.Verifier, origin string, commitment Digest) bool {
	sig, err := b64.DecodeString(a.Signature)
	return err == nil && a.Key == fmt.Sprintf("%08x", v.KeyHash()) && v.Verify(ApprovalText(origin, commitment), sig)
}

// Approvers returns those of the keys that approved the request. An approval by a key that is none of
// these is passed over; one that such a key did not make is an error.
func (c *Certificate) Approvers(keys ...merkle.Verifier) (by []merkle.Verifier, err error) {
	for _, a := range c.Terms.Approvals {
		known := false
		i := slices.IndexFunc(keys, func(v merkle.Verifier) bool {
			known = known || a.Key == fmt.Sprintf("%08x", v.KeyHash())
			return a.Verify(v, c.Terms.Origin, c.Commitment)
		})
		switch {
		case i >= 0:
			by = append(by, keys[i])
		case known:
			return nil, &MismatchError{"certificate", "the approval of key " + a.Key + " is not signed by it, or is of another request"}
		}
	}
	return by, nil
}

func checkApprovals(as []Approval) error {
	var keys []string
	for _, a := range as {
		if sig, err := b64.DecodeString(a.Signature); err != nil || len(sig) != 64 {
			return errors.New("an approval has no Ed25519 signature")
		}
		keys = append(keys, a.Key)
	}
	return checkKeyIDs(keys)
}

// checkKeyIDs wants ids of keys, in order, each once.
func checkKeyIDs(keys []string) error {
	for i, k := range keys {
		if b, err := hex.DecodeString(k); err != nil || len(b) != 4 || hex.EncodeToString(b) != k {
			return errors.New("an approver is not named by the id of a key")
		}
		if i > 0 && keys[i-1] >= k {
			return errors.New("the approvers are not in order, or one is named twice")
		}
	}
	return nil
}

// approvedBy says whether a record lists every approver of some terms.
func (r *Record) approvedBy(as []Approval) bool {
	return !slices.ContainsFunc(as, func(a Approval) bool { return !slices.Contains(r.Approvers, a.Key) })
}
