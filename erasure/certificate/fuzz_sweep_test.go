package certificate

import (
	"bytes"
	"slices"
	"testing"
)

func FuzzParseSweepRecord(f *testing.F) {
	s := newSweeps(f)
	for _, r := range []*SweepRecord{s.before, s.after} {
		statement, err := r.Statement()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(statement)
		f.Add(bytes.Replace(statement, []byte(`"generation":`), []byte(`"generation":-`), 1))
		f.Add(bytes.Replace(statement, []byte(`"size":`), []byte(`"size":1e3,"size":`), 1))
	}
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseSweepRecord(b)
		if err != nil {
			return
		}
		again, err := r.Statement()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("accepted %.300q, writes %.300q, %v", b, again, err)
		}
		if r.Erased > r.Size || r.EpochsTo >= r.Epoch {
			t.Errorf("accepted %q", b)
		}
	})
}

// splice replaces cut bytes of a text by others. Whole texts as arguments would be slow: a fuzzer tries to
// shorten everything that is interesting.
func splice(text []byte, at uint16, cut byte, patch []byte) []byte {
	i := min(int(at), len(text))
	return slices.Concat(text[:i], patch, text[min(i+int(cut), len(text)):])
}

// FuzzParsePaired: nothing verifies but what the record has the digest of, and no reader of it panics.
func FuzzParsePaired(f *testing.F) {
	s := newSweeps(f)
	f.Add(uint16(0), byte(0), []byte{})
	f.Add(uint16(bytes.Index(s.text, []byte(`true`))), byte(4), []byte("false"))
	f.Add(uint16(bytes.Index(s.text, []byte(`"path":[`))+8), byte(45), []byte{})
	f.Add(uint16(0), byte(255), []byte(`{"type":"erasure.paired"}`))
	f.Fuzz(func(t *testing.T, at uint16, cut byte, patch []byte) {
		b := splice(s.text, at, cut, patch)
		p, err := ParsePaired(b)
		if err != nil {
			return
		}
		again, err := p.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("accepted %q, writes %q, %v", b, again, err)
		}
		_, _, err = p.Verify(b, s.before, s.after)
		if (err == nil) != bytes.Equal(b, s.text) {
			t.Errorf("%q: %v", b, err)
		}
		// As if the records were made for it. They fix the sizes: the last block of a set has the same tree for
		// some sizes more and less.
		r, q, d := *s.after, *s.before, digestOf(b)
		r.Paired, r.Generation, r.Size, r.Erased, r.ErasedRoot = &d, p.After.Generation, p.After.Size, p.After.Erased, p.After.Root
		q.Generation, q.Size, q.Erased, q.ErasedRoot = p.Before.Generation, p.Before.Size, p.Before.Erased, p.Before.Root
		if _, _, err := p.Verify(b, &q, &r); err == nil && !bytes.Equal(b, s.text) && p.Head == s.paired.Head && p.Before.Size == s.paired.Before.Size && p.After.Size == s.paired.After.Size {
			t.Errorf("other openings of the same sets: %.300q", b)
		}
	})
}

func FuzzParseSample(f *testing.F) {
	set := setOf(f, 2, 5, func(i uint64) bool { return i == 3 })
	bit, err := set.Prove(3)
	if err != nil {
		f.Fatal(err)
	}
	block, err := set.ProveBlock(0)
	if err != nil {
		f.Fatal(err)
	}
	receipt := "a receipt"
	sample := &Sample{
		Type: SampleType, Schema: SampleSchema, Origin: "demo.lacuna.test", Seed: "00112233445566778899aabbccddeeff", Head: pairedHead, Sweep: &receipt,
		Leaves: []SampleLeaf{{Index: 3, Claim: ClaimErased, Bit: bit}, {Index: 4, Claim: ClaimOpened, Receipt: &receipt}}, Blocks: []BlockProof{*block},
	}
	text, err := sample.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(0), byte(0), []byte{})
	f.Add(uint16(bytes.Index(text, []byte(`opened`))), byte(6), []byte("lost"))
	f.Add(uint16(0), byte(255), []byte(`{"type":"erasure.sample"}`))
	f.Fuzz(func(t *testing.T, at uint16, cut byte, patch []byte) {
		b := splice(text, at, cut, patch)
		s, err := ParseSample(b)
		if err != nil {
			return
		}
		again, err := s.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("accepted %q, writes %q, %v", b, again, err)
		}
		ref := set.Ref()
		for _, l := range s.Leaves {
			if l.Bit == nil {
				continue
			}
			if erased, err := l.Bit.Verify(ref.Generation, ref.Size, ref.Erased, ref.Root); err == nil && erased != (l.Index == 3) {
				t.Errorf("leaf %d is erased: %v, by %q", l.Index, erased, b)
			}
		}
		for _, x := range s.Blocks {
			if x.Verify(ref.Generation, ref.Size, ref.Erased, ref.Root) == nil && x.Total() != 1 {
				t.Errorf("a block of %d erased leaves, by %q", x.Total(), b)
			}
		}
	})
}
