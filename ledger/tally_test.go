package ledger_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/consent"
)

const sent = `{"type":"communication.sent","subject":"p","purpose":"newsletter","channel":"email"}`

// TestRuns: somebody to whom much was sent is folded from what decides something and one
// run for each stretch in between, also where the ledger was opened anew in the middle of
// one, and what is known of them is what all of their events say.
func TestRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	parts := func(wantEvents, wantRuns int) {
		t.Helper()
		events, runs, err := ledger.PartsOf(t.Context(), l, "p")
		if err != nil {
			t.Fatal(err)
		}
		if events != wantEvents || runs != wantRuns {
			t.Errorf("folded from %d events and %d runs, want %d and %d", events, runs, wantEvents, wantRuns)
		}
		checkState(t, l)
	}
	for range 40 {
		must(t, l, sent)
	}
	parts(0, 1)
	w.close(l)
	l = w.open()
	for range 40 {
		must(t, l, sent)
	}
	parts(0, 1)
	must(t, l, `{"type":"consent.withdrawn","subject":"p","purpose":"newsletter","channel":"email","contact":"mailto:p@shop.example"}`)
	must(t, l, sent)
	must(t, l, `{"type":"communication.sent","subject":"p","purpose":"own-products","channel":"email",%s}`, happened(w.clock.now().Add(-time.Hour)))
	must(t, l, sent)
	parts(1, 3)
	if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
		t.Fatal(err)
	}
	parts(1, 3)
	must(t, l, sent)
	parts(1, 3)
	checkFsck(t, l)
}

func checkState(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	ledger.Evict(l, "p")
	stored, err := ledger.StoredState(t.Context(), l, "p")
	if err != nil {
		t.Fatal(err)
	}
	events, err := ledger.StateOfEvents(t.Context(), l, "p")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored, events) {
		t.Errorf("a fold of runs says something else than one of events:\n%x\n%x", stored, events)
	}
}

// TestRunsAnywhere lets a few people have events of every kind between restarts, crashes, evictions,
// erasures and sweeps, of which some are interrupted and some have events recorded beside them. What is
// folded from runs is always what all of the events say, and fsck agrees.
func TestRunsAnywhere(t *testing.T) {
	lines := []string{
		`{"type":"data.collected","subject":%q,"purpose":"own-products","channel":"paper","source":"subject","categories":["Name"]}`,
		`{"type":"data.collected","subject":%q,"purpose":"own-products","channel":"email","source":"subject","categories":["Name"]}`,
		`{"type":"consent.withdrawn","subject":%q,"purpose":"newsletter","channel":"email","contact":"mailto:p@shop.example"}`,
		`{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`,
	}
	for seed := range histories(t, 2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(seed), 77))
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			for range 60 {
				who := fmt.Sprintf("p-%d", rng.IntN(3))
				mail := func() {
					then := w.clock.now().Add(-time.Duration(rng.IntN(1000)) * time.Hour)
					must(t, l, `{"type":"communication.sent","subject":%q,"purpose":"own-products","channel":"email",%s}`, who, happened(then))
				}
				switch rng.IntN(20) {
				case 0:
					w.close(l)
					l = w.open()
				case 1:
					crashed := w.crashNow([]int{0, 50, 100}[rng.IntN(3)], rng)
					w.close(l)
					w, l = crashed, crashed.open()
				case 2:
					ledger.Evict(l, who)
				case 3:
					if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: who, Everything: rng.IntN(2) == 0}); unlessAnswer(err) != nil {
						t.Fatal(err)
					}
				case 4, 5:
					ctx, cancel := context.WithCancel(t.Context())
					step, beside, end := 0, rng.IntN(5), rng.IntN(16)
					_, err := l.Sweep(ctx, ledger.SweepOptions{Progress: func(string, uint64, uint64) {
						if step++; step == beside {
							mail()
						}
						if step == end {
							cancel()
						}
					}})
					cancel()
					if err != nil && !errors.Is(err, context.Canceled) {
						t.Fatal(err)
					}
				case 6, 7, 8, 9:
					must(t, l, lines[rng.IntN(len(lines))], who)
				default:
					mail()
				}
				if rng.IntN(3) == 0 {
					checkCache(t, l, who)
				}
			}
			for i := range 3 {
				checkCache(t, l, fmt.Sprintf("p-%d", i))
			}
			checkFsck(t, l)
		})
	}
}

