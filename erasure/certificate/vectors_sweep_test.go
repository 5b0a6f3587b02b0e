package certificate

import (
	"bytes"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
)

// setVectors is the file that docs/spec/erased-set.md refers to.
type setVectors struct {
	Comment string         `json:"comment"`
	Sets    []setVector    `json:"sets"`
	Bits    []bitVector    `json:"bits"`
	Blocks  []blockVector  `json:"blocks"`
	Draws   []drawVector   `json:"draws"`
	Paired  []pairedVector `json:"paired"`
}

type setVector struct {
	Key    Digest      `json:"k_esc"`
	Every  uint64      `json:"erased_every"` // leaf i is erased where i modulo this is 1
	Set    SetRef      `json:"set"`
	Blinds []hiddenBit `json:"blinds"`
}

type hiddenBit struct {
	Index uint64 `json:"index"`
	Blind Digest `json:"blind"`
	Hash  Digest `json:"hash"`
}

type bitVector struct {
	Name  string   `json:"name"`
	Valid bool     `json:"valid"`
	Set   SetRef   `json:"set"`
	Proof BitProof `json:"proof"`
}

type blockVector struct {
	Name  string     `json:"name"`
	Valid bool       `json:"valid"`
	Set   SetRef     `json:"set"`
	Proof BlockProof `json:"proof"`
}

type drawVector struct {
	Seed  Digest   `json:"seed"`
	Size  uint64   `json:"size"`
	N     int      `json:"n"`
	Drawn []uint64 `json:"drawn"`
}

type pairedVector struct {
	Name   string `json:"name"`
	Valid  bool   `json:"valid"`
	Before string `json:"before"`
	After  string `json:"after"`
	Paired string `json:"paired"`
}

// sweepVectors is the file that docs/spec/sweep-record.md refers to.
type sweepVectors struct {
	Comment string        `json:"comment"`
	Records []sweepVector `json:"records"`
}

type sweepVector struct {
	Name     string `json:"name"`
	Valid    bool   `json:"valid"`
	Record   string `json:"record"`
	LeafHash Digest `json:"leaf_hash,omitzero"`
}

func makeSetVectors(t *testing.T) (v setVectors) {
	v.Comment = "Vectors for docs/spec/erased-set.md. k_esc is SHA-256 of the label that the tests give it; texts in before, after and paired are the exact bytes."
	var sets []*ErasedSet
	for _, s := range []struct {
		g     uint32
		size  uint64
		every uint64
		label string
	}{{2, 0, 2, "none"}, {2, 1, 1, "one"}, {2, 3, 2, "three"}, {3, 300, 7, "some"}, {7, 2*BlockLeaves + 1, 1000, "blocks"}} {
		set, err := NewErasedSet(s.g, s.size, func(i uint64) bool { return i%s.every == 1 }, blinds(s.label))
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, set)
		x := setVector{Key: fixed(s.label), Every: s.every, Set: set.Ref(), Blinds: []hiddenBit{}}
		for i := range min(s.size, 2) {
			x.Blinds = append(x.Blinds, hiddenBit{i, blinds(s.label)(i), bitHash(s.g, i, i%s.every == 1, blinds(s.label)(i))})
		}
		v.Sets = append(v.Sets, x)
	}
	prove := func(name string, set *ErasedSet, i uint64, change func(p *BitProof, r *SetRef)) {
		p, err := set.Prove(i)
		if err != nil {
			t.Fatal(err)
		}
		r := set.Ref()
		if change != nil {
			change(p, &r)
		}
		v.Bits = append(v.Bits, bitVector{name, change == nil, r, *p})
	}
	some, blocks := sets[3], sets[4]
	prove("erased", some, 1, nil)
	prove("not erased", some, 2, nil)
	prove("the last", some, 299, nil)
	prove("in the first block", blocks, 1001, nil)
	prove("alone in the last block", blocks, 2*BlockLeaves, nil)
	prove("a log of one", sets[1], 0, nil)
	prove("the other bit", some, 1, func(p *BitProof, _ *SetRef) { p.Erased = false })
	prove("another leaf", some, 1, func(p *BitProof, _ *SetRef) { p.Index = 3 })
	prove("another generation", some, 1, func(_ *BitProof, r *SetRef) { r.Generation++ })
	prove("another total", some, 1, func(_ *BitProof, r *SetRef) { r.Erased++ })
	prove("another root", some, 1, func(_ *BitProof, r *SetRef) { r.Root[0] ^= 1 })
	prove("a shorter path", some, 1, func(p *BitProof, _ *SetRef) { p.Path = p.Path[1:] })
	prove("a longer path", some, 1, func(p *BitProof, _ *SetRef) { p.Path = append(p.Path, Digest{}) })
	prove("beyond the end", some, 1, func(p *BitProof, _ *SetRef) { p.Index = 300 })
	prove("erased, in a block of none", some, 1, func(p *BitProof, _ *SetRef) { p.Count = 0 })
	prove("more erased than leaves beside it", blocks, 2*BlockLeaves, func(p *BitProof, r *SetRef) {
		p.Blocks[0].Count = 2*BlockLeaves + 1
		root, err := sumNode(p.Blocks[0], SumNode{Count: p.Count, Hash: bitHash(7, p.Index, p.Erased, p.Blind)})
		if err != nil {
			t.Fatal(err)
		}
		r.Erased, r.Root = root.Count, root.Hash
	})
	block := func(name string, change func(p *BlockProof)) {
		p, err := some.ProveBlock(0)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(p)
		}
		v.Blocks = append(v.Blocks, blockVector{name, change == nil, some.Ref(), *p})
	}
	block("whole", nil)
	block("a bit more", func(p *BlockProof) { p.Bits[0] |= 0x80 })
	block("bits behind the end", func(p *BlockProof) { p.Bits[37] |= 1 })
	block("a block that is not there", func(p *BlockProof) { p.Block = 1 })
	block("a blind too few", func(p *BlockProof) { p.Blinds = p.Blinds[32:] })
	for _, d := range []drawVector{{fixed("seed"), 1 << 40, 5, nil}, {fixed("seed"), 10, 6, nil}, {fixed("seed"), 3, 5, nil}} {
		d.Drawn = Draw(d.Seed, d.Size, d.N)
		v.Draws = append(v.Draws, d)
	}
	for _, c := range []struct {
		name   string
		change func(s *sweeps)
	}{
		{"as it should be", nil},
		{"another head", func(s *sweeps) { s.paired.Head += "x" }},
		{"a leaf left out", func(s *sweeps) { s.paired.Leaves = s.paired.Leaves[1:] }},
		{"a bit not shown", func(s *sweeps) { s.leaf(t, true).After = nil }},
	} {
		s := newSweeps(t)
		if c.change != nil {
			c.change(s)
			s.seal(t)
		}
		before, err := s.before.Statement()
		if err != nil {
			t.Fatal(err)
		}
		after, err := s.after.Statement()
		if err != nil {
			t.Fatal(err)
		}
		v.Paired = append(v.Paired, pairedVector{c.name, c.change == nil, string(before), string(after), string(s.text)})
	}
	return v
}

