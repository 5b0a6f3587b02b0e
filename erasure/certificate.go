package erasure

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/keystore"
)

const (
	certificateType   = "erasure.certificate"
	certificateSchema = 1

	copySubject = "subject"
	copyOfficer = "officer"
)

// notCovered is what no epoch reaches. It stands in every certificate, because a certificate that only
// lists what was done invites the reader to think that it was everything.
func notCovered(level string, memoryErased bool) []string {
	not := []string{
		"Traces are not yet swept: until the next sweep, whoever holds the current root and old copies of the storage can tell which erased records belonged together, and who of the recipients has to be told.",
		"Copies outside this ledger: recipients, exports, the services that sent the events, and proofs already handed out.",
		"A copy of a key that the operator took in secret before: it cannot be detected, only attributed.",
		"A copy of the root taken before the erasure, together with key pages of that time.",
	}
	if level == "L0" {
		not = append(not, "Level L0: the medium of the root may keep old copies of what was overwritten.")
	}
	if !memoryErased {
		not = append(not, "The memory of the running process: this build does not erase what key derivations leave there.")
	}
	return not
}

// A Certificate says what one request erased, what it kept and why, and what it did not reach, and ties
// all of it to a public epoch record. The subject's copy also opens the commitment to the request; the
// officer's copy names nobody and may be filed.
//
// What the record binds is that these very terms were fixed when the keys were destroyed. That the keys
// are gone, and that there was no other copy, is what the holders and the operator state.
type Certificate struct {
	Type   string `json:"type"`   // "erasure.certificate"
	Schema int    `json:"schema"` // 1
	Copy   string `json:"copy"`   // subject or officer

	Terms Terms `json:"terms"`

	// What ties the terms to the public record.
	Record RecordRef `json:"record"`
	// Commitment is c, the hiding commitment to the request.
	Commitment Digest `json:"commitment"`
	// Entries is how many entries of the log became unreadable.
	Entries uint64    `json:"entries"`
	Place   int       `json:"place"` // of the request among the leaves of the requests tree
	Path    []SumNode `json:"path"`

	// Opening is only in the subject's copy, handed out once.
	Opening *Opening `json:"opening,omitzero"`

	// Notify is the worklist of Art. 19: who must be told, and how they know the person. It is not
	// part of the certificate, which has to survive without identifiers; like the opening it is
	// handed out once.
	Notify []Recipient `json:"-"`
}

// Terms are what was done, in the words of the operator.
type Terms struct {
	Origin          string   `json:"origin"`
	Tree            ID       `json:"tree"`
	Epoch           uint64   `json:"epoch"`
	Level           string   `json:"level"`
	Reason          Reason   `json:"reason"`
	Scope           string   `json:"scope"`
	RequestedAt     string   `json:"requested_at"`
	KeysDestroyedAt string   `json:"keys_destroyed_at"`
	TracesSweptAt   *string  `json:"traces_swept_at"` // null: not yet
	Erased          []Part   `json:"erased"`
	Kept            []Stay   `json:"kept"`
	Recipients      []string `json:"recipients"`    // who must be told
	MemoryErased    bool     `json:"memory_erased"` // derivations ran inside Go's runtime/secret
	NotCovered      []string `json:"not_covered"`
}

// A RecordRef says where the log holds the epoch record.
type RecordRef struct {
	Index uint64 `json:"index"`
	Leaf  Digest `json:"leaf"` // RFC 6962 hash of the leaf
}

// A Part is one compartment of a person's data, and the cohort where it has one.
type Part struct {
	Compartment string `json:"compartment"`
	Cohort      string `json:"cohort"` // "", "2021" or "2021-03"
}

// A Stay is a part that was kept, and why.
type Stay struct {
	Compartment string  `json:"compartment"`
	Cohort      string  `json:"cohort"`
	Reason      string  `json:"reason"`
	Until       *string `json:"until"` // last day of keeping, "2029-12-31"; null where none is set yet
}

// A Recipient received data that is about to be erased, and has to be told (Art. 19).
type Recipient struct {
	ID  string `json:"id"`  // the recipient's name in the register
	Ref string `json:"ref"` // how the recipient knows the person
}

// ParseCertificate reads a certificate, strictly.
func ParseCertificate(b []byte) (*Certificate, error) {
	c := new(Certificate)
	if err := parse(b, c); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return c, nil
}

// Marshal returns the certificate's text, canonical JSON.
func (c *Certificate) Marshal() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return canonical(c)
}

