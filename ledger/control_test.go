package ledger_test

import (
	"fmt"
	"testing"
)

// TestCrashControls is what the crash tests are worth: each control is a ledger
// that has lost or kept what it should not have, and the reference says so.
func TestCrashControls(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	h := newHistory(w, l, newReference())
	for i := range 3 {
		if err := h.send(t.Context(), "p", h.call("processing.performed", "p", "chat-service", w.clock.now(), fmt.Sprintf(`,"purpose":"chat-service","operation":"%d"`, i))); err != nil {
			t.Fatal(err)
		}
	}
	earlier := h.cutNow()
	if err := h.send(t.Context(), "p", h.call("right.requested", "p", "", w.clock.now(), `,"right":"A15","channel":"email"`)); err != nil {
		t.Fatal(err)
	}
	before := h.cutNow()
	if err := h.erase(t.Context(), "p", false); err != nil {
		t.Fatal(err)
	}
	after := h.cutNow()
	w.close(l)

	check := func(name string, disk, root, ref cut, sound bool) {
		t.Helper()
		c := disk.world.crashNow(100, nil)
		c.root, c.pages = root.world.root.clone(), root.world.pages
		c.heads = ref.world.heads
		tampered := cut{step: name, world: c, ref: ref.ref.clone(), log: ref.log}
		if err := tampered.recover(t, 1); (err == nil) != sound {
			t.Errorf("%s: %v", name, err)
		}
	}
	check("nothing tampered with, before the erasure", before, before, before, true)
	check("nothing tampered with, after it", after, after, after, true)
	check("a disk that lost an acknowledged event", earlier, earlier, before, false)
	check("a disk and a root from before an acknowledged erasure", before, before, after, false)
	check("a root from before the erasure", after, before, after, false)
	check("an erasure that nobody asked for", after, after, before, false)

	forked := before
	forked.ref = before.ref.clone()
	forked.world = before.world.crashNow(100, nil)
	for size, root := range forked.world.heads {
		root[0] ^= 1
		forked.world.heads[size] = root
		break
	}
	check("a head that the log contradicts", before, before, forked, false)
}

// cutNow is cut for who does not hold the world's lock.
func (h *history) cutNow() cut {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	return cut{step: "control", world: h.w.crash(100, nil), ref: h.ref.clone(), log: h.l.Log().Head().Size}
}
