package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// Two histories that part at some entry are a fork at whatever sizes they are
// shown, and the evidence convinces somebody who has only the public key.
func TestFork(t *testing.T) {
	for _, parts := range []int{0, 1, 255, 256, 300, 66000} {
		end := max(2000, parts)
		one := newHistory(t).grow(parts, "a").grow(end+200, "b")
		two := newHistory(t).grow(parts, "a").grow(end+200, "c")
		for _, size := range []struct{ known, shown int }{
			{parts + 1, parts + 1}, {parts + 1, parts + 2}, {parts + 2, parts + 1}, {end + 100, end + 200},
		} {
			a := auditor(t, one, one.files(t, size.known))
			mustRound(t, a, size.known)
			before := a.State.State()
			src := two.files(t, size.shown)
			if size.shown < size.known {
				// The tiles of the larger head can still be had.
				for path, b := range one.files(t, size.known) {
					if src[path] == nil {
						src[path] = b
					}
				}
				src = withTilesOf(src, one.files(t, size.known))
			}
			a.Source = src
			_, err := a.Round(t.Context())
			e := wantConflict(t, one, err, Fork)
			if e.Remembered != before.Head || e.Shown != string(src["checkpoint"]) {
				t.Error("the evidence has other heads")
			}
			if !e.Proves() {
				t.Error("a fork proves nothing")
			}
			if s := a.State.State(); s.Head != before.Head || s.Seen != "" {
				t.Error("after a fork, another head is remembered")
			}
		}
		// The control: without a fork, there is none.
		a := auditor(t, one, one.files(t, end+100))
		mustRound(t, a, end+100)
		a.Source = one.files(t, end+200)
		mustRound(t, a, end+200)
	}
}

// withTilesOf replaces everything but the checkpoint.
func withTilesOf(f, tiles files) files {
	out := files{}
	for path, b := range tiles {
		out[path] = b
	}
	out["checkpoint"] = f["checkpoint"]
	return out
}

// A head that the log signed, over files of another history.
func TestUnshown(t *testing.T) {
	one := newHistory(t).grow(1000, "a")
	two := newHistory(t).grow(500, "a").grow(1000, "b")
	a := auditor(t, one, one.files(t, 700))
	mustRound(t, a, 700)
	src := one.files(t, 1000)
	src["checkpoint"] = two.signed(t, 1000)
	a.Source = src
	_, err := a.Round(t.Context())
	e := wantConflict(t, one, err, Unshown)
	if e.Proves() {
		t.Error("that files are missing is no proof")
	}
	if !strings.Contains(err.Error(), "checkpoint") {
		t.Errorf("%v does not name the checkpoint", err)
	}
	// Without anything remembered there is one head, and it does not verify.
	_, err = auditor(t, one, src).Round(t.Context())
	wantMismatch(t, err, "checkpoint")
	// An older copy, from which the newer files are gone.
	a.Source = one.files(t, 300)
	_, err = a.Round(t.Context())
	wantConflict(t, one, err, Unshown)
	if !strings.Contains(err.Error(), "went back") {
		t.Errorf("%v does not say that the log went back", err)
	}
}

func TestOlder(t *testing.T) {
	h := newHistory(t).grow(1000, "a")
	a := auditor(t, h, h.files(t, 1000))
	mustRound(t, a, 1000)
	for _, size := range []int{0, 1, 256, 999} {
		a.Source = withTilesOf(files{"checkpoint": h.signed(t, size)}, h.files(t, 1000))
		_, err := a.Round(t.Context())
		if e := wantConflict(t, h, err, Older); e.Proves() {
			t.Error("an older head proves nothing")
		}
	}
	a.Source = h.files(t, 1000)
	mustRound(t, a, 1000)
}

