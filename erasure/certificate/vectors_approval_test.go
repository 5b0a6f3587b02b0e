package certificate

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
	"github.com/lacunalog/lacuna/merkle"
)

// certificateVectors is the file that docs/spec/certificate.md refers to.
type certificateVectors struct {
	Comment   string              `json:"comment"`
	Origin    string              `json:"origin"`
	Approvers []string            `json:"approvers"` // verifier keys that a reader knows
	Index     uint64              `json:"record_index"`
	Cases     []certificateVector `json:"cases"`
}

type certificateVector struct {
	Name        string `json:"name"`
	Record      string `json:"record"`
	Certificate string `json:"certificate"`
	Valid       bool   `json:"valid"`
	// ApprovedBy are those of the approvers that signed the request.
	ApprovedBy []string `json:"approved_by,omitzero"`
}

// approverOf is a key that a reader can compute: its seed is SHA-256 of its name.
func approverOf(t testing.TB, name string) (merkle.Signer, string) {
	t.Helper()
	seed := fixed(name)
	key := append([]byte{1}, ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)...)
	hash := sha256.Sum256(append([]byte(name+"\n"), key...))
	text := func(b []byte) string {
		return fmt.Sprintf("%s+%x+%s", name, hash[:4], base64.StdEncoding.EncodeToString(b))
	}
	s, err := merkle.NewSigner("PRIVATE+KEY+" + text(append([]byte{1}, seed[:]...)))
	if err != nil {
		t.Fatal(err)
	}
	return s, text(key)
}

