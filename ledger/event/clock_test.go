package event

import (
	"math/rand/v2"
	"testing"
	"time"
)

// AppendTime writes what package time would.
func TestAppendTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	check := func(at time.Time) {
		t.Helper()
		cut := at.UTC().Truncate(time.Millisecond)
		want := cut.Format("2006-01-02T15:04:05.000Z")
		if cut.Nanosecond() == 0 {
			want = cut.Format("2006-01-02T15:04:05Z")
		}
		if got := string(AppendTime([]byte("x"), at)); got != "x"+want {
			t.Fatalf("writes %s, want x%s", got, want)
		}
	}
	for range 100_000 {
		// From the year 1 to the year 9999, in any zone.
		at := time.Unix(rng.Int64N(315_537_897_600)-62_135_596_800, rng.Int64N(1e9))
		if rng.IntN(4) == 0 {
			at = at.Truncate(time.Second)
		}
		check(at.In(time.FixedZone("", rng.IntN(100_000)-50_000)))
	}
	check(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC))
	check(time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC))
	check(time.Date(2024, 2, 29, 23, 59, 59, 1_000_000, time.UTC))
}

// The fast way through a time agrees with package time on everything it takes,
// and takes what AppendTime writes.
func TestParseOwn(t *testing.T) {
	slow := func(s string) (time.Time, bool) {
		at, err := time.Parse(time.RFC3339Nano, s)
		return at.UTC().Truncate(time.Millisecond), err == nil
	}
	rng := rand.New(rand.NewPCG(2, 9))
	taken := 0
	for range 100_000 {
		at := time.Unix(rng.Int64N(8e9), rng.Int64N(1e9))
		b := AppendTime(nil, at)
		if rng.IntN(2) == 0 {
			// A fault or two, of the kinds that times have.
			for range 1 + rng.IntN(2) {
				b[rng.IntN(len(b))] = "0123456789-:.TZ, +a"[rng.IntN(19)]
			}
		} else if _, ok := parseOwn(string(b)); !ok && at.UTC().Day() <= 28 {
			t.Fatalf("does not take %s", b)
		}
		got, ok := parseOwn(string(b))
		if !ok {
			continue
		}
		taken++
		if want, ok := slow(string(b)); !ok || !want.Equal(got) {
			t.Fatalf("%s is %v, want %v (%v)", b, got, want, ok)
		}
	}
	if taken < 40_000 {
		t.Errorf("takes only %d of 100,000", taken)
	}
}

// TestTimeOfNow: the text that is kept of the ledger's clock is that of its
// millisecond, and of no other.
func TestTimeOfNow(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 31, 40, 7_999_999, time.UTC)
	quotedNow(now)
	for _, d := range []time.Duration{0, -time.Millisecond, time.Nanosecond, time.Millisecond, time.Second, -999 * time.Microsecond} {
		at := now.Add(d).In(time.FixedZone("", 7200))
		want := at.UTC().Truncate(time.Millisecond).Format("2006-01-02T15:04:05.000Z")
		if at.UTC().Nanosecond() < 1e6 {
			want = at.UTC().Format("2006-01-02T15:04:05Z")
		}
		if got := FormatTime(at); got != want {
			t.Errorf("%v later: %s, want %s", d, got, want)
		}
		if got := string(quotedNow(at)); got != `"`+want+`"` {
			t.Errorf("%v later, as now: %s, want %q", d, got, want)
		}
		quotedNow(now)
	}
}
