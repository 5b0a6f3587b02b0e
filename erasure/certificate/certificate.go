// Package certificate is what an erasure leaves on paper: the public record of an
// epoch, and the certificates that hang on it. It reads, writes and verifies both. It
// is pure: it needs no key and no store, so that a stranger's verifier is built from
// it, and package erasure, which destroys the keys, fills it in.
//
// A [Record] is a public statement in the log. It says that the keys of some people
// were destroyed, by whom and how surely, and names nobody. A [Certificate] says what
// one request erased, what it kept and why, and what it did not reach, and shows by a
// path of hashes that the record was fixed together with these very terms:
//
//	c, err := certificate.Parse(file)
//	err = certificate.Verify(c, statement, index) // text and entry of the record
//
// The statement must come from a proof that the entry is in the log; package
// ledger/receipt verifies one. What is then proven is that the operator said this at
// that time and cannot say anything else now. That the keys are gone is the statement
// of those who held them. docs/spec/certificate.md and docs/spec/epoch-record.md
// describe every byte.
package certificate

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The members of a certificate that are fixed.
const (
	Type   = "erasure.certificate"
	Schema = 1

	CopySubject = "subject"
	CopyOfficer = "officer"
)

// What no epoch reaches.
const (
	notSwept    = "Traces are not yet swept: until the next sweep, whoever holds the current root and old copies of the storage can tell which erased records belonged together, and who of the recipients has to be told."
	notOutside  = "Copies outside this ledger: recipients, exports, the services that sent the events, and proofs already handed out."
	notKeyCopy  = "A copy of a key that the operator took in secret before: it cannot be detected, only attributed."
	notRootCopy = "A copy of the root taken before the erasure, together with key pages of that time."
	notMedium   = "Level L0: the medium of the root may keep old copies of what was overwritten."
	notMemory   = "The memory of the running process: this build does not erase what key derivations leave there."
)

// NotCovered is what no epoch reaches. It stands in every certificate, because a certificate that only
// lists what was done invites the reader to think that it was everything.
func NotCovered(level string, memoryErased bool) []string {
	not := []string{notSwept, notOutside, notKeyCopy, notRootCopy}
	if level == "L0" {
		not = append(not, notMedium)
	}
	if !memoryErased {
		not = append(not, notMemory)
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
	Recipients      []string `json:"recipients"` // who must be told
	// Approvals are by those who agreed before, in the order of their keys.
	Approvals []Approval `json:"approvals,omitzero"`
	// Dependents were told before the keys were destroyed.
	Dependents   []Dependent `json:"dependents,omitzero"`
	MemoryErased bool        `json:"memory_erased"` // derivations ran inside Go's runtime/secret
	NotCovered   []string    `json:"not_covered"`
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

// A Dependent keeps data of the same people outside the ledger. It was told of the erasure.
type Dependent struct {
	Name       string  `json:"name"`
	ReportedAt *string `json:"reported_at"` // when it said that it has erased; null: it did not
}

func checkDependents(ds []Dependent) error {
	for i, d := range ds {
		if d.Name == "" || i > 0 && ds[i-1].Name >= d.Name {
			return errors.New("the dependents are not in order, or one has no name")
		}
		if d.ReportedAt != nil {
			if err := checkInstant(*d.ReportedAt); err != nil {
				return err
			}
		}
	}
	return nil
}

// Parse reads a certificate, strictly.
func Parse(b []byte) (*Certificate, error) {
	c := new(Certificate)
	if err := ParseCanonical(b, c); err != nil {
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
	return Canonical(c)
}

// Officer returns the copy for the file of the data protection officer. It has no opening: an opening in
// a file is the identifier, surviving.
func (c *Certificate) Officer() *Certificate {
	o := *c
	o.Copy, o.Opening, o.Notify = CopyOfficer, nil, nil
	return &o
}

func (c *Certificate) check() error {
	t := &c.Terms
	switch {
	case c.Type != Type || c.Schema != Schema:
		return fmt.Errorf("not type %s, schema %d", Type, Schema)
	case c.Copy != CopySubject && c.Copy != CopyOfficer:
		return errors.New("neither the subject's nor the officer's copy")
	case (c.Copy == CopySubject) != (c.Opening != nil):
		return errors.New("the subject's copy has an opening, the officer's copy has none")
	case !t.Reason.Valid():
		return errors.New("the reason is none that we know")
	case t.TracesSweptAt != nil:
		return errors.New("an epoch does not sweep traces")
	case !slices.Equal(t.NotCovered, NotCovered(t.Level, t.MemoryErased)):
		return errors.New("what is not covered is not said in full")
	case t.Epoch > maxExact || c.Record.Index > maxExact || c.Entries > maxExact:
		return errors.New("a number is beyond 2^53-1")
	case len(t.Erased) == 0:
		return errors.New("nothing was erased")
	}
	for _, p := range t.Erased {
		if err := CheckPart(p.Compartment, p.Cohort); err != nil {
			return err
		}
	}
	for _, k := range t.Kept {
		if err := CheckPart(k.Compartment, k.Cohort); err != nil {
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
	return errors.Join(checkApprovals(t.Approvals), checkDependents(t.Dependents), checkInstant(t.RequestedAt), checkInstant(t.KeysDestroyedAt))
}

// CheckPart checks the form of a compartment's name and of a cohort.
func CheckPart(compartment, cohort string) error {
	if compartment == "" {
		return errors.New("a compartment has no name")
	}
	if cohort != "" && !isPeriod(cohort) {
		return errors.New("a cohort is neither empty nor a year nor a month")
	}
	return nil
}

// isPeriod reports whether s is a year or, from 1970 on, a month: "2021" or
// "2021-03".
func isPeriod(s string) bool {
	form, from := "2006", 1
	if len(s) > len(form) {
		form, from = "2006-01", 1970
	}
	t, err := time.Parse(form, s)
	return err == nil && t.Format(form) == s && t.Year() >= from
}

// Digest is t, the terms as the leaf of the requests tree binds them.
func (t *Terms) Digest() (Digest, error) {
	b, err := Canonical(t)
	if err != nil {
		return Digest{}, err
	}
	return sha256.Sum256(append([]byte("lacuna/v1/terms"), b...)), nil
}