func makeSweepVectors(t *testing.T) (v sweepVectors) {
	v.Comment = "Vectors for docs/spec/sweep-record.md. Texts are the exact bytes."
	s := newSweeps(t)
	for _, r := range []*SweepRecord{s.before, s.after} {
		statement, err := r.Statement()
		if err != nil {
			t.Fatal(err)
		}
		v.Records = append(v.Records, sweepVector{map[bool]string{true: "the first", false: "the second"}[r == s.before], true, string(statement), LeafHash(statement)})
	}
	some := *s.before
	some.EpochsLost = []uint64{1, 5, 8}
	statement, err := some.Statement()
	if err != nil {
		t.Fatal(err)
	}
	v.Records = append(v.Records, sweepVector{"of some epochs it is lost what they erased", true, string(statement), LeafHash(statement)})
	for _, c := range []struct {
		name   string
		change func(r *SweepRecord)
	}{
		{"lost, of an epoch that is not in the range", func(r *SweepRecord) { r.EpochsLost = []uint64{r.EpochsFrom - 1} }},
		{"lost, of an epoch to come", func(r *SweepRecord) { r.EpochsLost = []uint64{r.EpochsTo + 1} }},
		{"lost, of an epoch twice", func(r *SweepRecord) { r.EpochsLost = []uint64{r.EpochsTo, r.EpochsTo} }},
		{"lost, of none", func(r *SweepRecord) { r.EpochsLost = []uint64{} }},
		{"another schema", func(r *SweepRecord) { r.Schema = 2 }},
		{"more erased than leaves", func(r *SweepRecord) { r.Erased = r.Size + 1 }},
		{"an epoch to come", func(r *SweepRecord) { r.EpochsTo = r.Epoch }},
		{"a range backwards", func(r *SweepRecord) { r.EpochsFrom = r.EpochsTo + 2 }},
		{"paired with nothing", func(r *SweepRecord) { r.PreviousSweep = nil }},
		{"a level that nobody reaches", func(r *SweepRecord) { r.Level = "L3" }},
		{"no holder", func(r *SweepRecord) { r.Holders = []Statement{} }},
		{"a time with a fraction", func(r *SweepRecord) { r.TracesSweptAt = "2026-05-11T03:00:00.5Z" }},
	} {
		r := *s.after
		c.change(&r)
		text, err := Canonical(&r)
		if err != nil {
			t.Fatal(err)
		}
		v.Records = append(v.Records, sweepVector{Name: c.name, Record: string(text)})
	}
	statement, _ = s.after.Statement()
	v.Records = append(v.Records,
		sweepVector{Name: "a line behind", Record: string(statement) + "\n"},
		sweepVector{Name: "a member more", Record: string(bytes.Replace(statement, []byte(`{"attempt"`), []byte(`{"and":1,"attempt"`), 1))})
	return v
}

// TestSweepVectors writes and checks both files; what stands in them is checked as a stranger would.
func TestSweepVectors(t *testing.T) {
	sets, records := makeSetVectors(t), makeSweepVectors(t)
	vectors.Same(t, "erased-set.json", sets)
	vectors.Same(t, "sweep-record.json", records)
	for _, x := range sets.Bits {
		if _, err := x.Proof.Verify(x.Set.Generation, x.Set.Size, x.Set.Erased, x.Set.Root); (err == nil) != x.Valid {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
	for _, x := range sets.Blocks {
		if err := x.Proof.Verify(x.Set.Generation, x.Set.Size, x.Set.Erased, x.Set.Root); (err == nil) != x.Valid {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
	for _, x := range sets.Paired {
		if err := verifyPairedTexts(x); (err == nil) != x.Valid {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
	for _, x := range records.Records {
		if _, err := ParseSweepRecord([]byte(x.Record)); (err == nil) != x.Valid {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
}

func verifyPairedTexts(x pairedVector) error {
	before, err := ParseSweepRecord([]byte(x.Before))
	if err != nil {
		return err
	}
	after, err := ParseSweepRecord([]byte(x.After))
	if err != nil {
		return err
	}
	p, err := ParsePaired([]byte(x.Paired))
	if err != nil {
		return err
	}
	_, _, err = p.Verify([]byte(x.Paired), before, after)
	return err
}
