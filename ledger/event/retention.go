package event

import (
	"fmt"
	"time"
)

// Anchor is what a retention period counts from.
type Anchor string

const (
	YearEnd       Anchor = "year_end"     // the end of the calendar year of the event; German periods do
	LastEvent     Anchor = "last_event"   // the event itself; the newest of a month, since a key holds a month
	Withdrawal    Anchor = "withdrawal"   // the withdrawal, or whatever else ended the consent
	ContractEnd   Anchor = "contract_end" // the end of the contract
	withdrawalEnd Anchor = "withdrawal_year_end"
	untilLifted   Anchor = "until_lifted"
)

// Retention is how long something is kept: for a period, counted from an anchor.
// The zero value has no end, and [Retention.Expiry] never names a day for it.
type Retention struct {
	For  Period
	From Anchor
}

// Fixed retentions of the compartments that every ledger has (events.md, section 1).
var (
	evidenceRetention    = Retention{Period{Years: 3}, withdrawalEnd}
	rightsRetention      = Retention{Period{Years: 3}, YearEnd}
	suppressionRetention = Retention{From: untilLifted}
)

// String writes the retention like "P8Y from year_end".
func (r Retention) String() string {
	switch {
	case r == Retention{}:
		return "no end"
	case r.From == untilLifted:
		return string(untilLifted)
	}
	return fmt.Sprintf("%s from %s", r.For, r.From)
}

// Cohort returns the cohort of an event of that time: the year ("2021") where
// the rule counts from the end of a year, the month ("2021-03") where it counts
// from the event, so that somebody who writes every month loses the transcripts
// of long ago, and "" where one anchor ends all of it. Cohorts are cut in UTC.
func (r Retention) Cohort(eventTime time.Time) string {
	var room [len("2006-01-02T15:04:05.000Z")]byte
	switch r.From {
	case YearEnd:
		return string(AppendTime(room[:0], eventTime)[:len("2006")])
	case LastEvent:
		return string(AppendTime(room[:0], eventTime)[:len("2006-01")])
	}
	return ""
}

// maxPeriod keeps every expiry day within the 16 bits of a key entry.
var maxPeriod = Period{Years: 100}

// Expiry returns the first day on which the key of a cohort may be destroyed,
// as the number of days since 1 January 1970. Invoices of 2021 that are kept
// for eight years from the end of the year are kept through 31 December 2029,
// so the day is 1 January 2030. A period that starts with an event does not
// count the day of the event (§ 187(1) BGB) and ends with its last day.
//
// lastEvent is the newest event under the key; anchor is when the consent was
// withdrawn or the contract ended, nil if it was not. It is not ok if there is
// no day yet: the anchor has not happened, or the rule has no end.
func (r Retention) Expiry(cohort string, lastEvent time.Time, anchor *time.Time) (day uint16, ok bool) {
	var start time.Time // the first day that counts
	switch r.From {
	case YearEnd:
		year := lastEvent.UTC().Year()
		if t, err := time.Parse("2006", cohort[:min(4, len(cohort))]); err == nil {
			year = t.Year()
		} else if lastEvent.IsZero() {
			return 0, false
		}
		start = newYear(year + 1)
	case LastEvent:
		if lastEvent.IsZero() {
			t, err := time.Parse("2006-01", cohort)
			if err != nil {
				return 0, false
			}
			lastEvent = t.AddDate(0, 1, -1) // the last day that the cohort can have
		}
		return r.dayAfter(lastEvent)
	case Withdrawal, ContractEnd:
		if anchor == nil {
			return 0, false
		}
		return r.dayAfter(*anchor)
	case withdrawalEnd:
		if anchor == nil {
			return 0, false
		}
		start = newYear(anchor.UTC().Year() + 1)
	default:
		return 0, false
	}
	// The first day that counts is a 1 January, so the period ends where the
	// one that starts on it would, and the day after the last is simply added.
	return dayNumber(r.For.After(start))
}

// dayAfter returns the first day after a period that starts with an event at t.
func (r Retention) dayAfter(t time.Time) (uint16, bool) {
	y, m, d := t.UTC().Date()
	return dayNumber(r.For.After(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)).AddDate(0, 0, 1))
}

func newYear(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }

func dayNumber(t time.Time) (uint16, bool) {
	n := t.Unix() / 86400
	if n < 1 || n > 65535 {
		return 0, false
	}
	return uint16(n), true
}

// Day turns a day number of [Retention.Expiry] into its date.
func Day(n uint16) time.Time { return time.Unix(int64(n)*86400, 0).UTC() }

// parseRetention reads both forms; hint says what is wrong.
func parseRetention(v []byte) (r Retention, hint string) {
	const want = `a period like "P2Y", or {"for":"P8Y","from":"year_end"}`
	period := v
	r.From = LastEvent
	if len(v) > 0 && v[0] == '{' {
		period = nil
		for name, x := range fields(v) {
			switch name {
			case "for":
				period = x
			case "from":
				s, _ := unquote(x)
				r.From = Anchor(s)
			default:
				return r, want
			}
		}
	}
	s, ok := unquote(period)
	if !ok {
		return r, want
	}
	switch r.From {
	case YearEnd, LastEvent, Withdrawal, ContractEnd:
	default:
		return r, "from is one of: year_end, last_event, withdrawal, contract_end"
	}
	p, err := ParsePeriod(s)
	if err != nil {
		return r, err.Error()
	}
	if p.Clock != 0 || p.IsZero() {
		return r, "keys are destroyed by the day: years, months, weeks or days"
	}
	if epoch := time.Unix(0, 0); p.After(epoch).After(maxPeriod.After(epoch)) {
		return r, "at most a hundred years"
	}
	r.For = p
	return r, ""
}

// canonicalRetention writes {"for":…,"from":…}.
func canonicalRetention(r Retention) []byte {
	return append(append(append(append([]byte(`{"for":"`), r.For.String()...), `","from":"`...), r.From...), `"}`...)
}
