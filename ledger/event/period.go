package event

import (
	"fmt"
	"strings"
	"time"

	"github.com/sosodev/duration"
)

// Period is a length of time as people write it, in ISO 8601: calendar years
// and months, days, and a clock part. It is not a number of seconds: two years
// from 29 February end on 28 February.
type Period struct {
	Years, Months, Days int // weeks are seven days
	Clock               time.Duration
}

// ParsePeriod reads an ISO 8601 duration with whole, not negative numbers in
// the order of the standard: P8Y, P90D, P2W, P1Y6M, PT48H.
func ParsePeriod(s string) (Period, error) {
	if err := checkDuration(s); err != nil {
		return Period{}, err
	}
	d, err := duration.Parse(s)
	if err != nil {
		return Period{}, fmt.Errorf("reading a period: %w", err)
	}
	return Period{
		Years:  int(d.Years),
		Months: int(d.Months),
		Days:   int(d.Days) + 7*int(d.Weeks),
		Clock:  time.Duration(d.Hours)*time.Hour + time.Duration(d.Minutes)*time.Minute + time.Duration(d.Seconds)*time.Second,
	}, nil
}

// checkDuration holds a text against the grammar of ISO 8601. The parser below
// accepts designators twice, in any order, or without a number after T, and
// fractions of a year; each of them would silently become another period.
func checkDuration(s string) error {
	bad := func(why string) error { return fmt.Errorf("a period is written like P2Y, P90D or PT48H: %s", why) }
	if len(s) > 32 || !strings.HasPrefix(s, "P") {
		return bad("it starts with P")
	}
	order, units, digits, clock := "YMWD", 0, 0, false
	for _, c := range s[1:] {
		switch {
		case '0' <= c && c <= '9':
			if digits++; digits > 6 {
				return bad("a number is too large")
			}
		case c == 'T' && !clock && digits == 0:
			order, clock, units = "HMS", true, 0
		default:
			i := strings.IndexRune(order, c)
			if i < 0 || digits == 0 {
				return bad("whole numbers with their units, from years to seconds")
			}
			order, digits = order[i+1:], 0
			units++
		}
	}
	if digits > 0 || units == 0 {
		return bad("whole numbers with their units, from years to seconds")
	}
	return nil
}

// IsZero says whether the period has no length.
func (p Period) IsZero() bool { return p == Period{} }

// String writes the period in ISO 8601.
func (p Period) String() string {
	if p.IsZero() {
		return "P0D"
	}
	var b strings.Builder
	b.WriteByte('P')
	put := func(n int, unit byte) {
		if n != 0 {
			fmt.Fprintf(&b, "%d%c", n, unit)
		}
	}
	put(p.Years, 'Y')
	put(p.Months, 'M')
	put(p.Days, 'D')
	if p.Clock != 0 {
		b.WriteByte('T')
		put(int(p.Clock/time.Hour), 'H')
		put(int(p.Clock%time.Hour/time.Minute), 'M')
		put(int(p.Clock%time.Minute/time.Second), 'S')
	}
	return b.String()
}

// After returns the moment one period after t, in UTC. Years and months are
// added together, and where the month they lead to is too short, its last day
// counts (§ 188(3) BGB; Regulation 1182/71, Art. 3(2)(c)): one month from 31
// January is 28 or 29 February, not 3 March as time.AddDate has it. Then come
// the days, then the clock part.
func (p Period) After(t time.Time) time.Time {
	t = t.UTC()
	y, m, d := t.Date()
	first := time.Date(y+p.Years, m+time.Month(p.Months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	day := first.AddDate(0, 0, min(d, last)-1)
	return day.AddDate(0, 0, p.Days).
		Add(t.Sub(time.Date(y, m, d, 0, 0, 0, 0, time.UTC))).
		Add(p.Clock)
}
