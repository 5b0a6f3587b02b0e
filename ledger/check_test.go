package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

// TestChecker gives a file of requests to a checker, on a ledger in which nothing is, and
// then records it: each line is refused, unchanged, repeated or accepted as the checker
// said. The control asks about each line by itself.
func TestChecker(t *testing.T) {
	alone := 0
	for seed := range histories(t, 6) {
		w := newWorld(t)
		l := w.open()
		lines := fileOf(rand.New(rand.NewPCG(uint64(seed), 23)))
		checker := l.Checker()
		var together, one []string
		for _, line := range lines {
			r, err := checker.Check(t.Context(), parse(t, line))
			together = append(together, outcome(t, r, err))
			full, _, err := l.Check(t.Context(), parse(t, line))
			one = append(one, outcome(t, ledger.Checked{Full: full}, err))
		}
		if n := l.Log().Head().Size; n != 0 {
			t.Fatalf("checking has recorded %d entries", n)
		}
		accepted := 0
		for i, line := range lines {
			got := recordedAs(t, l, line)
			if got != together[i] {
				t.Fatalf("line %d, %s:\nchecked:  %s\nrecorded: %s", i+1, line, together[i], got)
			}
			if got != one[i] {
				alone++
			}
			if got[0] == '[' {
				accepted++
			}
		}
		if accepted < len(lines)/4 || accepted == len(lines) {
			t.Errorf("%d of %d lines are accepted: this shows little", accepted, len(lines))
		}
		checkFsck(t, l)
	}
	if alone == 0 {
		t.Error("line by line the answers are the same: this shows nothing")
	}
}

// fileOf is a file of requests, some of which depend on others before them.
func fileOf(rng *rand.Rand) []string {
	lines := append([]string(nil), register...)
	late := `{"type":"purpose.declared","purpose_id":"late","description":{"de":"Später"},"legal_basis":"A6-1-b","categories":["Name"],"storage":["DE"],"retention":"P1Y","compartment":"late"}`
	for n := range 80 {
		person := fmt.Sprintf("p-%d", rng.IntN(3))
		tok, hash := token(fmt.Sprint(rng.IntN(4)))
		var line string
		switch rng.IntN(12) {
		case 0, 1:
			line = `{"type":"consent.requested","subject":"` + person + `","form":"web-newsletter","contact":"mailto:p@shop.example","doi_token_sha256":"` + hash + `"}`
		case 2, 3:
			line = `{"type":"consent.given","subject":"` + person + `","form":"web-newsletter","token":"` + tok + `"}`
		case 4:
			line = `{"type":"consent.withdrawn","subject":"` + person + `","purpose":"newsletter","channel":"email"}`
		case 5:
			line = `{"type":"data.disclosed","subject":"` + person + `","purpose":"own-products","recipient":"mailer","attributes":["Name"]}`
		case 6:
			line = fmt.Sprintf(`{"type":"hold.placed","id":"h-%d","subject":%q,"compartment":"chat","reason_iri":"eu-gdpr:JustificationA17LegalClaims","review_at":"2027-03-01T00:00:00Z"}`, rng.IntN(6), person)
		case 7:
			line = fmt.Sprintf(`{"type":"hold.released","subject":%q,"hold":"h-%d"}`, person, rng.IntN(6))
		case 8:
			line = fmt.Sprintf(`{"type":"processing.performed","id":"e-%d","subject":%q,"purpose":"chat-service","operation":"answer %d"}`, rng.IntN(8), person, rng.IntN(2))
		case 9:
			line = `{"type":"processing.performed","subject":"` + person + `","purpose":"late","operation":"answer"}`
		case 10:
			if line = late; n < 30 {
				continue
			}
		case 11:
			line = lines[rng.IntN(len(lines))]
		}
		lines = append(lines, line)
	}
	return lines
}

// outcome is what a checker says, in words that recordedAs has, too.
func outcome(t testing.TB, r ledger.Checked, err error) string {
	t.Helper()
	if err != nil {
		return refusal(t, err)
	}
	var types []string
	for _, ev := range r.Full {
		types = append(types, ev.Type()+" "+ev.Str("purpose"))
	}
	switch {
	case r.Replayed:
		return "replayed"
	case len(types) == 0:
		return "unchanged"
	}
	return fmt.Sprint(types)
}

// recordedAs records a line.
func recordedAs(t testing.TB, l *ledger.Ledger, line string) string {
	t.Helper()
	rec, err := l.Record(context.Background(), parse(t, line))
	if err != nil {
		return refusal(t, err)
	}
	var types []string
	for _, r := range rec {
		switch {
		case r.Replayed:
			return "replayed"
		case r.Unchanged:
			return "unchanged"
		}
		types = append(types, r.Type+" "+r.Purpose)
	}
	return fmt.Sprint(types)
}

func refusal(t testing.TB, err error) string {
	t.Helper()
	var r *event.Refused
	if !errors.As(err, &r) {
		t.Fatal(err)
	}
	text := "refused:"
	for _, x := range r.Reasons {
		text += " " + x.Reason + " at " + x.Path
	}
	return text
}
