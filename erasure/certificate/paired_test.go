package certificate

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"
)

const pairedHead = "demo.lacuna.test\n6000\nhead\n\n— demo.lacuna.test AAAA\n"

// sweeps are two sweeps of one log, their sets, and the paired openings between them.
type sweeps struct {
	old, new      *ErasedSet
	before, after *SweepRecord
	paired        *Paired
	text          []byte
}

func setOf(t testing.TB, g uint32, size uint64, erased func(uint64) bool) *ErasedSet {
	t.Helper()
	s, err := NewErasedSet(g, size, erased, blinds(strings.Repeat("g", int(g))))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sweepRecord is the record of a set, from fixed bytes.
func sweepRecord(t testing.TB, s *ErasedSet, before *SweepRecord) *SweepRecord {
	t.Helper()
	r := &SweepRecord{
		Type: SweepType, Schema: SweepSchema, Tree: fixedID("tree"), Epoch: 9, Attempt: fixedID("attempt"), PagesRoot: fixed("pages"),
		Generation: s.Generation(), EpochsFrom: 1, EpochsTo: 8, Size: s.Size(), Erased: s.Total(), ErasedRoot: s.Root(),
		TracesSweptAt: "2026-05-11T03:00:00Z", Level: "L1",
		Holders: []Statement{{Holder: fixedID("holder"), Kind: "file", Level: "L1", Destroyed: []uint64{8}, Overwritten: 1, Copies: 1}},
	}
	if before != nil {
		statement, err := before.Statement()
		if err != nil {
			t.Fatal(err)
		}
		leaf := LeafHash(statement)
		r.Previous, r.PreviousSweep = &leaf, &leaf
		r.Epoch, r.EpochsFrom, r.EpochsTo = before.Epoch+1, before.EpochsTo+1, before.Epoch
	}
	return r
}

func newSweeps(t testing.TB) *sweeps {
	t.Helper()
	s := &sweeps{old: setOf(t, 2, 5000, func(i uint64) bool { return i%3 == 0 }), new: setOf(t, 3, 6000, func(i uint64) bool { return i%3 == 0 || i == 7 })}
	s.before = sweepRecord(t, s.old, nil)
	s.pair(t)
	return s
}

// pair makes the openings and the record that has their digest.
func (s *sweeps) pair(t testing.TB) {
	t.Helper()
	var err error
	if s.paired, err = Pair("demo.lacuna.test", s.old, s.new, []byte(pairedHead)); err != nil {
		t.Fatal(err)
	}
	s.seal(t)
}

// seal makes the record of whatever the openings are.
func (s *sweeps) seal(t testing.TB) {
	t.Helper()
	var err error
	if s.text, err = Canonical(s.paired); err != nil {
		t.Fatal(err)
	}
	s.after = sweepRecord(t, s.new, s.before)
	d := digestOf(s.text)
	s.after.Paired = &d
}

func TestPaired(t *testing.T) {
	s := newSweeps(t)
	text, err := s.paired.Marshal()
	if err != nil || !bytes.Equal(text, s.text) {
		t.Fatal(err)
	}
	p, err := ParsePaired(text)
	if err != nil {
		t.Fatal(err)
	}
	opened, erased, err := p.Verify(text, s.before, s.after)
	if err != nil || opened != 20 || erased == 0 || erased == opened {
		t.Fatalf("%d opened, %d of them erased: %v", opened, erased, err)
	}
	for size, want := range map[uint64]int{0: 0, 1: 1, 256: 1, 257: 2, 5000: 20, 256000: 1000, 1 << 40: 1000} {
		if got := pairedLeaves(size); got != want {
			t.Errorf("%d leaves of %d are opened, want %d", got, size, want)
		}
	}
}

// TestPairedUnerased: an operator who takes back what was erased. The honest function refuses; one
// who makes the openings by hand is found out by whoever verifies them.
func TestPairedUnerased(t *testing.T) {
	s := newSweeps(t)
	s.new = setOf(t, 3, 6000, func(i uint64) bool { return i >= 5000 })
	// More are erased than before, so the totals tell nothing; the bits are others.
	s.new = setOf(t, 3, 9000, func(i uint64) bool { return i >= 5000 })
	if _, err := Pair("demo.lacuna.test", s.old, s.new, []byte(pairedHead)); err == nil {
		t.Error("paired openings of a set in which nothing is erased any more")
	}
	p := &Paired{Type: PairedType, Schema: PairedSchema, Origin: "demo.lacuna.test", Before: s.old.Ref(), After: s.new.Ref(), Head: pairedHead, Leaves: []PairedLeaf{}}
	for _, i := range p.draw() {
		b, _ := s.old.Prove(i)
		a, _ := s.new.Prove(i)
		leaf := PairedLeaf{Before: *b}
		if b.Erased {
			leaf.After = a
		}
		p.Leaves = append(p.Leaves, leaf)
	}
	s.paired = p
	s.seal(t)
	if _, _, err := p.Verify(s.text, s.before, s.after); err == nil || !strings.Contains(err.Error(), "not erased any more") {
		t.Errorf("an erased leaf that lives again: %v", err)
	}
}

func TestPairedRefuses(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, s *sweeps){
		"another head":        func(t *testing.T, s *sweeps) { s.paired.Head += "— press.example AAAA\n" },
		"a leaf left out":     func(t *testing.T, s *sweeps) { s.paired.Leaves = s.paired.Leaves[1:] },
		"another set before":  func(t *testing.T, s *sweeps) { s.paired.Before.Root[0] ^= 1 },
		"another set after":   func(t *testing.T, s *sweeps) { s.paired.After.Root[0] ^= 1 },
		"a bit not shown":     func(t *testing.T, s *sweeps) { s.erasedLeaf(t).After = nil },
		"a bit too much":      func(t *testing.T, s *sweeps) { s.livingLeaf(t).After, _ = s.new.Prove(s.livingLeaf(t).Before.Index) },
		"another leaf's bit":  func(t *testing.T, s *sweeps) { s.erasedLeaf(t).After.Index += 3 },
		"erased, it says":     func(t *testing.T, s *sweeps) { s.livingLeaf(t).Before.Erased = true },
		"a changed blind":     func(t *testing.T, s *sweeps) { s.erasedLeaf(t).After.Blind[0] ^= 1 },
		"backwards":           func(t *testing.T, s *sweeps) { s.paired.Before.Generation = 3 },
		"one leaf twice":      func(t *testing.T, s *sweeps) { s.paired.Leaves[1] = s.paired.Leaves[0] },
		"a smaller total":     func(t *testing.T, s *sweeps) { s.paired.Before.Erased = 5000 },
		"of another key tree": func(t *testing.T, s *sweeps) { s.before.Tree[0] ^= 1 },
	} {
		s := newSweeps(t)
		change(t, s)
		s.seal(t)
		p, err := ParsePaired(s.text)
		if err == nil {
			_, _, err = p.Verify(s.text, s.before, s.after)
		}
		if err == nil {
			t.Errorf("%s: verifies", name)
		}
	}
	// What the record does not have the digest of.
	s := newSweeps(t)
	s.after.Paired[0] ^= 1
	if _, _, err := s.paired.Verify(s.text, s.before, s.after); err == nil {
		t.Error("another digest")
	}
}

