package ledger_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
)

// lastDays returns the days from which a person's keys may be destroyed, by
// compartment and cohort; "" where none is set.
func lastDays(t testing.TB, l *ledger.Ledger, person string) map[string]string {
	t.Helper()
	ledger.FlushDays(l)
	keys, err := ledger.Tree(l).Keys(t.Context(), ledger.Person(person))
	if err != nil {
		t.Fatal(err)
	}
	days := map[string]string{}
	for _, k := range keys {
		day := ""
		if k.Expiry != 0 {
			day = ledger.DayTime(k.Expiry).Format(time.DateOnly)
		}
		name := k.Compartment
		if k.Cohort != 0 {
			name += " " + k.Cohort.String()
		}
		days[name] = day
	}
	return days
}

// TestLastDays holds the day from which each kind of key may be destroyed to what
// a person reads in the statutes and in the register, before and after the ledger
// was opened again, and lets retention run on the day before and on the day.
func TestLastDays(t *testing.T) {
	const (
		partner  = `{"type":"consent.given","subject":"p","form":"web-partner","contact":"mailto:p@shop.example"}`
		mailed   = `{"type":"communication.sent","subject":"p","purpose":"partner-mail","channel":"email"}`
		withdraw = `{"type":"consent.withdrawn","subject":"p","purpose":"*","channel":"email"}`
	)
	tests := []struct {
		name   string
		events []string
		key    string
		day    string // "" while there is none
	}{
		{"an invoice counts from the end of its year", []string{`{"type":"processing.performed","subject":"p","purpose":"invoices","operation":"store","event_time":"2021-01-02T00:00:00Z","late_reason":"imported"}`}, "tax 2021", "2030-01-01"},
		{"also on its last day", []string{`{"type":"processing.performed","subject":"p","purpose":"invoices","operation":"store","event_time":"2024-12-31T23:59:59Z","late_reason":"imported"}`}, "tax 2024", "2033-01-01"},
		{"ninety days after the month of a chat", []string{`{"type":"processing.performed","subject":"p","purpose":"chat-service","operation":"answer"}`}, "chat 2026-05", "2026-08-30"},
		{"two years after the month of a mailing", []string{`{"type":"processing.performed","subject":"p","purpose":"own-products","operation":"store"}`}, "marketing 2026-05", "2028-06-01"},
		{"the longest rule of a compartment", []string{`{"type":"processing.performed","subject":"p","purpose":"flash","operation":"store"}`}, "marketing 2026-05", "2028-06-01"},
		{"two years after 29 February", []string{`{"type":"processing.performed","subject":"p","purpose":"own-products","operation":"store","event_time":"2024-02-11T00:00:00Z","late_reason":"imported"}`}, "marketing 2024-02", "2026-03-01"},
		{"three years after a right was used", []string{`{"type":"right.requested","subject":"p","right":"A15","channel":"email"}`}, "rights 2026", "2030-01-01"},
		{"a contract that runs has no last day", []string{`{"type":"processing.performed","subject":"p","purpose":"membership","operation":"store"}`}, "member", ""},
		{"nor has a consent in force", []string{partner, mailed}, "partner", ""},
		{"nor its proof", []string{partner, mailed}, "consent-evidence", ""},
		{"a year after the withdrawal", []string{partner, mailed, withdraw}, "partner", "2027-05-05"},
		{"the proof three years from the year's end", []string{partner, mailed, withdraw}, "consent-evidence", "2030-01-01"},
		{"a new consent stops the clock", []string{partner, mailed, withdraw, partner}, "partner", ""},
		{"also for the proof", []string{partner, mailed, withdraw, partner}, "consent-evidence", ""},
		{"a consent that ends by itself", []string{
			`{"type":"consent.given","subject":"p","form":"web-survey","contact":"mailto:p@shop.example"}`,
			`{"type":"processing.performed","subject":"p","purpose":"survey","operation":"ask"}`}, "survey", "2028-05-05"},
		{"and its proof", []string{`{"type":"consent.given","subject":"p","form":"web-survey","contact":"mailto:p@shop.example"}`}, "consent-evidence", "2031-01-01"},
		{"somebody else's consent keeps nothing", []string{
			partner, `{"type":"processing.performed","subject":"p","purpose":"survey","operation":"ask"}`}, "survey", "2027-05-05"},
		{"a notice alone", []string{`{"type":"notice.delivered","subject":"p","notice":"privacy","channel":"email"}`}, "consent-evidence", "2030-01-01"},
		{"a stop of a stranger is kept until lifted", []string{withdraw}, "suppression", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			for _, text := range test.events {
				must(t, l, text)
			}
			check := func(when string) {
				t.Helper()
				days := lastDays(t, l, "p")
				if got, ok := days[test.key]; !ok || got != test.day {
					t.Errorf("%s: %s may go from %q on, want %q (all: %v)", when, test.key, got, test.day, days)
				}
			}
			check("at once")
			w.close(l)
			l = w.open()
			check("opened again")
			// Looking a person up says nothing new about them.
			w.clock.move(2 * 365 * 24 * time.Hour)
			if _, err := ledger.Chains(t.Context(), l, "p"); err != nil {
				t.Fatal(err)
			}
			ledger.Evict(l, "p")
			if _, err := ledger.Chains(t.Context(), l, "p"); err != nil {
				t.Fatal(err)
			}
			check("looked up later")

			destroyed := func(day string) bool {
				t.Helper()
				at, err := time.Parse(time.DateOnly, day)
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := l.RunRetention(t.Context(), at); err != nil {
					t.Fatal(err)
				}
				_, there := lastDays(t, l, "p")[test.key]
				return !there
			}
			if test.day == "" {
				if destroyed("2099-12-31") {
					t.Error("destroyed although it has no last day")
				}
				return
			}
			at, _ := time.Parse(time.DateOnly, test.day)
			if destroyed(at.AddDate(0, 0, -1).Format(time.DateOnly)) {
				t.Error("destroyed on the last day of keeping")
			}
			if !destroyed(test.day) {
				t.Error("not destroyed on the day after the last")
			}
			checkFsck(t, l)
		})
	}
}

