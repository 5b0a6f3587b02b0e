package certificate

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
)

// lostVectors is the file that docs/spec/lost-entries.md refers to.
type lostVectors struct {
	Comment    string              `json:"comment"`
	Statements []lostVector        `json:"statements"`
	Openings   []lostOpeningVector `json:"openings"`
}

type lostVector struct {
	Name      string `json:"name"`
	Valid     bool   `json:"valid"`
	Statement string `json:"statement"`
	LeafHash  Digest `json:"leaf_hash,omitzero"`
}

type lostOpeningVector struct {
	Name      string `json:"name"`
	Valid     bool   `json:"valid"`
	Statement string `json:"statement"` // of which the proof file in the opening is to be a proof
	Opening   string `json:"opening"`
}

// lostSet has one leaf in seven of two blocks and one leaf.
func lostSet(t testing.TB) *LostSet {
	s, err := NewLostSet(2*BlockLeaves+1, func(i uint64) bool { return i%7 == 1 }, blinds("lost"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func makeLostVectors(t *testing.T) (v lostVectors) {
	v.Comment = "Vectors for docs/spec/lost-entries.md. Texts are the exact bytes; the proof file in an opening stands for one of the statement beside it."
	set := lostSet(t)
	record := set.Record("2026-05-12T09:00:00Z")
	statement, err := record.Statement()
	if err != nil {
		t.Fatal(err)
	}
	v.Statements = append(v.Statements, lostVector{"as it should be", true, string(statement), LeafHash(statement)})
	for _, c := range []struct {
		name   string
		change func(r *LostRecord)
	}{
		{"another type", func(r *LostRecord) { r.Type = SweepType }},
		{"another schema", func(r *LostRecord) { r.Schema = 2 }},
		{"none lost", func(r *LostRecord) { r.Lost = 0 }},
		{"more lost than leaves", func(r *LostRecord) { r.Lost = r.Size + 1 }},
		{"too large", func(r *LostRecord) { r.Size = 1 << 53 }},
		{"a time with a fraction", func(r *LostRecord) { r.StatedAt = "2026-05-12T09:00:00.5Z" }},
	} {
		r := *record
		c.change(&r)
		text, err := Canonical(&r)
		if err != nil {
			t.Fatal(err)
		}
		v.Statements = append(v.Statements, lostVector{Name: c.name, Statement: string(text)})
	}
	v.Statements = append(v.Statements,
		lostVector{Name: "a line behind", Statement: string(statement) + "\n"},
		lostVector{Name: "a member more", Statement: string(bytes.Replace(statement, []byte(`{"lost"`), []byte(`{"and":1,"lost"`), 1))})
	for _, c := range []struct {
		name   string
		index  uint64
		change func(o *LostOpening)
	}{
		{"in the first block", 8, nil},
		{"in the second block", 4103, nil},
		{"another leaf", 8, func(o *LostOpening) { o.Entry.Index = 9 }},
		{"a leaf of another block", 8, func(o *LostOpening) { o.Entry.Index += BlockLeaves }},
		{"beyond the end", 8, func(o *LostOpening) { o.Entry.Index = 2*BlockLeaves + 1 }},
		{"another blind", 8, func(o *LostOpening) { o.Entry.Blind[0] ^= 1 }},
		{"a shorter path", 8, func(o *LostOpening) { o.Entry.Path = o.Entry.Path[1:] }},
		{"another count", 8, func(o *LostOpening) { o.Entry.Count++ }},
		{"no leaf lost in the block", 8, func(o *LostOpening) { o.Entry.Count = 0 }},
		{"a block left out", 8, func(o *LostOpening) { o.Entry.Blocks = o.Entry.Blocks[1:] }},
		{"another type", 8, func(o *LostOpening) { o.Type = LostType }},
		{"another schema", 8, func(o *LostOpening) { o.Schema = 2 }},
	} {
		p, err := set.Prove(c.index)
		if err != nil {
			t.Fatal(err)
		}
		o := NewLostOpening("demo.lacuna.test", []byte("a proof file"), p)
		if c.change != nil {
			c.change(o)
		}
		text, err := Canonical(o)
		if err != nil {
			t.Fatal(err)
		}
		v.Openings = append(v.Openings, lostOpeningVector{c.name, c.change == nil, string(statement), string(text)})
	}
	// What an erased set shows of a leaf is no proof that it is lost, even with the same blinds.
	erased, err := NewErasedSet(2, 2*BlockLeaves+1, func(i uint64) bool { return i%7 == 1 }, blinds("lost"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := erased.Prove(8)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Canonical(NewLostOpening("demo.lacuna.test", []byte("a proof file"), &LostProof{b.Index, b.Blind, b.Path, b.Count, b.Blocks}))
	if err != nil {
		t.Fatal(err)
	}
	v.Openings = append(v.Openings, lostOpeningVector{"the bit of an erased set", false, string(statement), string(text)})
	return v
}

// TestLostVectors writes and checks the file; what stands in it is checked as a stranger would.
func TestLostVectors(t *testing.T) {
	v := makeLostVectors(t)
	vectors.Same(t, "lost-entries.json", v)
	for _, x := range v.Statements {
		if _, err := ParseLostRecord([]byte(x.Statement)); (err == nil) != x.Valid {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
	for _, x := range v.Openings {
		if err := verifyLostTexts(x); (err == nil) != x.Valid {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
}

func verifyLostTexts(x lostOpeningVector) error {
	r, err := ParseLostRecord([]byte(x.Statement))
	if err != nil {
		return err
	}
	o, err := ParseLostOpening([]byte(x.Opening))
	if err != nil {
		return err
	}
	return o.Entry.Verify(r)
}

func TestLostSetProvesOnlyLost(t *testing.T) {
	set := lostSet(t)
	r := set.Record("2026-05-12T09:00:00Z")
	for i := uint64(0); i < r.Size; i += 501 {
		p, err := set.Prove(i)
		if lost := i%7 == 1; lost != (err == nil) || lost && p.Verify(r) != nil {
			t.Errorf("leaf %d: %v", i, err)
		}
	}
}

func FuzzParseLostRecord(f *testing.F) {
	statement, err := lostSet(f).Record("2026-05-12T09:00:00Z").Statement()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(statement)
	f.Add(bytes.Replace(statement, []byte(`"lost":`), []byte(`"lost":-`), 1))
	f.Add([]byte(strings.Replace(string(statement), `"size":`, `"size":1e3,"size":`, 1)))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseLostRecord(b)
		if err != nil {
			return
		}
		again, err := r.Statement()
		if err != nil || !bytes.Equal(again, b) || r.Lost == 0 || r.Lost > r.Size {
			t.Errorf("accepted %.300q, writes %.300q, %v", b, again, err)
		}
	})
}

// FuzzParseLostOpening: nothing verifies but what was committed to, and no reader of it panics.
func FuzzParseLostOpening(f *testing.F) {
	set := lostSet(f)
	record := set.Record("2026-05-12T09:00:00Z")
	p, err := set.Prove(8)
	if err != nil {
		f.Fatal(err)
	}
	text, err := NewLostOpening("demo.lacuna.test", []byte("a proof file"), p).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(0), byte(0), []byte{})
	f.Add(uint16(bytes.Index(text, []byte(`"index":8`))+8), byte(1), []byte("9"))
	f.Add(uint16(bytes.Index(text, []byte(`"path":[`))+8), byte(46), []byte{})
	f.Add(uint16(0), byte(255), []byte(`{"type":"entries.lost-opening"}`))
	f.Fuzz(func(t *testing.T, at uint16, cut byte, patch []byte) {
		b := splice(text, at, cut, patch)
		o, err := ParseLostOpening(b)
		if err != nil {
			return
		}
		again, err := o.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("accepted %q, writes %q, %v", b, again, err)
		}
		if o.Entry.Verify(record) == nil && o.Entry.Index != 8 {
			t.Errorf("leaf %d is lost, by %q", o.Entry.Index, b)
		}
	})
}
