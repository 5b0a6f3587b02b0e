package certificate

import (
	"bytes"
	"crypto/subtle"
	"fmt"
)

// A MismatchError says what in a certificate, or in another paper of an erasure, differs from the public
// record or from itself.
type MismatchError struct{ Paper, What string }

func (e *MismatchError) Error() string { return e.Paper + ": " + e.What }

// Verify checks a certificate with public inputs only: the text of the epoch record and the
// index at which the log holds it, both as a proof of that entry shows them. It needs no key and asks
// nobody.
func Verify(c *Certificate, statement []byte, index uint64) error {
	differ := func(what string) error { return &MismatchError{"certificate", what} }
	if err := c.check(); err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	r, err := ParseRecord(statement)
	if err != nil {
		return err
	}
	t := &c.Terms
	switch {
	case c.Record.Index != index:
		return differ("the record is another entry of the log")
	case c.Record.Leaf != LeafHash(statement):
		return differ("the record is another statement")
	case t.Tree != r.Tree:
		return differ("the record is of another key tree")
	case t.Epoch != r.Epoch:
		return differ("the record is of another epoch")
	case t.Level != r.Level:
		return differ("the record states another level")
	case t.KeysDestroyedAt != r.KeysDestroyedAt:
		return differ("the record states another time")
	case !r.approvedBy(t.Approvals):
		return differ("the record does not name an approver")
	}
	terms, err := t.Digest()
	if err != nil {
		return err
	}
	root, err := SumRoot(RequestLeaf(c.Commitment, terms, c.Entries), c.Place, r.RequestsSize, c.Path)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	if root.Hash != r.RequestsRoot {
		return differ("the requests tree of the record does not hold these terms")
	}
	if c.Opening == nil {
		return nil
	}
	return c.verifyOpening()
}

// verifyOpening checks that the opening opens the commitment, and that what it shows is what the terms say.
func (c *Certificate) verifyOpening() error {
	shown, err := c.Opening.Disclosed()
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	got := c.Opening.Commitment(c.Terms.Origin)
	if subtle.ConstantTimeCompare(got[:], c.Commitment[:]) != 1 {
		return &MismatchError{"certificate", "the opening is of another commitment"}
	}
	for name, want := range map[string]any{
		MemberReason: c.Terms.Reason,
		MemberScope:  c.Terms.Scope,
		MemberAsked:  c.Terms.RequestedAt,
		MemberErase:  c.Terms.Erased,
	} {
		value, ok := shown[name]
		if !ok {
			continue
		}
		text, err := Canonical(want)
		if err != nil {
			return err
		}
		if !bytes.Equal(text, value) {
			return &MismatchError{"certificate", "the " + name + " of the request is not that of the terms"}
		}
	}
	return nil
}
