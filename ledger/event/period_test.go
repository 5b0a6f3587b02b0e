package event

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParsePeriod(t *testing.T) {
	good := map[string]Period{
		"P8Y": {Years: 8}, "P90D": {Days: 90}, "P2W": {Days: 14}, "P1Y6M": {Years: 1, Months: 6},
		"PT48H": {Clock: 48 * time.Hour}, "P1DT1M1S": {Days: 1, Clock: 61 * time.Second}, "P0D": {},
	}
	for s, want := range good {
		if got, err := ParsePeriod(s); err != nil || got != want {
			t.Errorf("ParsePeriod(%q) = %+v, %v; want %+v", s, got, err, want)
		}
	}
	// The library under it accepts most of these.
	for _, s := range []string{"", "P", "PT", "P1", "1Y", "-P1Y", "P-1Y", "P1.5Y", "P1Y2Y", "P3D2M", "PP1Y", "P1YT", "PT1D", "P1H", "PT1HT1H",
		"P１Y", "P1y", "P 1Y", "P1Y ", "P9999999Y", "PT48", "P1,5Y"} {
		if p, err := ParsePeriod(s); err == nil {
			t.Errorf("ParsePeriod(%q) = %v, want an error", s, p)
		}
	}
}

func TestPeriodAfter(t *testing.T) {
	tests := []struct{ from, period, want string }{
		{"2024-02-29T00:00:00Z", "P2Y", "2026-02-28T00:00:00Z"},
		{"2024-02-29T10:00:00Z", "P4Y", "2028-02-29T10:00:00Z"},
		{"2026-01-31T23:59:59.999Z", "P1M", "2026-02-28T23:59:59.999Z"},
		{"2024-01-31T00:00:00Z", "P1M", "2024-02-29T00:00:00Z"},
		{"2026-01-31T00:00:00Z", "P1M1D", "2026-03-01T00:00:00Z"},
		{"2026-05-31T12:00:00Z", "P1Y1M", "2027-06-30T12:00:00Z"},
		{"2026-12-31T00:00:00Z", "P2M", "2027-02-28T00:00:00Z"},
		{"2026-03-29T00:30:00+01:00", "P1D", "2026-03-29T23:30:00Z"}, // UTC days, whatever the clocks do
		{"2026-05-04T12:20:00Z", "PT48H", "2026-05-06T12:20:00Z"},
		{"2026-05-04T12:20:00Z", "P2W", "2026-05-18T12:20:00Z"},
	}
	for _, x := range tests {
		from, err := time.Parse(time.RFC3339, x.from)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePeriod(x.period)
		if err != nil {
			t.Fatal(err)
		}
		if got := FormatTime(p.After(from)); got != x.want {
			t.Errorf("%s + %s = %s, want %s", x.from, x.period, got, x.want)
		}
	}
}

// TestPeriodAfterMonths: a period of months ends on the same day of the month, or
// on the last one of a month that is too short.
func TestPeriodAfterMonths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "from"), 0).UTC()
		p := Period{Years: rapid.IntRange(0, 100).Draw(t, "years"), Months: rapid.IntRange(0, 30).Draw(t, "months")}
		to := p.After(from)
		if months := (to.Year()-from.Year())*12 + int(to.Month()-from.Month()); months != p.Years*12+p.Months {
			t.Fatalf("%v + %v = %v, %d months", from, p, to, months)
		}
		if to.Day() != from.Day() && (to.Day() > from.Day() || to.AddDate(0, 0, 1).Day() != 1) {
			t.Fatalf("%v + %v = %v", from, p, to)
		}
		if to.Hour() != from.Hour() || to.Minute() != from.Minute() || to.Second() != from.Second() {
			t.Fatalf("%v + %v = %v moves the clock", from, p, to)
		}
	})
}

func TestPeriodString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Period{rapid.IntRange(0, 99).Draw(t, "y"), rapid.IntRange(0, 99).Draw(t, "m"), rapid.IntRange(0, 999).Draw(t, "d"),
			time.Duration(rapid.IntRange(0, 999999).Draw(t, "s")) * time.Second}
		got, err := ParsePeriod(p.String())
		if err != nil || got != p {
			t.Fatalf("%+v is written %s and reads back as %+v, %v", p, p, got, err)
		}
	})
}

func TestTimes(t *testing.T) {
	for s, want := range map[string]string{
		"2026-05-04T14:20:00+02:00":      "2026-05-04T12:20:00Z",
		"2026-05-04T12:20:07.113Z":       "2026-05-04T12:20:07.113Z",
		"2026-05-04T12:20:07.1Z":         "2026-05-04T12:20:07.100Z",
		"2026-05-04T12:20:07.999999999Z": "2026-05-04T12:20:07.999Z",
		"2026-12-31T23:30:00-01:00":      "2027-01-01T00:30:00Z",
	} {
		at, err := ParseTime(s)
		if err != nil || FormatTime(at) != want {
			t.Errorf("%s is %s, %v; want %s", s, FormatTime(at), err, want)
		}
	}
	for _, s := range []string{"", "2026-05-04", "2026-05-04 12:20:00Z", "2026-05-04T12:20Z", "2026-05-04T1:20:00Z", "2026-02-30T00:00:00Z",
		"2026-05-04T12:20:00", "2026-05-04T12:20:00,5Z", "2026-05-04T24:00:00Z", "2026-05-04T12:20:60Z", "0000-01-01T00:00:00Z"} {
		if at, err := ParseTime(s); err == nil {
			t.Errorf("ParseTime(%q) = %v, want an error", s, at)
		}
	}
}