// Evidence that shows nothing is refused, whatever it claims.
func TestEvidenceRefused(t *testing.T) {
	one := newHistory(t).grow(700, "a").grow(1000, "b")
	two := newHistory(t).grow(700, "a").grow(1000, "c")
	l := testLog(t, one)
	a := auditor(t, one, one.files(t, 900))
	mustRound(t, a, 900)
	a.Source = two.files(t, 1000)
	_, err := a.Round(t.Context())
	good := wantConflict(t, one, err, Fork)
	root := good.Root
	other := merkle.LeafHash(nil)
	for what, change := range map[string]func(*Evidence){
		"another log":              func(e *Evidence) { e.Origin = "log.example/other" },
		"not signed":               func(e *Evidence) { e.Shown = strings.Replace(e.Shown, "\n1000\n", "\n1001\n", 1) },
		"no head":                  func(e *Evidence) { e.Remembered = "" },
		"the same head twice":      func(e *Evidence) { e.Shown = e.Remembered },
		"one history":              func(e *Evidence) { e.Shown = string(one.signed(t, 1000)) },
		"a root that nobody has":   func(e *Evidence) { e.Root = &other },
		"no root":                  func(e *Evidence) { e.Root, e.Proof = nil, nil },
		"a proof that is too long": func(e *Evidence) { e.Proof = append(slices.Clone(e.Proof), other) },
		"no proof":                 func(e *Evidence) { e.Proof = nil },
		"the root of the head":     func(e *Evidence) { e.Root = &e.known.Root },
		"a fork that is older":     func(e *Evidence) { e.Kind, e.Root = Older, nil },
		"older, and no history": func(e *Evidence) {
			e.Kind, e.Root = Older, nil
			e.Remembered, e.Shown = e.Shown, e.Remembered
		},
		"one size, with a root": func(e *Evidence) { e.Shown = string(two.signed(t, 900)) },
		"one size, but unshown": func(e *Evidence) {
			e.Kind, e.Root, e.Proof, e.What, e.Shown = Unshown, nil, nil, "x", string(two.signed(t, 900))
		},
	} {
		e := *good
		change(&e)
		if err := e.Verify(l); err == nil {
			t.Errorf("%s: accepted", what)
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
	// The control: two heads of one size need nothing else.
	same := *good
	same.Shown, same.Root, same.Proof = string(two.signed(t, 900)), nil, nil
	if err := same.Verify(l); err != nil {
		t.Error(err)
	}
	if good.Root != root {
		t.Fatal("the test has changed the evidence")
	}
	// Of two texts with one meaning only one is read.
	b, err := good.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string][]byte{
		"white space":      append(slices.Clone(b), '\n'),
		"unknown member":   bytes.Replace(b, []byte("{\n"), []byte("{\n  \"x\": 1,\n"), 1),
		"a member twice":   bytes.Replace(b, []byte("  \"kind\": \"fork\",\n"), []byte("  \"kind\": \"fork\",\n  \"kind\": \"fork\",\n"), 1),
		"another case":     bytes.Replace(b, []byte(`"kind"`), []byte(`"Kind"`), 1),
		"another version":  bytes.Replace(b, []byte("evidence/v1"), []byte("evidence/v2"), 1),
		"another kind":     bytes.Replace(b, []byte(`"fork"`), []byte(`"spoon"`), 1),
		"no time":          bytes.Replace(b, []byte(good.Found), []byte("yesterday"), 1),
		"an escape":        bytes.Replace(b, []byte(testOrigin), []byte(`\u006c`+testOrigin[1:]), 1),
		"words of another": bytes.Replace(b, []byte("\n}"), []byte(",\n  \"what\": \"x\"\n}"), 1),
	} {
		if _, err := ParseEvidence(change); err == nil || bytes.Equal(change, b) {
			t.Errorf("%s: accepted", what)
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
}

// One file for each pair of heads, however often they are seen.
func TestEvidenceWrite(t *testing.T) {
	one, two := newHistory(t).grow(10, "a"), newHistory(t).grow(10, "b")
	a := auditor(t, one, one.files(t, 10))
	mustRound(t, a, 10)
	a.Source = two.files(t, 10)
	base := filepath.Join(t.TempDir(), "state")
	names := map[string]bool{}
	for range 3 {
		_, err := a.Round(t.Context())
		c, ok := errors.AsType[*ConflictError](err)
		if !ok {
			t.Fatal(err)
		}
		name, err := c.Evidence.Write(base)
		if err != nil {
			t.Fatal(err)
		}
		names[name] = true
	}
	if len(names) != 1 || len(tree(t, filepath.Dir(base))) != 1 {
		t.Errorf("%d files", len(names))
	}
	for name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		e, err := ParseEvidence(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Verify(testLog(t, one)); err != nil {
			t.Error(err)
		}
	}
	if _, err := (&Evidence{}).Write(filepath.Join(t.TempDir(), "no", "folder")); err == nil {
		t.Error("written nowhere")
	}
}
