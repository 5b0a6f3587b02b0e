package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle/log"
)

// rowsOf returns all rows of a space.
func rowsOf(t testing.TB, l *ledger.Ledger, space byte) map[string][]byte {
	t.Helper()
	rows := map[string][]byte{}
	err := l.Log().Scan(t.Context(), []byte{space}, []byte{space + 1}, func(k, v []byte) error {
		rows[string(k)] = bytes.Clone(v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// madeBy returns the rows of a space that f added, in order of their keys.
func madeBy(t testing.TB, l *ledger.Ledger, space byte, f func()) []string {
	t.Helper()
	before := rowsOf(t, l, space)
	f()
	var keys []string
	for k := range rowsOf(t, l, space) {
		if _, ok := before[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func remove(t testing.TB, l *ledger.Ledger, key string) {
	t.Helper()
	if err := l.Log().Apply(t.Context(), log.Change{DeleteRange: [][2][]byte{{[]byte(key), []byte(key + "\x00")}}}); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t testing.TB, l *ledger.Ledger, key string, value []byte) {
	t.Helper()
	if err := l.Log().Apply(t.Context(), log.Change{Set: []log.Row{{Key: []byte(key), Value: value}}}); err != nil {
		t.Fatal(err)
	}
}

// TestFsckFinds damages a ledger in one way at a time. Each is reported, and in
// words that say what it is.
func TestFsckFinds(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, l *ledger.Ledger, list, envelopes []string)
		want   string
	}{
		{"nothing", func(*testing.T, *ledger.Ledger, []string, []string) {}, ""},
		{"the last event of a chain is not listed", func(t *testing.T, l *ledger.Ledger, list, _ []string) { remove(t, l, list[2]) }, "its key opens it, and no list row leads to it"},
		{"one in the middle is not listed", func(t *testing.T, l *ledger.Ledger, list, _ []string) { remove(t, l, list[1]) }, "its key opens it, and no list row leads to it"},
		{"a list points elsewhere", func(t *testing.T, l *ledger.Ledger, list, _ []string) {
			v := rowsOf(t, l, 's')[list[2]]
			v[7] ^= 1
			overwrite(t, l, list[2], v)
		}, "entry"},
		{"a list points beyond the end", func(t *testing.T, l *ledger.Ledger, list, _ []string) {
			v := rowsOf(t, l, 's')[list[2]]
			v[0] ^= 0x80
			overwrite(t, l, list[2], v)
		}, "beyond the end"},
		{"one bit of what a list row says of its run", func(t *testing.T, l *ledger.Ledger, list, _ []string) {
			v := rowsOf(t, l, 's')[list[2]]
			v[20] ^= 1
			overwrite(t, l, list[2], v)
		}, "what its list row says of its run"},
		{"a list row says another run", func(t *testing.T, l *ledger.Ledger, _, _ []string) {
			key, value, err := ledger.LateRun(t.Context(), l, "p")
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, l, key, value)
		}, "says another run than its events are"},
		{"a sealed event is missing", func(t *testing.T, l *ledger.Ledger, _, envelopes []string) { remove(t, l, envelopes[1]) }, "reading an envelope"},
		{"that of an erased one is missing", func(t *testing.T, l *ledger.Ledger, _, envelopes []string) { remove(t, l, envelopes[4]) }, "the next sweep puts random bytes there"},
		{"one bit of a sealed event", func(t *testing.T, l *ledger.Ledger, _, envelopes []string) {
			v := rowsOf(t, l, 'e')[envelopes[1]]
			v[len(v)-1] ^= 1
			overwrite(t, l, envelopes[1], v)
		}, "entry"},
		{"two sealed events have changed places", func(t *testing.T, l *ledger.Ledger, _, envelopes []string) {
			rows := rowsOf(t, l, 'e')
			overwrite(t, l, envelopes[0], rows[envelopes[1]])
			overwrite(t, l, envelopes[1], rows[envelopes[0]])
		}, "entry"},
		{"an erasure's row is gone", func(t *testing.T, l *ledger.Ledger, _, _ []string) {
			for k := range rowsOf(t, l, 'j') {
				if k[1] == 'b' {
					remove(t, l, k)
				}
			}
		}, "of epoch 2 it is lost what it erased"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			gone := madeBy(t, l, 'e', func() {
				for i := range 2 {
					must(t, l, `{"type":"processing.performed","subject":"q","purpose":"chat-service","operation":"answer %d"}`, i)
				}
			})
			if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "q"}); err != nil {
				t.Fatal(err)
			}
			// Three events of one chain, and where they lie. List rows have no order,
			// so each is looked for on its own.
			var list, envelopes []string
			for i := range 3 {
				envelopes = append(envelopes, madeBy(t, l, 'e', func() {
					list = append(list, madeBy(t, l, 's', func() {
						must(t, l, `{"type":"processing.performed","subject":"p","purpose":"chat-service","operation":"answer %d"}`, i)
					})...)
				})...)
			}
			if len(list) != 3 || len(envelopes) != 3 {
				t.Fatalf("%d list rows, %d envelopes", len(list), len(envelopes))
			}
			if r := checkFsck(t, l); r.Erased != 2 || r.Claimed != 2 {
				t.Fatalf("before the damage: %+v", r)
			}
			test.damage(t, l, list, append(envelopes, gone...))
			r, err := l.Fsck(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(r.Problems, "\n")
			if test.want == "" && text != "" || !strings.Contains(text, test.want) {
				t.Errorf("fsck says %q, want something with %q", text, test.want)
			}
			for _, secret := range []string{"answer", `"p"`} {
				if strings.Contains(text, secret) {
					t.Errorf("fsck tells %q", secret)
				}
			}
		})
	}
}

// TestFsckMissingPages loses one page of the key tree after another. Where it was
// the organisation's own, the ledger does not open and says which page it lacks;
// otherwise a check names it, its people are not taken for strangers, and the
// others are there.
func TestFsckMissingPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	const people = 300
	for i := range people {
		must(t, l, `{"type":"processing.performed","subject":"p-%d","purpose":"chat-service","operation":"answer"}`, i)
	}
	pages := map[string]bool{} // prefixes of keys: 'k', generation, level, where it starts
	for k := range rowsOf(t, l, 'k') {
		if k[5] > 0 && k[6:14] != "\x03\xff\xff\xff\xff\xff\xff\xff" { // not the system page
			pages[k[:14]] = true
		}
	}
	if len(pages) < 4 {
		t.Fatalf("only %d pages", len(pages))
	}
	w.close(l)
	opened := 0
	for page := range pages {
		c := w.crashNow(100, nil)
		l := c.open()
		end := []byte(page)
		end[len(end)-1]++ // starts are written inverted, so the last byte is not 0xff but for the first page
		if page[13] == 0xff {
			end = append([]byte(page), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
		}
		if err := l.Log().Apply(t.Context(), log.Change{DeleteRange: [][2][]byte{{[]byte(page), end}}}); err != nil {
			t.Fatal(err)
		}
		c.close(l)
		l, err := c.tryOpen(t.Context())
		if err != nil {
			if !errors.Is(err, keystore.ErrPageMissing) {
				t.Errorf("opening: %v", err)
			}
			continue
		}
		opened++
		r, err := l.Fsck(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Missing) == 0 || len(r.Problems) != 0 {
			t.Errorf("missing %v, problems %v", r.Missing, r.Problems)
		}
		lost := 0
		for i := range people {
			_, err := l.Timeline(t.Context(), fmt.Sprintf("p-%d", i))
			if errors.Is(err, keystore.ErrPageMissing) {
				lost++
			} else if err != nil {
				t.Errorf("a person is told to be unknown: %v", err)
			}
		}
		if lost == 0 || lost == people {
			t.Errorf("%d of %d people are on a page that is missing", lost, people)
		}
		c.close(l)
	}
	if opened == 0 {
		t.Error("no page is without the organisation's keys: this shows nothing")
	}
}

// TestFsckErasedReadable is what fsck says where something that was erased opens.
func TestFsckErasedReadable(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	r := &ledger.FsckReport{Erased: 3}
	if err := ledger.FsckErased(t.Context(), l, r, erasure.Account{Entries: 4}); err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "something erased can be read") {
		t.Errorf("%q", r.Problems)
	}
}

// TestFsckSwapped: where one entry is lost and another that was erased can be read, the
// numbers agree. Both are named, before a sweep and behind it.
func TestFsckSwapped(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	alive := must(t, l, `{"type":"processing.performed","subject":"q","purpose":"chat-service","operation":"answer"}`)[0].Index
	lost := must(t, l, `{"type":"processing.performed","subject":"p","purpose":"chat-service","operation":"answer"}`)[0].Index
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "q"}); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"before a sweep", "behind it"} {
		r := checkFsck(t, l)
		if err := ledger.FsckSwapped(t.Context(), l, r, lost, alive); err != nil {
			t.Fatal(err)
		}
		if len(r.Problems) != 2 || !strings.Contains(r.Problems[0], fmt.Sprintf("entry %d can be read", alive)) || !strings.Contains(r.Problems[1], fmt.Sprintf("entry %d cannot be opened", lost)) {
			t.Errorf("%s: %q", when, r.Problems)
		}
		if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFsckWhileInUse checks a ledger that others record in and erase from: nothing
// is wrong with it.
func TestFsckWhileInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	done := make(chan error, 1)
	go func() {
		h := newHistory(w, l, newReference())
		done <- h.run(t.Context(), 11, 2, 3, 40)
	}()
	for n := 0; ; n++ {
		checkFsck(t, l)
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			if n == 0 {
				t.Error("fsck ran once: this shows nothing")
			}
			checkFsck(t, l)
			return
		default:
		}
	}
}
