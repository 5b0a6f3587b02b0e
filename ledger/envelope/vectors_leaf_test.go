package envelope_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
	"github.com/lacunalog/lacuna/ledger/envelope"
)

type memberVector struct {
	Name   string   `json:"name"`
	Digest hexBytes `json:"digest"`
}

type leafVector struct {
	Name     string         `json:"name"`
	Origin   string         `json:"origin"`
	R        hexBytes       `json:"r"`
	DE       hexBytes       `json:"d_e"`
	Members  []memberVector `json:"members"`
	DP       hexBytes       `json:"d_p"`
	Leaf     hexBytes       `json:"leaf"`
	LeafHash hexBytes       `json:"leaf_hash"`
}

type publicVector struct {
	Statement string   `json:"statement"`
	Leaf      hexBytes `json:"leaf"`
	LeafHash  hexBytes `json:"leaf_hash"`
}

type leafRefusal struct {
	Name    string         `json:"name"`
	Members []memberVector `json:"members"`
}

func TestLeafVectors(t *testing.T) {
	member := func(name string) memberVector { return memberVector{name, refSHA([]byte(name))} }
	list := func(names ...string) (ms []memberVector) {
		for _, n := range names {
			ms = append(ms, member(n))
		}
		return ms
	}
	var many []string
	for i := range 255 {
		many = append(many, "m"+string([]byte{'a' + byte(i/26), 'a' + byte(i%26)}))
	}
	field := func(ms []memberVector) *envelope.FieldOpening {
		f := &envelope.FieldOpening{R: [32]byte(refSHA([]byte("r"))), DE: [32]byte(refSHA([]byte("d_E")))}
		for _, m := range ms {
			f.Members = append(f.Members, envelope.MemberDigest{Name: m.Name, Digest: [32]byte(m.Digest)})
		}
		return f
	}
	var leaves []leafVector
	for _, c := range []struct {
		name, origin string
		ms           []memberVector
	}{
		{"one member", "ledger.example/log", list("type")},
		{"the same in another log", "ledger.example/log2", list("type")},
		{"order is bytewise", "ledger.example/log", list("!", "A", "Z", "_prev", "_seq", "a", "a!", "aa", "~")},
		{"longest name", "ledger.example/log", list(strings.Repeat("n", 255))},
		{"255 members", "ledger.example/log", list(many...)},
	} {
		f := field(c.ms)
		leaf, _, err := f.Verify(envelope.Origin(c.origin))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		dP, err := f.MembersHash()
		if err != nil {
			t.Fatal(err)
		}
		if want := refLeafFromDigests(f, c.origin); !bytes.Equal(leaf, want) {
			t.Fatalf("%s: the reference has another leaf", c.name)
		}
		hash := envelope.LeafHash(leaf)
		leaves = append(leaves, leafVector{c.name, c.origin, f.R[:], f.DE[:], c.ms, dP[:], leaf, hash[:]})
	}
	var refused []leafRefusal
	for _, c := range []leafRefusal{
		{"no member", []memberVector{}},
		{"one name twice, two truths", []memberVector{{"answer", refSHA([]byte("given"))}, {"answer", refSHA([]byte("refused"))}}},
		{"names out of order", list("b", "a")},
		{"256 members", list(append(many, "n")...)},
		{"empty name", list("")},
		{"name of 256 bytes", list(strings.Repeat("n", 256))},
		{"name with a space", list("a b")},
		{"name with a quotation mark", list(`a"`)},
		{"name with a backslash", list(`a\`)},
		{"name not ASCII", list("ä")},
	} {
		if _, _, err := field(c.Members).Verify(testOrigin); err == nil {
			t.Errorf("%s: accepted", c.Name)
		}
		refused = append(refused, c)
	}
	var public []publicVector
	for _, s := range []string{`{"type":"log.key"}`, `{"contact":"datenschutz@chinook.example","controller_id":"chinook","name":"Chinook Musik GmbH","type":"controller.registered"}`} {
		leaf, err := envelope.PublicLeaf([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(leaf, append([]byte{1, 1}, s...)) {
			t.Fatalf("public leaf of %s", s)
		}
		hash := envelope.LeafHash(leaf)
		public = append(public, publicVector{s, leaf, hash[:]})
	}
	var publicRefused []string
	for _, s := range []string{``, `{}`, `[]`, `{"a": 1}`, `{"a":1,"a":1}`, `{"b":1,"a":1}`, `{"a":1.0}`, `{"a":1}` + "\n"} {
		if _, err := envelope.PublicLeaf([]byte(s)); err == nil {
			t.Errorf("public leaf of %q", s)
		}
		publicRefused = append(publicRefused, s)
	}
	if _, err := envelope.PublicLeaf([]byte(`{"a":"` + strings.Repeat("x", 65533-8) + `"}`)); err != nil {
		t.Errorf("the largest public statement: %v", err)
	}
	if _, err := envelope.PublicLeaf([]byte(`{"a":"` + strings.Repeat("x", 65533-7) + `"}`)); err == nil {
		t.Error("a public statement too large for a log entry")
	}
	vectors.Same(t, "leaf.json", map[string]any{
		"about":          "docs/spec/leaf.md. Bytes are lower-case hex, statements are text.",
		"public":         public,
		"public_refused": publicRefused,
		"refused":        refused,
		"sealed":         leaves,
	})
}

// refLeafFromDigests is the leaf of a list of digests, from the text.
func refLeafFromDigests(f *envelope.FieldOpening, origin string) []byte {
	b := append([]byte("lacuna/v1/members"), byte(len(f.Members)>>8), byte(len(f.Members)))
	for _, m := range f.Members {
		b = append(b, byte(len(m.Name)))
		b = append(b, m.Name...)
		b = append(b, m.Digest[:]...)
	}
	mac := refHMAC(f.R[:], []byte("lacuna/v1/leaf"), refSHA([]byte(origin)), f.DE[:], refSHA(b))
	return append([]byte{1, 0}, mac...)
}