func makeCertificateVectors(t testing.TB) *certificateVectors {
	ada, adaKey := approverOf(t, "ada.example/dpo")
	bob, bobKey := approverOf(t, "bob.example/dpo")
	eve, _ := approverOf(t, "eve.example/dpo")
	name := func(s merkle.Signer) string { return fmt.Sprintf("%s+%08x", s.Name(), s.KeyHash()) }
	v := &certificateVectors{
		Comment: "Vectors for docs/spec/certificate.md: approvals, dependents, and what ties a certificate to its record. Texts are the exact bytes. The seed of an approver's key is SHA-256 of its name.",
		Origin:  "demo.lacuna.test", Approvers: []string{adaKey, bobKey}, Index: 1071,
	}
	approve := func(commitment Digest, by ...merkle.Signer) (as []Approval) {
		for _, s := range by {
			a, err := Approve(s, v.Origin, commitment)
			if err != nil {
				t.Fatal(err)
			}
			as = append(as, a)
		}
		slices.SortFunc(as, func(a, b Approval) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) })
		return as
	}
	text := func(c any) string {
		b, err := Canonical(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	// add puts both copies into the file, of terms and a record that were fixed together; of what is refused
	// one is enough.
	add := func(what string, approvedBy []string, change func(*Terms, Digest), record func(*Record)) {
		statement, c, _ := sampleOf(t, change, record)
		for _, c := range []*Certificate{c, c.Officer()} {
			if approvedBy == nil && c.Opening != nil {
				continue
			}
			v.Cases = append(v.Cases, certificateVector{what + ", " + c.Copy + "'s copy", string(statement), text(c), approvedBy != nil, approvedBy})
		}
	}
	// spoil changes a certificate that is in order behind the back of its record.
	reported := "2026-05-04T12:31:38Z"
	worded := func(t *Terms, c Digest) {
		t.Approvals = approve(c, ada, bob)
		t.Dependents = []Dependent{{"read-model", &reported}, {"search", nil}}
	}
	spoil := func(what string, change func(*Certificate)) {
		statement, c, _ := sampleOf(t, worded, nil)
		change(c)
		v.Cases = append(v.Cases, certificateVector{Name: what, Record: string(statement), Certificate: text(c)})
	}
	add("nobody approved", []string{}, nil, nil)
	add("two approved", []string{name(ada), name(bob)}, func(t *Terms, c Digest) { t.Approvals = approve(c, ada, bob) }, nil)
	add("one of them is not known", []string{name(bob)}, func(t *Terms, c Digest) { t.Approvals = approve(c, bob, eve) }, nil)
	add("dependents", []string{}, func(t *Terms, _ Digest) { t.Dependents = []Dependent{{"read-model", &reported}, {"search", nil}} }, nil)
	add("both", []string{name(ada), name(bob)}, worded, nil)
	add("the record names more approvers, of another request", []string{name(ada)}, func(t *Terms, c Digest) { t.Approvals = approve(c, ada) }, func(r *Record) {
		r.Approvers = append(r.Approvers, fmt.Sprintf("%08x", eve.KeyHash()))
		slices.Sort(r.Approvers)
	})
	statement, c, _ := sampleOf(t, worded, nil)
	c.Opening = c.Opening.Withhold(MemberSubject, MemberScope)
	v.Cases = append(v.Cases, certificateVector{"the person shows less", string(statement), text(c), true, []string{name(ada), name(bob)}})

	add("the signature of another request", nil, func(t *Terms, _ Digest) { t.Approvals = approve(fixed("another commitment"), ada) }, nil)
	add("the signature of somebody else", nil, func(t *Terms, c Digest) {
		t.Approvals = approve(c, eve)
		t.Approvals[0].Key = fmt.Sprintf("%08x", ada.KeyHash())
	}, nil)
	add("the record does not name an approver", nil, worded, func(r *Record) { r.Approvers = r.Approvers[:1] })
	add("approvals out of order", nil, func(t *Terms, c Digest) { worded(t, c); slices.Reverse(t.Approvals) }, func(r *Record) { slices.Sort(r.Approvers) })
	add("an approval twice", nil, func(t *Terms, c Digest) { t.Approvals = approve(c, ada, ada) }, func(r *Record) { r.Approvers = r.Approvers[:1] })
	add("a signature that is too short", nil, func(t *Terms, c Digest) {
		t.Approvals = approve(c, ada)
		t.Approvals[0].Signature = t.Approvals[0].Signature[:84]
	}, nil)
	add("dependents out of order", nil, func(t *Terms, c Digest) { worded(t, c); slices.Reverse(t.Dependents) }, nil)
	add("a dependent without a name", nil, func(t *Terms, _ Digest) { t.Dependents = []Dependent{{"", nil}} }, nil)
	add("a report that is no time", nil, func(t *Terms, _ Digest) { t.Dependents = []Dependent{{"search", &t.Scope}} }, nil)
	add("what is not covered is not said in full", nil, func(t *Terms, _ Digest) { t.NotCovered = t.NotCovered[1:] }, nil)
	spoil("an approval is taken out", func(c *Certificate) { c.Terms.Approvals = c.Terms.Approvals[:1] })
	spoil("all approvals are taken out", func(c *Certificate) { c.Terms.Approvals = nil })
	spoil("a dependent reports afterwards", func(c *Certificate) { c.Terms.Dependents[1].ReportedAt = &reported })
	spoil("a reason to keep is added", func(c *Certificate) {
		c.Terms.Kept = append(c.Terms.Kept, Stay{"chat", "2026-06", "later", nil})
	})
	spoil("more entries", func(c *Certificate) { c.Entries++ })
	spoil("another place", func(c *Certificate) { c.Place++ })
	spoil("another entry of the log", func(c *Certificate) { c.Record.Index++ })
	spoil("another record", func(c *Certificate) { c.Record.Leaf = fixed("another record") })
	spoil("another commitment", func(c *Certificate) { c.Commitment = fixed("another commitment") })
	spoil("an opening of something else", func(c *Certificate) { c.Opening.Rho = fixed("another rho") })
	spoil("an opening in the officer's copy", func(c *Certificate) { c.Copy = CopyOfficer })
	return v
}

// TestCertificateVectors holds docs/spec/vectors/certificate.json against the code, and reads it back as a
// stranger would, from its texts alone.
func TestCertificateVectors(t *testing.T) {
	want := vectors.Same(t, "certificate.json", makeCertificateVectors(t))
	var v certificateVectors
	if err := json.Unmarshal(want, &v); err != nil {
		t.Fatal(err)
	}
	var keys []merkle.Verifier
	for _, text := range v.Approvers {
		k, err := merkle.NewVerifier(text)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	for _, x := range v.Cases {
		approvedBy, err := func() (names []string, _ error) {
			c, err := Parse([]byte(x.Certificate))
			if err != nil {
				return nil, err
			}
			if err := Verify(c, []byte(x.Record), v.Index); err != nil {
				return nil, err
			}
			by, err := c.Approvers(keys...)
			for _, k := range by {
				names = append(names, fmt.Sprintf("%s+%08x", k.Name(), k.KeyHash()))
			}
			return names, err
		}()
		slices.Sort(approvedBy)
		if (err == nil) != x.Valid || x.Valid && !slices.Equal(approvedBy, x.ApprovedBy) {
			t.Errorf("%s: %v, approved by %v", x.Name, err, approvedBy)
		}
	}
}
