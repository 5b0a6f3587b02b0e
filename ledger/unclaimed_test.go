package ledger_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger"
)

// TestUnclaimedCrash cuts the power in the middle of an erasure, and again wherever opening
// has come when it finishes it: the subject's copy is there before the erasure counts as
// recorded, since nobody writes it behind that, and it is there once.
func TestUnclaimedCrash(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	var first *world
	w.mu.Lock()
	w.onStep = func(step string, _ int) {
		if step == "erasure SCRUBBED" && first == nil {
			first = w.crash(0, nil)
		}
	}
	w.mu.Unlock()
	if _, cert, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil || cert.Opening == nil {
		t.Fatalf("%v, %v", cert, err)
	}
	w.close(l)
	copies := func() []string {
		names, err := filepath.Glob(filepath.Join(w.dir+".certificates", "unclaimed", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if n := len(copies()); n != 0 {
		t.Fatalf("%d copies of what was handed out", n)
	}

	type cut struct {
		step  string
		world *world
	}
	var cuts []cut
	first.onStep = func(step string, _ int) {
		if len(copies()) > 0 {
			cuts = append(cuts, cut{step, first.crash(0, nil)})
		}
	}
	l = first.open()
	first.mu.Lock()
	first.onStep = nil
	first.mu.Unlock()
	first.unclaimed(l)
	first.close(l)
	for _, want := range []string{"disk write .log", "disk sync .log", "erasure RECORDED"} {
		if !slices.ContainsFunc(cuts, func(c cut) bool { return c.step == want }) {
			t.Errorf("no power was cut at %q behind the copy", want)
		}
	}
	again := cuts[0].world.crashNow(100, nil)
	for _, c := range cuts {
		l := c.world.open()
		if n := len(copies()); n != 1 || l.Pending() != 0 {
			t.Errorf("power cut at %q: %d copies, %d erasures pending", c.step, n, l.Pending())
		}
		c.world.close(l)
	}

	// A copy that the crash tore is none, and nothing of one that was not begun stays.
	for _, torn := range []int64{100, 0} {
		once := again.crashNow(100, nil)
		if err := os.Truncate(copies()[0], torn); err != nil {
			t.Fatal(err)
		}
		once.close(once.open())
		whole, want := 0, 1
		if torn > 0 {
			want = 2
		}
		for _, name := range copies() {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := certificate.Parse(text); err == nil && c.Opening != nil {
				whole++
			} else if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
			want--
		}
		if whole != 1 || want != 0 {
			t.Errorf("torn behind %d bytes: %d whole copies, and %d files less than there should be", torn, whole, want)
		}
	}
}

// TestServerCopy cuts the power behind the copy that a server has written of an erasure that has waited, and before the
// erasure counts as recorded. It lies where those lie that nobody waited for, and there is no second one.
func TestServerCopy(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	id := dueErasure(t, w, l)
	folder := l.UnclaimedDir()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	var cut *world
	_, err := l.StartErasure(t.Context(), id, func(c *erasure.Certificate) {
		text, err := c.Marshal()
		if err != nil {
			t.Error(err)
		}
		for name, text := range map[string][]byte{ledger.WaitedFile(id): text, "erasure-of-another.json": nil} {
			if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
				t.Error(err)
			}
		}
		cut = w.crashNow(0, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.close(l)
	l = cut.open()
	defer cut.close(l)
	if names, err := filepath.Glob(filepath.Join(folder, "*")); err != nil || len(names) != 2 || l.Pending() != 0 {
		t.Errorf("%v, %v, %d erasures pending", names, err, l.Pending())
	}
	if err := os.Remove(filepath.Join(folder, "erasure-of-another.json")); err != nil {
		t.Fatal(err)
	}
	cut.unclaimed(l)
}

// TestUnclaimedUnreadable: that the copy of somebody else cannot be read, or was taken away just now, does not
// keep a copy from being written, which nobody could write again.
func TestUnclaimedUnreadable(t *testing.T) {
	w := newWorld(t)
	var cut *world
	l := w.openErasing(func(s erasure.State) {
		if s == erasure.Scrubbed {
			cut = w.crashNow(0, nil)
		}
	})
	declare(t, l)
	must(t, l, chatted)
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(l.UnclaimedDir(), "erasure-of-another.json")
	w.close(l)
	if err := os.MkdirAll(other, 0o700); err != nil {
		t.Fatal(err)
	}
	l = cut.open()
	defer cut.close(l)
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	cut.unclaimed(l)
}

// TestKeptCopy: who asks for an erasure, or begins one that has waited, has its
// certificate before it counts as recorded, because nobody writes the opening again
// behind that.
func TestKeptCopy(t *testing.T) {
	t.Run("at once", func(t *testing.T) {
		testKeptCopy(t, func(_ *world, l *ledger.Ledger, keep func(*erasure.Certificate)) (*erasure.Certificate, error) {
			_, cert, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p", Keep: keep})
			return cert, err
		})
	})
	t.Run("waited", func(t *testing.T) {
		testKeptCopy(t, func(w *world, l *ledger.Ledger, keep func(*erasure.Certificate)) (*erasure.Certificate, error) {
			_, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p", NotBefore: w.clock.now().Add(time.Hour)})
			id := waitingID(t, err)
			w.clock.move(time.Hour + time.Second)
			return l.StartErasure(t.Context(), id, keep)
		})
	})
}

func testKeptCopy(t *testing.T, erase func(*world, *ledger.Ledger, func(*erasure.Certificate)) (*erasure.Certificate, error)) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	var kept []*erasure.Certificate
	var before, after int
	w.mu.Lock()
	w.onStep = func(step string, _ int) {
		switch step {
		case "erasure SCRUBBED":
			before = len(kept)
		case "erasure RECORDED":
			after = len(kept)
		}
	}
	w.mu.Unlock()
	cert, err := erase(w, l, func(c *erasure.Certificate) { kept = append(kept, c) })
	if err != nil {
		t.Fatal(err)
	}
	if before != 0 || after != 1 || len(kept) != 1 {
		t.Errorf("%d certificates at SCRUBBED, %d at RECORDED, %d in the end", before, after, len(kept))
	}
	one, err1 := cert.Marshal()
	other, err2 := kept[0].Marshal()
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(one, other) || cert.Opening == nil {
		t.Errorf("%v: what is kept is another certificate than the answer", err)
	}
	w.close(l)
}
