package certificate

import (
	"encoding/json"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
)

// recordVectors is the file that docs/spec/epoch-record.md and docs/spec/certificate.md refer to.
type recordVectors struct {
	Comment    string          `json:"comment"`
	Origin     string          `json:"origin"`
	Rho        Digest          `json:"rho"`
	Members    []sampleMember  `json:"members"`
	Commitment Digest          `json:"commitment"`
	Terms      json.RawMessage `json:"terms"`
	TermsHash  Digest          `json:"terms_digest"`
	Entries    uint64          `json:"entries"`
	Leaf       Digest          `json:"requests_leaf"`
	Place      int             `json:"place"`
	Path       []SumNode       `json:"path"`
	Root       SumNode         `json:"requests_root"`
	Record     string          `json:"record"`
	RecordLeaf Digest          `json:"record_leaf_hash"`
	Index      uint64          `json:"record_index"`
	Subject    string          `json:"subject_copy"`
	Officer    string          `json:"officer_copy"`
}

func TestVectors(t *testing.T) {
	statement, c, members := sample(t)
	terms, err := Canonical(c.Terms)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := c.Terms.Digest()
	if err != nil {
		t.Fatal(err)
	}
	leaf := RequestLeaf(c.Commitment, digest, c.Entries)
	root, err := SumRoot(leaf, c.Place, MinRequests, c.Path)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	officer, err := c.Officer().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := vectors.Same(t, "epoch-record.json", recordVectors{
		Comment: "Vectors for docs/spec/epoch-record.md and docs/spec/certificate.md. Texts in record, subject_copy and officer_copy are the exact bytes; terms is shown indented and hashed in its canonical form.",
		Origin:  c.Terms.Origin, Rho: c.Opening.Rho, Members: members, Commitment: c.Commitment,
		Terms: terms, TermsHash: digest, Entries: c.Entries, Leaf: leaf.Hash, Place: c.Place, Path: c.Path, Root: root,
		Record: string(statement), RecordLeaf: c.Record.Leaf, Index: c.Record.Index,
		Subject: string(subject), Officer: string(officer),
	})

	// What stands in the file is checked as a stranger would, from its texts alone.
	var v recordVectors
	if err := json.Unmarshal(want, &v); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{v.Subject, v.Officer} {
		c, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := Verify(c, []byte(v.Record), v.Index); err != nil {
			t.Error(err)
		}
	}
}
