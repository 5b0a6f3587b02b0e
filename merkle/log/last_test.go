package log_test

import (
	"errors"
	"testing"

	"github.com/lacunalog/lacuna/merkle/log"
)

// TestLast reads the last row of ranges, of the newest head and of an older one.
func TestLast(t *testing.T) {
	l := create(t, "log", options(t))
	set := func(keys ...string) {
		t.Helper()
		var c log.Change
		for _, k := range keys {
			c.Set = append(c.Set, log.Row{Key: []byte(k), Value: []byte("value of " + k)})
		}
		if err := l.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	set("k1", "k3", "k5")
	before := l.Snapshot()
	set("k4")
	for _, c := range []struct{ from, to, newest, older string }{
		{"k", "k9", "k5", "k5"},
		{"k", "k5", "k4", "k3"},
		{"k2", "k3", "", ""},
		{"k6", "k9", "", ""},
	} {
		newest := l.Snapshot()
		for i, want := range []string{c.newest, c.older} {
			k, v, err := []*log.Snapshot{newest, before}[i].Last(t.Context(), []byte(c.from), []byte(c.to))
			if want == "" {
				if !errors.Is(err, log.ErrNotFound) {
					t.Errorf("from %s to %s: %q, %v, want nothing", c.from, c.to, k, err)
				}
			} else if string(k) != want || string(v) != "value of "+want || err != nil {
				t.Errorf("from %s to %s: %q = %q, %v, want %s", c.from, c.to, k, v, err, want)
			}
		}
		newest.Close()
	}
	before.Close()
	if _, _, err := l.Last(t.Context(), []byte("h"), []byte("i")); !errors.Is(err, log.ErrSpace) {
		t.Errorf("a space of the log's own: %v, want ErrSpace", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