func (s *sweeps) erasedLeaf(t *testing.T) *PairedLeaf { return s.leaf(t, true) }
func (s *sweeps) livingLeaf(t *testing.T) *PairedLeaf { return s.leaf(t, false) }

func (s *sweeps) leaf(t testing.TB, erased bool) *PairedLeaf {
	t.Helper()
	for i := range s.paired.Leaves {
		if l := &s.paired.Leaves[i]; l.Before.Erased == erased {
			return l
		}
	}
	t.Fatal("no such leaf was drawn")
	return nil
}

func TestSweepRecordRefuses(t *testing.T) {
	s := newSweeps(t)
	statement, err := s.after.Statement()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseSweepRecord(statement)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Covers(again.Tree, 9) || again.Covers(again.Tree, 8) || again.Covers(again.Tree, 10) || again.Covers(fixedID("other"), 9) {
		t.Error("the sweep covers other epochs than those since the one before")
	}
	for name, change := range map[string]func(r *SweepRecord){
		"another type":       func(r *SweepRecord) { r.Type = RecordType },
		"no generation":      func(r *SweepRecord) { r.Generation = 0 },
		"epochs to come":     func(r *SweepRecord) { r.EpochsTo = r.Epoch },
		"a range backwards":  func(r *SweepRecord) { r.EpochsFrom = r.EpochsTo + 2 },
		"too many erased":    func(r *SweepRecord) { r.Erased = r.Size + 1 },
		"pairs with nothing": func(r *SweepRecord) { r.PreviousSweep = nil },
		"no record before":   func(r *SweepRecord) { r.Previous = nil },
		"another level":      func(r *SweepRecord) { r.Level = "L3" },
		"no holder":          func(r *SweepRecord) { r.Holders = nil },
		"another time":       func(r *SweepRecord) { r.TracesSweptAt = "2026-05-11T03:00:00+02:00" },
		"too large":          func(r *SweepRecord) { r.Size = 1 << 53 },
	} {
		r := *s.after
		change(&r)
		if _, err := r.Statement(); err == nil {
			t.Errorf("%s: is written", name)
		}
		text, err := Canonical(&r)
		if err != nil {
			continue
		}
		if _, err := ParseSweepRecord(text); err == nil {
			t.Errorf("%s: is read", name)
		}
	}
}

func digestOf(b []byte) Digest { return sha256.Sum256(b) }
