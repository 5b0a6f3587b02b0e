package event

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func date(s string) time.Time {
	t, err := time.Parse("2006-01-02", s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestExpiry(t *testing.T) {
	noon := func(s string) time.Time { return date(s).Add(12 * time.Hour) }
	anchor := func(s string) *time.Time { t := noon(s); return &t }
	tests := []struct {
		name   string
		rule   Retention
		cohort string
		last   time.Time
		anchor *time.Time
		want   string // "" for not ok
	}{
		// The invoices of Chinook's customer 2: kept through 31 December of 2029, 2031, 2032.
		{"invoices of 2021", Retention{Period{Years: 8}, YearEnd}, "2021", noon("2021-10-12"), nil, "2030-01-01"},
		{"invoices of 2023", Retention{Period{Years: 8}, YearEnd}, "2023", noon("2023-11-02"), nil, "2032-01-01"},
		{"invoices of 2024", Retention{Period{Years: 8}, YearEnd}, "2024", noon("2024-07-13"), nil, "2033-01-01"},
		{"on the last evening", Retention{Period{Years: 8}, YearEnd}, "2021", date("2022-01-01").Add(-time.Second), nil, "2030-01-01"},
		{"a year without a cohort", Retention{Period{Years: 1}, YearEnd}, "", noon("2021-10-12"), nil, "2023-01-01"},
		{"six months from year end", Retention{Period{Months: 6}, YearEnd}, "2021", noon("2021-01-01"), nil, "2022-07-01"},
		{"last event", Retention{Period{Days: 90}, LastEvent}, "2021-03", noon("2021-03-10"), nil, "2021-06-09"},
		{"last event, just after midnight", Retention{Period{Days: 90}, LastEvent}, "2021-03", date("2021-03-10"), nil, "2021-06-09"},
		{"last event unknown: end of the month", Retention{Period{Years: 2}, LastEvent}, "2024-02", time.Time{}, nil, "2026-03-01"},
		{"two years from a leap day", Retention{Period{Years: 2}, LastEvent}, "2024-02", noon("2024-02-29"), nil, "2026-03-01"},
		{"one month from the 31st", Retention{Period{Months: 1}, LastEvent}, "2026-01", noon("2026-01-31"), nil, "2026-03-01"},
		{"not withdrawn yet", Retention{Period{Years: 1}, Withdrawal}, "", noon("2021-10-12"), nil, ""},
		{"withdrawn", Retention{Period{Years: 1}, Withdrawal}, "", noon("2021-10-12"), anchor("2026-05-06"), "2027-05-07"},
		{"contract runs", Retention{Period{Years: 3}, ContractEnd}, "", noon("2021-10-12"), nil, ""},
		{"contract ended", Retention{Period{Years: 3}, ContractEnd}, "", noon("2021-10-12"), anchor("2026-05-06"), "2029-05-07"},
		{"proof of a consent in force", evidenceRetention, "", noon("2026-05-06"), nil, ""},
		{"proof of consent", evidenceRetention, "", noon("2026-05-06"), anchor("2026-05-06"), "2030-01-01"},
		{"rights", rightsRetention, "2026", noon("2026-05-06"), nil, "2030-01-01"},
		{"suppression", suppressionRetention, "", noon("2026-05-06"), anchor("2026-05-06"), ""},
		{"no rule", Retention{}, "", noon("2026-05-06"), anchor("2026-05-06"), ""},
		{"beyond 16 bits", Retention{Period{Years: 100}, YearEnd}, "2100", noon("2100-05-06"), nil, ""},
	}
	for _, x := range tests {
		day, ok := x.rule.Expiry(x.cohort, x.last, x.anchor)
		got := ""
		if ok {
			got = Day(day).Format("2006-01-02")
		}
		if got != x.want {
			t.Errorf("%s: expires on %q, want %q", x.name, got, x.want)
		}
	}
}

func TestCohort(t *testing.T) {
	at := time.Date(2021, 12, 31, 23, 30, 0, 0, time.FixedZone("", -3600)) // 2022 in UTC
	for rule, want := range map[Anchor]string{YearEnd: "2022", LastEvent: "2022-01", Withdrawal: "", ContractEnd: "", withdrawalEnd: "", untilLifted: ""} {
		if got := (Retention{Period{Years: 1}, rule}).Cohort(at); got != want {
			t.Errorf("cohort by %s is %q, want %q", rule, got, want)
		}
	}
}

// TestNothingDiesEarly: whatever the rule, the day is after the period has run
// from every event under the key.
func TestNothingDiesEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 2e9).Draw(t, "at"), 0).UTC()
		rule := Retention{
			Period{Years: rapid.IntRange(0, 40).Draw(t, "y"), Months: rapid.IntRange(0, 24).Draw(t, "m"), Days: rapid.IntRange(1, 400).Draw(t, "d")},
			rapid.SampledFrom([]Anchor{YearEnd, LastEvent}).Draw(t, "from"),
		}
		day, ok := rule.Expiry(rule.Cohort(at), at, nil)
		if !ok {
			t.Fatalf("no day for %v from %v", rule, at)
		}
		if !Day(day).After(rule.For.After(at)) {
			t.Fatalf("%v of %v expires on %v, before %v", rule, at, Day(day), rule.For.After(at))
		}
		// Not much later either: a day, or the rest of the year, and the days by
		// which February is short (at most 3).
		if late := Day(day).Sub(rule.For.After(at)); rule.From == LastEvent && late > 24*time.Hour || late > 370*24*time.Hour {
			t.Fatalf("%v of %v expires %v after its period", rule, at, late)
		}
	})
}
