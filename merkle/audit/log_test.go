package audit

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// cosigner returns a witness's key, or the second key of a log.
func cosigner(t *testing.T, name string, a merkle.Algorithm) *merkle.Cosigner {
	t.Helper()
	skey, _, err := merkle.GenerateCosigner(seedReader(50), name, a)
	if err != nil {
		t.Fatal(err)
	}
	c, err := merkle.NewCosigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// With a policy, a head counts only with its quorum. What was remembered stays
// so, whatever the policy was then.
func TestPolicy(t *testing.T) {
	h := newHistory(t).grow(600, "a")
	w := cosigner(t, "witness.example/w", merkle.CosignatureEd25519)
	policy, err := merkle.ParsePolicy([]byte("log " + h.vkey + "\nwitness w " + w.VKey() + "\nquorum w\n"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLog([]string{h.vkey}, "", policy)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "state")
	s, err := OpenState(file, testLog(t, h))
	if err != nil {
		t.Fatal(err)
	}
	mustRound(t, &Auditor{Source: h.files(t, 300), Log: testLog(t, h), State: s}, 300)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenState(file, l); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := &Auditor{Source: h.files(t, 600), Log: l, State: s}
	_, err = a.Round(t.Context())
	wantMismatch(t, err, "checkpoint")
	if !strings.Contains(err.Error(), `"w"`) {
		t.Errorf("%v does not name the witness", err)
	}
	cosigned := func(size int) []byte {
		c := merkle.Checkpoint{Origin: testOrigin, Size: uint64(size), Root: leafRoot(h, size)}
		signed, err := merkle.SignCheckpoint(c, h.signer, w.At(1_700_000_000))
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	src := h.files(t, 600)
	src["checkpoint"] = cosigned(600)
	a.Source = src
	mustRound(t, a, 600)
	// A cosignature that is wrong is worse than none.
	src["checkpoint"] = append(cosigned(600)[:len(cosigned(600))-12], []byte("AAAAAAAAAA=\n")...)
	_, err = a.Round(t.Context())
	wantMismatch(t, err, "checkpoint")
}

func leafRoot(h *history, size int) merkle.Hash {
	var r merkle.Range
	for _, e := range h.entries[:size] {
		r.Append(merkle.LeafHash(e), nil)
	}
	return r.Root()
}

// A log that signs in two ways must sign in the first, and in neither wrongly.
func TestTwoKeys(t *testing.T) {
	h := newHistory(t).grow(10, "a")
	second := cosigner(t, testOrigin, merkle.CosignatureMLDSA44)
	l, err := NewLog([]string{h.vkey, second.VKey()}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	c := merkle.Checkpoint{Origin: testOrigin, Size: 10, Root: h.rng.Root()}
	sign := func(signers ...merkle.Signer) []byte {
		signed, err := merkle.SignCheckpoint(c, signers...)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	for what, test := range map[string]struct {
		head []byte
		ok   bool
	}{
		"one":        {sign(h.signer), true},
		"both":       {sign(h.signer, second.At(1_700_000_000)), true},
		"the second": {sign(second.At(1_700_000_000)), false},
		"the second wrongly": {func() []byte {
			b := sign(h.signer, second.At(1_700_000_000))
			if at := len(b) - 100; b[at] == 'A' {
				b[at] = 'B'
			} else {
				b[at] = 'A'
			}
			return b
		}(), false},
	} {
		src := h.files(t, 10)
		src["checkpoint"] = test.head
		s, err := OpenState("", l)
		if err != nil {
			t.Fatal(err)
		}
		_, err = (&Auditor{Source: src, Log: l, State: s}).Round(t.Context())
		if test.ok != (err == nil) {
			t.Errorf("%s: %v", what, err)
		}
		if !test.ok {
			wantMismatch(t, err, "checkpoint")
		}
	}
}

func TestNewLog(t *testing.T) {
	h := newHistory(t).grow(10, "a")
	l, err := NewLog([]string{h.vkey}, "another.example/origin", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenState("", l)
	if err != nil {
		t.Fatal(err)
	}
	src := h.files(t, 10)
	_, err = (&Auditor{Source: src, Log: l, State: s}).Round(t.Context())
	wantMismatch(t, err, "checkpoint")
	src["checkpoint"] = h.sign(t, merkle.Checkpoint{Origin: "another.example/origin", Size: 10, Root: h.rng.Root()})
	if _, err := (&Auditor{Source: src, Log: l, State: s}).Round(t.Context()); err != nil {
		t.Error(err)
	}
	for _, keys := range [][]string{nil, {""}, {"x"}, {h.vkey, "x"}} {
		if _, err := NewLog(keys, "", nil); err == nil {
			t.Errorf("%q: accepted", keys)
		}
	}
}

// A state that was changed makes an auditor stop, not believe.
func TestStateRefused(t *testing.T) {
	h := newHistory(t).grow(1300, "a")
	other := newHistory(t).grow(700, "b")
	l := testLog(t, h)
	a := auditor(t, h, h.files(t, 700))
	mustRound(t, a, 700)
	good := a.State.State()
	for what, change := range map[string]func(*State){
		"another log":           func(s *State) { s.Origin = "log.example/other" },
		"another key":           func(s *State) { s.VKey = strings.Replace(s.VKey, "+A", "+B", 1) },
		"another version":       func(s *State) { s.Format = "lacuna/audit-state/v2" },
		"a head of nobody":      func(s *State) { s.Head = strings.Replace(s.Head, "\n700\n", "\n701\n", 1) },
		"an older newest head":  func(s *State) { s.Seen = string(h.signed(t, 600)) },
		"more than there is":    func(s *State) { s.Bundles = 4; s.Range = s.Range[:1] },
		"less than is verified": func(s *State) { s.Bundles = 1 },
		"too few hashes":        func(s *State) { s.Bundles = 3; s.Seen = string(h.signed(t, 1300)) },
		"no hashes":             func(s *State) { s.Range = nil },
	} {
		s := good
		change(&s)
		b, err := marshal(&s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseState(b, l); err == nil {
			t.Errorf("%s: accepted", what)
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
	// What cannot be seen in the file alone is seen in the tree.
	wrong := good
	wrong.Range = []merkle.Hash{merkle.LeafHash(nil)}
	a.State.state = wrong
	a.Source = h.files(t, 1300)
	_, err := a.Round(t.Context())
	if _, ok := errors.AsType[*StateError](err); !ok {
		t.Errorf("another range: got %v, want a StateError", err)
	}
	forked := good
	forked.Head = string(other.signed(t, 700))
	a.State.state = forked
	_, err = a.Round(t.Context())
	wantConflict(t, h, err, Fork)
	a.State.state = good
	mustRound(t, a, 1300)
}
