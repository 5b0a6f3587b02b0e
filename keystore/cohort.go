package keystore

import (
	"errors"
	"fmt"
	"strconv"
)

// A Cohort is the period from which a retention rule counts. 0 is none, 1 to
// 9999 a year, 10000+m the month m, where m = (year-1970)*12 + month-1.
type Cohort uint16

const firstMonth = 10000

var errCohort = errors.New(`a cohort is empty, a year "2021" or a month "2021-03" from 1970 on`)

// ParseCohort reads "", "2021" or "2021-03".
func ParseCohort(s string) (Cohort, error) {
	if s == "" {
		return 0, nil
	}
	year, ok := digits(s, 4)
	if !ok || year == 0 {
		return 0, fmt.Errorf("reading cohort: %w", errCohort)
	}
	if len(s) == 4 {
		return Cohort(year), nil
	}
	month, ok := digits(s[min(5, len(s)):], 2)
	if len(s) != 7 || s[4] != '-' || !ok || month < 1 || month > 12 || year < 1970 {
		return 0, fmt.Errorf("reading cohort: %w", errCohort)
	}
	c := firstMonth + (year-1970)*12 + month - 1
	if c > 65535 {
		return 0, fmt.Errorf("reading cohort: %w", errCohort)
	}
	return Cohort(c), nil
}

// String is the inverse of [ParseCohort].
func (c Cohort) String() string {
	switch {
	case c == 0:
		return ""
	case c < firstMonth:
		return fmt.Sprintf("%04d", uint16(c))
	default:
		m := int(c) - firstMonth
		return fmt.Sprintf("%04d-%02d", 1970+m/12, m%12+1)
	}
}

func digits(s string, n int) (int, bool) {
	if len(s) < n {
		return 0, false
	}
	for _, c := range []byte(s[:n]) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	v, err := strconv.Atoi(s[:n])
	return v, err == nil
}