// TestDamagedRun: where a list row does not open, the events say the same. That a fold
// goes by the row where it opens is shown by one that lies.
func TestDamagedRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	for range 5 {
		must(t, l, sent)
	}
	key, lie, err := ledger.LateRun(t.Context(), l, "p")
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(rowsOf(t, l, 's')[key])
	damaged[len(damaged)-1] ^= 1
	overwrite(t, l, key, damaged)
	checkState(t, l)
	if events, runs, err := ledger.PartsOf(t.Context(), l, "p"); err != nil || events != 1 || runs != 1 {
		t.Errorf("folded from %d events and %d runs, %v; want the last event and the run before it", events, runs, err)
	}
	overwrite(t, l, key, lie)
	stored, err := ledger.StoredState(t.Context(), l, "p")
	if err != nil {
		t.Fatal(err)
	}
	if events, err := ledger.StateOfEvents(t.Context(), l, "p"); err != nil || bytes.Equal(stored, events) {
		t.Errorf("a row that lies changes nothing, %v: this test shows nothing", err)
	}
}

// TestDamagedRunSwept: a row in the middle of a run that does not open says nothing any more
// behind a sweep. Nothing is missing then, and fsck does not say so for ever.
func TestDamagedRunSwept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	var rows []string
	for range 5 {
		rows = append(rows, madeBy(t, l, 's', func() { must(t, l, sent) })...)
	}
	damaged := bytes.Clone(rowsOf(t, l, 's')[rows[2]])
	damaged[len(damaged)-1] ^= 1
	overwrite(t, l, rows[2], damaged)
	if r, err := l.Fsck(t.Context(), nil); err != nil || len(r.Problems) != 1 {
		t.Errorf("one row is damaged: %v, %v", r.Problems, err)
	}
	sweepOnce(t, l)
	checkFsck(t, l)
	must(t, l, sent)
	checkState(t, l)
	checkFsck(t, l)
}

// TestPurposesOfOnePrint: two purposes that look alike in a list row are told apart by
// opening their events, also those that were recorded when there was only one of them.
func TestPurposesOfOnePrint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	first, second := "", ""
	seen := map[uint32]string{}
	for i := 0; first == ""; i++ {
		name := fmt.Sprintf("purpose-%d", i)
		print := ledger.PrintOf(name)
		if other, ok := seen[print]; ok {
			first, second = other, name
		}
		seen[print] = name
	}
	purpose := func(id string) {
		t.Helper()
		must(t, l, `{"type":"purpose.declared","purpose_id":%q,"description":{"de":"Post"},"legal_basis":"A6-1-f","categories":["Name"],"storage":["DE"],"retention":"P2Y","compartment":"marketing"}`, id)
	}
	mail := func(purpose string, n int) {
		t.Helper()
		for range n {
			must(t, l, `{"type":"communication.sent","subject":"p","purpose":%q,"channel":"email"}`, purpose)
		}
	}
	purpose(first)
	mail(first, 3)
	if events, runs, err := ledger.PartsOf(t.Context(), l, "p"); err != nil || events != 0 || runs != 1 {
		t.Fatalf("folded from %d events and %d runs, %v", events, runs, err)
	}
	purpose(second)
	mail(second, 2)
	mail(first, 2)
	checkState(t, l)
	if events, runs, err := ledger.PartsOf(t.Context(), l, "p"); err != nil || events != 7 || runs != 0 {
		t.Errorf("folded from %d events and %d runs, %v; want all of them", events, runs, err)
	}
	checkFsck(t, l)
}

// TestTallyText: what a list row says is read as it was written, up to the limits of the
// format; what is beyond them is not said.
func TestTallyText(t *testing.T) {
	const most, end = 1<<24 - 1, 1<<48 - 1
	for _, test := range []struct {
		count       uint64
		first, last int64
		says        bool
	}{
		{1, 0, 0, true}, {1, 1764000000000, 1764000000000, true}, {most, 0, end, true}, {7, end, end, true},
		{0, 5, 5, false}, {most + 1, 0, 5, false}, {1, -1, 5, false}, {2, 6, 5, false}, {1, 0, end + 1, false},
	} {
		in := consent.Tally{Purpose: "newsletter", Count: test.count, First: test.first, Last: test.last}
		text, out, print, err := ledger.TallyText(in)
		if err != nil {
			t.Fatalf("%+v: %v", in, err)
		}
		if !test.says {
			if text != [keystore.ListedSize]byte{} || out.Count != 0 {
				t.Errorf("%+v is said as %x", in, text)
			}
			continue
		}
		if in.Purpose = ""; out != in || print != ledger.PrintOf("newsletter") {
			t.Errorf("%+v is read as %+v", in, out)
		}
	}
}

