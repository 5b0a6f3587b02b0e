package ledger_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

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

	// A copy that the crash tore is none.
	if err := os.Truncate(copies()[0], 100); err != nil {
		t.Fatal(err)
	}
	again.close(again.open())
	whole := 0
	for _, name := range copies() {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := certificate.Parse(text); err == nil && c.Opening != nil {
			whole++
		}
	}
	if n := len(copies()); whole != 1 || n != 2 {
		t.Errorf("%d whole copies of %d", whole, n)
	}
}
