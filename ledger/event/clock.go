package event

import (
	"errors"
	"time"
)

var errBadTime = errors.New("a time is written like 2026-05-04T12:31:40Z")

// FormatTime writes a time as events have it: RFC 3339 in UTC, with
// milliseconds only where there are any. What is below a millisecond is cut off.
func FormatTime(t time.Time) string { return string(appendTime(nil, t)) }

func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC().Truncate(time.Millisecond)
	if t.Nanosecond() == 0 {
		return t.AppendFormat(dst, "2006-01-02T15:04:05Z")
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

// ParseTime reads an RFC 3339 time with any offset, to the millisecond.
func ParseTime(s string) (time.Time, error) {
	// time.Parse is kinder than the standard: it takes one digit for the hour
	// and a comma before the fraction.
	if len(s) < len("2006-01-02T15:04:05Z") || s[10] != 'T' || s[13] != ':' || s[19] == ',' {
		return time.Time{}, errBadTime
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, errBadTime
	}
	t = t.UTC().Truncate(time.Millisecond)
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errBadTime
	}
	return t, nil
}