// TestRetention destroys what is due and nothing else, and says so by compartment
// and cohort; afterwards nothing is due.
func TestRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	h := newHistory(w, l, newReference())
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 40 {
		if err := h.record(t.Context(), rng, fmt.Sprintf("p-%d", i%5), 2); err != nil {
			t.Fatal(err)
		}
	}
	day := w.clock.now().AddDate(1, 0, 0).Truncate(24 * time.Hour)
	plan, keys, err := l.RetentionPlan(t.Context(), day)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for _, k := range h.ref.people {
		mine := map[string]bool{}
		for _, f := range k.live {
			if d := due(f); !d.IsZero() && !d.After(day) {
				mine[f.compartment+" "+f.cohort] = true
			}
		}
		for name := range mine {
			want[name]++
		}
	}
	n := 0
	for _, line := range plan {
		name := line.Compartment + " " + line.Cohort
		if line.Keys != want[name] {
			t.Errorf("%s: %d keys are due, want %d", name, line.Keys, want[name])
		}
		n += line.Keys
		delete(want, name)
	}
	if len(want) != 0 || n != len(keys) || n == 0 {
		t.Errorf("%d keys in lines, %d in all; missing %v", n, len(keys), want)
	}
	w.mu.Lock()
	for _, k := range h.ref.people {
		k.erasing = &erasing{day: day}
	}
	w.mu.Unlock()
	done, _, err := l.RunRetention(t.Context(), day)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(done, plan) {
		t.Errorf("planned %v, did %v", plan, done)
	}
	for _, k := range h.ref.people {
		k.erased()
	}
	if err := h.verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lines, certs, err := l.RunRetention(t.Context(), day); err != nil || len(certs) != 0 || len(lines) != 0 {
		t.Errorf("the second time: %v, %v, %v", lines, certs, err)
	}
}

