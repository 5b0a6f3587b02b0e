package erasure

import "testing"

// TestAccount adds up what several epochs erased, one of them interrupted, and
// before and after the engine was opened again.
func TestAccount(t *testing.T) {
	w := newWorld(t)
	w.people()
	check := func(when string, want Account) {
		t.Helper()
		if got, err := w.e.Account(t.Context()); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", when, got, err, want)
		}
	}
	check("at first", Account{})
	if _, err := w.e.Erase(t.Context(), w.erasing("s:ada")); err != nil {
		t.Fatal(err)
	}
	check("after one", Account{Epochs: 1, Entries: 3})

	w.e.o.at = func(s State) error {
		if s == Destroyed {
			return errStopped
		}
		return nil
	}
	if _, err := w.e.Erase(t.Context(), w.erasing("s:bob")); err == nil {
		t.Fatal("not interrupted")
	}
	check("while one is open", Account{Epochs: 1, Entries: 3, Open: 1})
	if _, err := w.boot(); err != nil {
		t.Fatal(err)
	}
	check("resumed", Account{Epochs: 2, Entries: 6})

	r := w.erasing("s:cyn")
	r.Keys, r.Kept = w.keys("s:cyn"), nil
	if _, err := w.e.Erase(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	check("after three", Account{Epochs: 3, Entries: 10})
}
