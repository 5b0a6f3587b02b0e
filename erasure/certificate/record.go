package certificate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lacunalog/lacuna/merkle"
)

// The members of a record that are fixed.
const (
	RecordType   = "erasure.epoch"
	RecordSchema = 1
)

// Reason says why keys are destroyed.
type Reason string

const (
	ReasonRequest   Reason = "request"   // the person asked for it
	ReasonRetention Reason = "retention" // the last day of keeping has passed
	ReasonClosure   Reason = "closure"   // the controller closes an account or a service
)

func (r Reason) Valid() bool {
	return r == ReasonRequest || r == ReasonRetention || r == ReasonClosure
}

// A Record is the public statement about one epoch: that keys were destroyed, where and how surely,
// and for how many people roughly. It names nobody. docs/spec/epoch-record.md describes every member.
type Record struct {
	Type   string `json:"type"`   // "erasure.epoch"
	Schema int    `json:"schema"` // 1
	Tree   ID     `json:"tree"`
	Epoch  uint64 `json:"epoch"`
	// Attempt names the one try at this epoch whose root every holder kept.
	Attempt ID `json:"attempt"`
	// Previous is the leaf hash of the record before, null in the first.
	Previous *Digest `json:"previous"`
	// PagesRoot commits to the sealed key pages as they are after the epoch.
	PagesRoot       Digest      `json:"pages_root"`
	KeysDestroyedAt string      `json:"keys_destroyed_at"`
	Level           string      `json:"level"` // what the holders reach together: L0 to L3
	Holders         []Statement `json:"holders"`
	Subjects        Subjects    `json:"subjects"`
	// RequestsRoot is the root hash of the sum tree over RequestsSize requests, most of which are none.
	RequestsRoot Digest   `json:"requests_root"`
	RequestsSize int      `json:"requests_size"`
	Approvers    []string `json:"approvers"` // ids of the keys whose signatures stand in the certificates of the epoch
	Sweep        string   `json:"sweep"`     // "pending": traces are not yet swept
}

// A Statement is what one holder of the root says that it destroyed: everything but its share of this
// epoch and attempt was overwritten and read back.
type Statement struct {
	Holder      ID       `json:"holder"`
	Kind        string   `json:"kind"`        // file, mirrored, pkcs11, …
	Level       string   `json:"level"`       // what this holder reaches alone
	Destroyed   []uint64 `json:"destroyed"`   // epochs of the shares that could be read before
	Overwritten int      `json:"overwritten"` // slots
	Copies      int      `json:"copies"`      // places that confirmed
	Signature   string   `json:"signature"`   // base64url of a custodian's public key and its signature, empty where the holder has no key
}

// Subjects says for how many people, or keys where nobody can say whose they are, an epoch destroyed
// keys. Numbers are given as buckets: 0, 1-9, 10-99, 100-999 and so on.
type Subjects struct {
	Closure   string `json:"closure"`
	Request   string `json:"request"`
	Retention string `json:"retention"`
}

// Bucket is the bucket of n.
func Bucket(n int) string {
	if n <= 0 {
		return "0"
	}
	digits := len(fmt.Sprint(n)) - 1
	return "1" + strings.Repeat("0", digits) + "-" + strings.Repeat("9", digits+1)
}

func checkBucket(s string) error {
	low, _, found := strings.Cut(s, "-")
	if s == "0" || found && len(low) <= 9 && strings.Trim(low, "0") == "1" && s == Bucket(pow10(len(low)-1)) {
		return nil
	}
	return errors.New("a number of subjects is not one of the buckets")
}

func pow10(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}

// ParseRecord reads a record from the text of the public statement, strictly.
func ParseRecord(statement []byte) (*Record, error) {
	r := new(Record)
	if err := ParseCanonical(statement, r); err != nil {
		return nil, fmt.Errorf("epoch record: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("epoch record: %w", err)
	}
	return r, nil
}

// Statement returns the text that is published.
func (r *Record) Statement() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("epoch record: %w", err)
	}
	return Canonical(r)
}

func (r *Record) check() error {
	switch {
	case r.Type != RecordType || r.Schema != RecordSchema:
		return fmt.Errorf("not type %s, schema %d", RecordType, RecordSchema)
	case r.Epoch > maxExact:
		return errors.New("the epoch is beyond 2^53-1")
	case r.RequestsSize < MinRequests || r.RequestsSize > 1<<30 || r.RequestsSize&(r.RequestsSize-1) != 0:
		return errors.New("the size of the requests tree is not a power of two of at least 64")
	case r.Sweep != SweepPending:
		return errors.New("the sweep of an epoch record is not pending")
	}
	if err := checkKeyIDs(r.Approvers); err != nil {
		return err
	}
	if err := checkLevel(r.Level, r.Holders); err != nil {
		return err
	}
	if err := checkSignatures(r.Holders, r.Tree, r.Epoch, r.Attempt); err != nil {
		return err
	}
	for _, b := range []string{r.Subjects.Closure, r.Subjects.Request, r.Subjects.Retention} {
		if err := checkBucket(b); err != nil {
			return err
		}
	}
	return checkInstant(r.KeysDestroyedAt)
}

// checkLevel holds the level to the statements: it is that of the best holder, or L2 where at least two
// overwrote in place, one of them independent. That they are independent is the operator's word.
func checkLevel(level string, holders []Statement) error {
	if len(holders) == 0 {
		return errors.New("no holder says that it destroyed anything")
	}
	best, inPlace := "", 0
	for _, h := range holders {
		if h.Level < "L0" || h.Level > "L3" || len(h.Level) != 2 {
			return errors.New("a level is not one of L0 to L3")
		}
		if h.Kind == "" || h.Overwritten < 0 || h.Copies < 0 {
			return errors.New("the statement of a holder is not complete")
		}
		best = max(best, h.Level)
		if h.Level >= "L1" {
			inPlace++
		}
	}
	if level != best && (level != "L2" || best != "L1" || inPlace < 2) {
		return errors.New("the level is not what the statements of the holders reach")
	}
	return nil
}

// SweepPending is the state of a sweep that has not run.
const SweepPending = "pending"

// PublicLeaf is the leaf of a public statement: 0x01 0x01 || JCS.
func PublicLeaf(statement []byte) []byte { return append([]byte{0x01, 0x01}, statement...) }

// LeafHash is the hash under which the log's tree holds a public statement.
func LeafHash(statement []byte) Digest { return Digest(merkle.LeafHash(PublicLeaf(statement))) }