// TestRetentionLostDays loses the write that moves a last day, as a crash may.
// Proof of a consent that is in force again must not go, and a key that was never
// given its day goes nevertheless.
func TestRetentionLostDays(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	given := `{"type":"consent.given","subject":"p","form":"web-partner","contact":"mailto:p@shop.example"}`
	must(t, l, given)
	must(t, l, `{"type":"communication.sent","subject":"p","purpose":"partner-mail","channel":"email"}`)
	must(t, l, `{"type":"consent.withdrawn","subject":"p","purpose":"*","channel":"email"}`)
	must(t, l, `{"type":"processing.performed","subject":"p","purpose":"chat-service","operation":"answer"}`)
	withdrawn := lastDays(t, l, "p")
	w.clock.move(3 * 24 * time.Hour)
	must(t, l, given)
	if days := lastDays(t, l, "p"); days["partner"] != "" || days["consent-evidence"] != "" {
		t.Fatalf("a consent is in force: %v", days)
	}
	// What a crash would have kept: the days as they were after the withdrawal, and
	// none for the chat.
	keys, err := ledger.Tree(l).Keys(t.Context(), ledger.Person("p"))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		at, _ := time.Parse(time.DateOnly, withdrawn[k.Compartment])
		day := uint16(max(0, at.Unix()/86400))
		if err := ledger.Tree(l).SetExpiry(t.Context(), k.Ref, day); err != nil {
			t.Fatal(err)
		}
	}
	w.close(l)
	l = w.open()
	at := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	lines, _, err := l.RunRetention(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1 || lines[0].Compartment != "chat" {
		t.Errorf("destroyed %v", lines)
	}
	if days := lastDays(t, l, "p"); days["partner"] != "" || days["consent-evidence"] != "" || len(days) != 2 {
		t.Errorf("what is left: %v", days)
	}
	a, err := l.May(t.Context(), "p", question("partner-mail", "email"))
	if err != nil || a.Decision.String() != "allow" {
		t.Errorf("may: %v, %v", a, err)
	}
	checkFsck(t, l)
}

// TestRetentionInParts has more keys to destroy than one erasure may take.
func TestRetentionInParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seams := w.seams()
	seams.Erasure = func(o *erasure.Options) { o.MaxKeys = 7 }
	l, err := ledger.OpenOn(t.Context(), w.options(), seams)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	declare(t, l)
	const people = 20
	for i := range people {
		must(t, l, `{"type":"processing.performed","subject":"p-%d","purpose":"chat-service","operation":"answer"}`, i)
		must(t, l, `{"type":"processing.performed","subject":"p-%d","purpose":"own-products","operation":"store"}`, i)
		must(t, l, `{"type":"processing.performed","subject":"p-%d","purpose":"invoices","operation":"store"}`, i)
	}
	epoch := ledger.Tree(l).Info().Epoch
	lines, certs, err := l.RunRetention(t.Context(), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 2 || lines[0].Keys != people || lines[1].Keys != people {
		t.Errorf("lines: %v", lines)
	}
	if n := ledger.Tree(l).Info().Epoch - epoch; n != 6 || len(certs) != 6 {
		t.Errorf("%d epochs and %d certificates for %d keys in sevens", n, len(certs), 2*people)
	}
	for i := range people {
		if days := lastDays(t, l, fmt.Sprintf("p-%d", i)); len(days) != 1 || days["tax 2026"] == "" {
			t.Errorf("left: %v", days)
		}
	}
	checkFsck(t, l)
}

// TestRetentionHeld leaves a key alone that is held, and takes the others.
func TestRetentionHeld(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	for _, p := range []string{"p", "q"} {
		must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, p)
	}
	hold(t, l, "p", true)
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	if lines, _, err := l.RunRetention(t.Context(), at); err != nil || len(lines) != 1 || lines[0].Keys != 1 {
		t.Fatalf("%v, %v", lines, err)
	}
	if len(lastDays(t, l, "p")) != 1 || len(lastDays(t, l, "q")) != 0 {
		t.Error("the held key is gone, or the other is not")
	}
	hold(t, l, "p", false)
	if lines, _, err := l.RunRetention(t.Context(), at); err != nil || len(lines) != 1 {
		t.Fatalf("%v, %v", lines, err)
	}
}

func hold(t testing.TB, l *ledger.Ledger, person string, on bool) {
	t.Helper()
	keys, err := ledger.Tree(l).Keys(context.Background(), ledger.Person(person))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if err := ledger.Tree(l).Update(t.Context(), keystore.Change{Ref: k.Ref, Held: &on}); err != nil {
			t.Fatal(err)
		}
	}
}