// Officer returns the copy for the file of the data protection officer. It has no opening: an opening in
// a file is the identifier, surviving.
func (c *Certificate) Officer() *Certificate {
	o := *c
	o.Copy, o.Opening, o.Notify = copyOfficer, nil, nil
	return &o
}

func (c *Certificate) check() error {
	t := &c.Terms
	switch {
	case c.Type != certificateType || c.Schema != certificateSchema:
		return fmt.Errorf("not type %s, schema %d", certificateType, certificateSchema)
	case c.Copy != copySubject && c.Copy != copyOfficer:
		return errors.New("neither the subject's nor the officer's copy")
	case (c.Copy == copySubject) != (c.Opening != nil):
		return errors.New("the subject's copy has an opening, the officer's copy has none")
	case !t.Reason.valid():
		return errors.New("the reason is none that we know")
	case t.TracesSweptAt != nil:
		return errors.New("an epoch does not sweep traces")
	case !slices.Equal(t.NotCovered, notCovered(t.Level, t.MemoryErased)):
		return errors.New("what is not covered is not said in full")
	case t.Epoch > maxExact || c.Record.Index > maxExact || c.Entries > maxExact:
		return errors.New("a number is beyond 2^53-1")
	case len(t.Erased) == 0:
		return errors.New("nothing was erased")
	}
	for _, p := range t.Erased {
		if err := checkPart(p.Compartment, p.Cohort); err != nil {
			return err
		}
	}
	for _, k := range t.Kept {
		if err := checkPart(k.Compartment, k.Cohort); err != nil {
			return err
		}
		if k.Reason == "" {
			return errors.New("something was kept without a reason")
		}
		if k.Until != nil {
			if err := checkDate(*k.Until); err != nil {
				return err
			}
		}
	}
	return errors.Join(checkInstant(t.RequestedAt), checkInstant(t.KeysDestroyedAt))
}

func checkPart(compartment, cohort string) error {
	if compartment == "" {
		return errors.New("a compartment has no name")
	}
	if c, err := keystore.ParseCohort(cohort); err != nil || c.String() != cohort {
		return errors.New("a cohort is neither empty nor a year nor a month")
	}
	return nil
}

// digest is t, the terms as the leaf of the requests tree binds them.
func (t *Terms) digest() (Digest, error) {
	b, err := canonical(t)
	if err != nil {
		return Digest{}, err
	}
	return sha256.Sum256(append([]byte("lacuna/v1/terms"), b...)), nil
}

// A CertificateError says what in a certificate differs from the public record or from itself.
type CertificateError struct{ What string }

func (e *CertificateError) Error() string { return "certificate: " + e.What }

// VerifyCertificate checks a certificate with public inputs only: the text of the epoch record and the
// index at which the log holds it, both as a proof of that entry shows them. It needs no key and asks
// nobody.
func VerifyCertificate(c *Certificate, statement []byte, index uint64) error {
	differ := func(what string) error { return &CertificateError{what} }
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
	case c.Record.Leaf != leafHash(statement):
		return differ("the record is another statement")
	case t.Tree != r.Tree:
		return differ("the record is of another key tree")
	case t.Epoch != r.Epoch:
		return differ("the record is of another epoch")
	case t.Level != r.Level:
		return differ("the record states another level")
	case t.KeysDestroyedAt != r.KeysDestroyedAt:
		return differ("the record states another time")
	}
	terms, err := t.digest()
	if err != nil {
		return err
	}
	root, err := sumRoot(requestLeaf(c.Commitment, terms, c.Entries), c.Place, r.RequestsSize, c.Path)
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
	shown, err := c.Opening.disclosed()
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	got := c.Opening.Commitment(c.Terms.Origin)
	if subtle.ConstantTimeCompare(got[:], c.Commitment[:]) != 1 {
		return &CertificateError{"the opening is of another commitment"}
	}
	for name, want := range map[string]any{
		memberReason: c.Terms.Reason,
		memberScope:  c.Terms.Scope,
		memberAsked:  c.Terms.RequestedAt,
		memberErase:  c.Terms.Erased,
	} {
		value, ok := shown[name]
		if !ok {
			continue
		}
		text, err := canonical(want)
		if err != nil {
			return err
		}
		if !bytes.Equal(text, value) {
			return &CertificateError{"the " + name + " of the request is not that of the terms"}
		}
	}
	return nil
}
