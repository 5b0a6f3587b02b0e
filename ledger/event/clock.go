package event

import (
	"errors"
	"sync/atomic"
	"time"
)

var errBadTime = errors.New("a time is written like 2026-05-04T12:31:40Z")

// FormatTime writes a time as events have it: RFC 3339 in UTC, with
// milliseconds only where there are any. What is below a millisecond is cut off.
func FormatTime(t time.Time) string {
	var room [32]byte
	return string(AppendTime(room[:0], t))
}

// AppendTime appends what FormatTime returns.
func AppendTime(dst []byte, t time.Time) []byte {
	if now := lastNow.Load(); now != nil && now.ms == t.UnixMilli() {
		return append(dst, now.quoted[1:len(now.quoted)-1]...)
	}
	return formatTime(dst, t)
}

func formatTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 { // not a time of an event; written as package time would
		return t.Truncate(time.Millisecond).AppendFormat(dst, time.RFC3339Nano)
	}
	hour, minute, second := t.Clock()
	dst = appendDigits(dst, year, 4)
	dst = append(dst, '-')
	dst = appendDigits(dst, int(month), 2)
	dst = append(dst, '-')
	dst = appendDigits(dst, day, 2)
	dst = append(dst, 'T')
	dst = appendDigits(dst, hour, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, minute, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, second, 2)
	if ms := t.Nanosecond() / 1e6; ms > 0 {
		dst = append(dst, '.')
		dst = appendDigits(dst, ms, 3)
	}
	return append(dst, 'Z')
}

func appendDigits(dst []byte, n, digits int) []byte {
	var d [4]byte
	for i := digits - 1; i >= 0; i-- {
		d[i] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, d[:digits]...)
}

// quotedTime is FormatTime as a JSON string.
func quotedTime(t time.Time) []byte {
	b := make([]byte, 1, len(`"2006-01-02T15:04:05.000Z"`))
	b[0] = '"'
	return append(AppendTime(b, t), '"')
}

// quotedNow is quotedTime for what the ledger's clock says. Dozens of events come in
// one millisecond, and have it as the time when they happened and when they were
// recorded, so its text is kept.
func quotedNow(t time.Time) []byte {
	now := lastNow.Load()
	if ms := t.UnixMilli(); now == nil || now.ms != ms {
		now = &nowText{ms, quotedTime(t)}
		lastNow.Store(now)
	}
	return now.quoted
}

type nowText struct {
	ms     int64
	quoted []byte // nobody changes the value of a member
}

var lastNow atomic.Pointer[nowText]

// ParseTime reads an RFC 3339 time with any offset, to the millisecond.
func ParseTime(s string) (time.Time, error) {
	if t, ok := parseOwn(s); ok {
		return t, nil
	}
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

// parseOwn reads what FormatTime writes, several times faster than package time.
// False says nothing about the text.
func parseOwn(s string) (time.Time, bool) {
	const whole = "2006-01-02T15:04:05Z"
	const parts = "2006-01-02T15:04:05.000Z"
	if len(s) != len(whole) && len(s) != len(parts) || s[len(s)-1] != 'Z' ||
		s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return time.Time{}, false
	}
	good := true
	digits := func(from, to int) (n int) {
		for i := from; i < to; i++ {
			c := s[i] - '0'
			good = good && c <= 9
			n = n*10 + int(c)
		}
		return n
	}
	year, month, day := digits(0, 4), digits(5, 7), digits(8, 10)
	hour, minute, second, ms := digits(11, 13), digits(14, 16), digits(17, 19), 0
	if len(s) == len(parts) {
		good = good && s[19] == '.'
		ms = digits(20, 23)
	}
	// Days that some months do not have are left to package time.
	if !good || year < 1 || month < 1 || month > 12 || day < 1 || day > 28 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, ms*1e6, time.UTC), true
}