// FuzzTally reads what a list row says of its run: what is accepted is written back the
// same, so no two texts are read as the same.
func FuzzTally(f *testing.F) {
	for _, x := range makeRunVectors().Runs {
		text, err := hex.DecodeString(x.Text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var text [keystore.ListedSize]byte
		copy(text[:], b)
		run, print, err := ledger.ParseTally(text)
		if err != nil {
			if run != (consent.Tally{}) || print != 0 {
				t.Fatalf("%x is refused, and read as %+v", text, run)
			}
			return
		}
		if run.First < 0 || run.Last < run.First || run.Purpose != "" {
			t.Fatalf("%x is read as %+v", text, run)
		}
		if again := ledger.PutTally(run, print); again != text {
			t.Fatalf("%x is read as %+v, which is written as %x", text, run, again)
		}
	})
}

// runVectors is the file that docs/spec/rows.md refers to.
type runVectors struct {
	Comment string      `json:"comment"`
	Runs    []runVector `json:"runs"`
}

// runVector is what a list row says of its run; without events, nothing.
type runVector struct {
	Name    string `json:"name"`
	Valid   bool   `json:"valid"`
	Purpose string `json:"purpose,omitempty"`
	Events  uint64 `json:"events"`
	First   int64  `json:"first"`
	Last    int64  `json:"last"`
	Text    string `json:"text"`
}

func makeRunVectors() *runVectors {
	const most, end = 1<<24 - 1, 1<<48 - 1
	v := &runVectors{Comment: "Vectors for docs/spec/rows.md, runs: text is what a list row says of its run, in hex, before it is sealed; times are milliseconds since 1970."}
	for _, x := range []runVector{
		{Name: "nothing"},
		{Name: "one event", Purpose: "newsletter", Events: 1, First: 1777896700021, Last: 1777896700021},
		{Name: "many events", Purpose: "newsletter", Events: 70_000, First: 1700000000000, Last: 1777896700021},
		{Name: "the purpose has letters beyond ASCII", Purpose: "für-dich", Events: 2, First: 1777896700021, Last: 1777896700022},
		{Name: "the beginning of time", Purpose: "a", Events: 3, First: 0, Last: 1},
		{Name: "as much as can be said", Purpose: "a", Events: most, First: 0, Last: end},
		{Name: "the end of time", Purpose: "a", Events: 1, First: end, Last: end},
	} {
		text := ledger.PutTally(consent.Tally{Purpose: x.Purpose, Count: x.Events, First: x.First, Last: x.Last}, ledger.PrintOf(x.Purpose))
		x.Valid, x.Text = true, hex.EncodeToString(text[:])
		v.Runs = append(v.Runs, x)
	}
	for _, x := range []struct{ name, text string }{
		{"no events, and a purpose", "000000" + "00000001" + "000000000000" + "000000000000"},
		{"no events, and a time", "000000" + "00000000" + "000000000001" + "000000000000"},
		{"no events, and a span", "000000" + "00000000" + "000000000000" + "000000000001"},
		{"it ends beyond the format", "000001" + "00000000" + "ffffffffffff" + "000000000001"},
		{"it ends far beyond the format", "ffffff" + "ffffffff" + "ffffffffffff" + "ffffffffffff"},
	} {
		v.Runs = append(v.Runs, runVector{Name: x.name, Text: x.text})
	}
	return v
}

// TestRunVectors holds docs/spec/vectors/rows.json against the code.
func TestRunVectors(t *testing.T) {
	v := makeRunVectors()
	vectors.Same(t, "rows.json", v)
	for _, x := range v.Runs {
		text, err := hex.DecodeString(x.Text)
		if err != nil || len(text) != keystore.ListedSize {
			t.Fatalf("%s: %d bytes, %v", x.Name, len(text), err)
		}
		run, print, err := ledger.ParseTally([keystore.ListedSize]byte(text))
		if (err == nil) != x.Valid {
			t.Errorf("%s: %v", x.Name, err)
		}
		if want := (consent.Tally{Count: x.Events, First: x.First, Last: x.Last}); run != want {
			t.Errorf("%s: read as %+v", x.Name, run)
		}
		if x.Events > 0 && print != ledger.PrintOf(x.Purpose) {
			t.Errorf("%s: another purpose", x.Name)
		}
	}
}
