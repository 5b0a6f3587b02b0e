package audit

import (
	"bytes"
	"errors"
	"net/http"
	"testing"
)

// Whatever stands in a state file, it is refused or it is what would be written.
func FuzzState(f *testing.F) {
	h := newHistory(f).grow(1000, "a")
	l := testLog(f, h)
	s := newState(l)
	empty, err := marshal(&s)
	if err != nil {
		f.Fatal(err)
	}
	a := auditor(f, h, h.files(f, 1000))
	mustRound(f, a, 1000)
	s = a.State.State()
	full, err := marshal(&s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(empty)
	f.Add(full)
	f.Add(bytes.Replace(full, []byte(`"bundles": 3`), []byte(`"bundles": 4`), 1))
	f.Add([]byte(`{"format":"lacuna/audit-state/v1"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseState(b, l)
		if err != nil {
			return
		}
		again, err := marshal(&s)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted, and would be written as %q (%v)", again, err)
		}
		// No state makes an auditor believe another tree than the signed one.
		a := auditor(t, h, h.files(t, 1000))
		a.State.state = s
		r, err := a.Round(t.Context())
		if err == nil && (r.Head.Size != 1000 || r.Head.Root != h.rng.Root()) {
			t.Fatalf("believed %d %s", r.Head.Size, r.Head.Root)
		}
	})
}

// Whatever stands in an evidence file, it is refused, or the log has signed both
// heads and they differ.
func FuzzEvidence(f *testing.F) {
	one := newHistory(f).grow(700, "a").grow(1000, "b")
	two := newHistory(f).grow(700, "a").grow(1000, "c")
	l := testLog(f, one)
	for _, size := range []struct{ known, shown int }{{900, 1000}, {1000, 1000}, {1000, 900}} {
		for _, h := range []*history{one, two} {
			a := auditor(f, one, one.files(f, size.known))
			mustRound(f, a, size.known)
			a.Source = withTilesOf(files{"checkpoint": h.signed(f, size.shown)}, h.files(f, size.shown))
			_, err := a.Round(f.Context())
			if c, ok := errors.AsType[*ConflictError](err); ok {
				b, err := c.Evidence.Marshal()
				if err != nil {
					f.Fatal(err)
				}
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEvidence(b)
		if err != nil {
			return
		}
		again, err := e.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted, and would be written as %q (%v)", again, err)
		}
		if err := e.Verify(l); err != nil {
			return
		}
		if e.known.Size == e.shown.Size && e.known.Root == e.shown.Root || e.Summary() == "" {
			t.Fatal("two equal heads are evidence")
		}
	})
}

// Whatever a server answers for one file, an auditor that believes it has been
// given the right one.
func FuzzAnswer(f *testing.F) {
	h := newHistory(f).grow(300, "a")
	good := h.files(f, 300)
	paths := []string{"checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"}
	for i, p := range paths {
		f.Add(uint8(i), good[p], 200, "")
		f.Add(uint8(i), good[p][:len(good[p])-1], 200, "gzip")
		f.Add(uint8(i), append(bytes.Clone(good[p]), 0), 404, "identity")
	}
	l := testLog(f, h)
	f.Fuzz(func(t *testing.T, which uint8, b []byte, status int, encoding string) {
		path := paths[int(which)%len(paths)]
		src := &site{prefix: mustURL(t, "http://log.example/"), name: "fuzz", opts: Options{Timeout: defaultTimeout, Patience: -1},
			client: &http.Client{Transport: answering{good, path, b, status, encoding}}}
		s, err := OpenState("", l)
		if err != nil {
			t.Fatal(err)
		}
		a := &Auditor{Source: src, Log: l, State: s, Parallel: 2}
		if _, err := a.Round(t.Context()); err != nil {
			return
		}
		if got, err := src.Fetch(t.Context(), path, maxBundle); err != nil || !bytes.Equal(got, good[path]) {
			t.Fatalf("believed %q as %s (%v)", got, path, err)
		}
	})
}
