package receipt

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// Attested returns the earliest and the latest time at which witnesses say that they
// saw the head, in seconds since 1970; ok is false if none states a time.
func (h *Head) Attested() (from, to uint64, ok bool) {
	for _, c := range h.Cosignatures {
		if c.Time == 0 {
			continue
		}
		if !ok || c.Time < from {
			from = c.Time
		}
		to, ok = max(to, c.Time), true
	}
	return from, to, ok
}

// attest writes the lines about the time of a head, and about what was not checked.
// what is in the log since then, "the entry" say.
func (h *Head) attest(say func(mark Mark, standing Standing, format string, args ...any), head, what string) {
	from, to, ok := h.Attested()
	switch timed, silent := h.timed(true), h.timed(false); {
	case ok:
		when := "at " + instant(from)
		if from != to {
			when = "between " + instant(from) + " and " + instant(to)
		}
		say(Seen, Attested, "%s countersigned %s %s: %s by then", list(timed, " and "), head, when, what)
		if len(silent) > 0 {
			say(Seen, Attested, "%s countersigned it, too, and states no time", list(silent, " and "))
		}
	case len(silent) > 0:
		say(Seen, Attested, "%s countersigned %s and states no time", list(silent, " and "), head)
	case h.Unchecked == 0:
		say(Note, Asserted, "nobody but the operator vouches for the time: no witness countersigned")
	default:
		say(Note, Asserted, "nobody but the operator vouches for the time: %s", unchecked(h.Unchecked))
	}
	if h.Unchecked > 0 && len(h.Cosignatures) > 0 {
		say(Note, Asserted, "%s", unchecked(h.Unchecked))
	}
}

// timed names the witnesses that state a time, or those that do not.
func (h *Head) timed(yes bool) (names []string) {
	for _, c := range h.Cosignatures {
		if name := printable(c.Name); (c.Time != 0) == yes && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func unchecked(n int) string {
	if n == 1 {
		return "1 other signature was not checked, its key was not given"
	}
	return fmt.Sprintf("%d other signatures were not checked, their keys were not given", n)
}

func instant(unixSeconds uint64) string {
	return time.Unix(int64(min(unixSeconds, 1<<40)), 0).UTC().Format(time.RFC3339)
}

// earlier says that a witness saw the entry before the time at which the operator says
// that it was recorded: then one of the clocks was wrong.
func (r *Report) earlier(h *Head) {
	recorded, err := time.Parse(time.RFC3339, r.text("_recorded"))
	from, _, ok := h.Attested()
	if err != nil || !ok || recorded.Unix() <= int64(min(from, 1<<40)) {
		return
	}
	r.say(Note, Attested, "that is earlier than _recorded, %s: a clock was wrong, the operator's or a witness's", printable(r.text("_recorded")))
}

// NotBefore bounds the times of entries from the other side: by the latest head among
// the reports that is from before the entry. A witness that countersigned it had seen
// no larger one until then, so as far as it had seen, the entry was not in the log yet.
func NotBefore(reports []*Report) []Finding {
	type early struct {
		n, at int // the report of the head, and the place of its latest cosignature
	}
	byLog := map[string][]early{}
	for n, r := range reports {
		if !r.Verified || r.Kind != KindHead {
			continue
		}
		latest := -1
		for i, c := range r.Head.Cosignatures {
			if c.Time != 0 && (latest < 0 || c.Time > r.Head.Cosignatures[latest].Time) {
				latest = i
			}
		}
		if latest >= 0 {
			byLog[r.Origin] = append(byLog[r.Origin], early{n, latest})
		}
	}
	var findings []Finding
	for n, r := range reports {
		if !r.Verified || r.LeafHash == (merkle.Hash{}) {
			continue // about no entry
		}
		best, time := -1, uint64(0)
		for i, e := range byLog[r.Origin] {
			if h := reports[e.n].Head; h.Size <= r.Index && h.Cosignatures[e.at].Time > time {
				best, time = i, h.Cosignatures[e.at].Time
			}
		}
		if best < 0 {
			continue
		}
		e := byLog[r.Origin][best]
		h := reports[e.n].Head
		findings = append(findings, found(Seen, Attested, []int{n, e.n}, "entry %d was not in the log yet at %s, as far as %s had seen: it countersigned the head of %s then",
			r.Index, instant(time), printable(h.Cosignatures[e.at].Name), count(h.Size, "entry", "entries")))
	}
	return findings
}

// CheckTimes compares cosignatures of heads of one log. A witness that signs a smaller
// head says that it has seen no larger one until then, so one that signed a larger head
// earlier contradicts itself. The numbers in Reports count within heads, where nil is
// passed over.
func CheckTimes(heads []*Head) []Finding {
	type witness struct {
		origin, name string
		key          uint32
	}
	type signed struct {
		n          int
		size, time uint64
	}
	all := map[witness][]signed{}
	for n, h := range heads {
		if h == nil {
			continue
		}
		for _, c := range h.Cosignatures {
			if w := (witness{h.Origin, c.Name, c.KeyHash}); c.Time != 0 {
				all[w] = append(all[w], signed{n, h.Size, c.Time})
			}
		}
	}
	var findings []Finding
	for w, s := range all {
		slices.SortStableFunc(s, func(a, b signed) int {
			return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.time, b.time))
		})
		var latest *signed // of the smaller heads
		for len(s) > 0 {
			n := 1
			for n < len(s) && s[n].size == s[0].size {
				n++
			}
			first, last := s[0], s[n-1]
			if latest != nil && first.time < latest.time {
				findings = append(findings, found(Failed, Proven, []int{latest.n, first.n},
					"witness %s countersigned %s at %s, and at %s it said that it had seen only %d: one of its two words is false; keep both files",
					printable(w.name), count(first.size, "entry", "entries"), instant(first.time), instant(latest.time), latest.size))
			}
			if latest == nil || last.time > latest.time {
				latest = &last
			}
			s = s[n:]
		}
	}
	slices.SortFunc(findings, func(a, b Finding) int { return slices.Compare(a.Reports, b.Reports) })
	return findings
}
