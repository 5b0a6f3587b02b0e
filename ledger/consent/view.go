package consent

import "time"

// At returns the state as the fold of the events that happened up to a time,
// whenever they were recorded. What is only counted, uses and disclosures, is
// left out if it began later and otherwise kept as it is.
func (s *State) At(t time.Time) *State {
	ms := t.UnixMilli()
	return s.filter(func(at, _ int64) bool { return at <= ms })
}

// KnownBy returns the state as it was known at a time: the fold of the events
// that had been recorded by then.
func (s *State) KnownBy(t time.Time) *State {
	ms := t.UnixMilli()
	return s.filter(func(_, learnt int64) bool { return learnt <= ms })
}

func (s *State) filter(keep func(at, learnt int64) bool) *State {
	out := New()
	if s == nil {
		return out
	}
	out.decide()
	for _, t := range s.tracks {
		var steps []*step
		for _, x := range t.steps {
			if keep(x.at, x.learnt) {
				steps = append(steps, x)
				out.seen(x.at, true)
			}
		}
		if steps != nil {
			out.tracks = append(out.tracks, &track{t.purpose, t.channel, t.contact, steps})
		}
	}
	for _, x := range s.stops {
		if keep(x.at, x.learnt) {
			out.stops = append(out.stops, x)
			out.seen(x.at, false)
		}
	}
	for _, x := range s.notes {
		if keep(x.at, x.learnt) {
			out.notes = append(out.notes, x)
			out.seen(x.at, true)
		}
	}
	for _, x := range s.objects {
		if keep(x.at, x.learnt) {
			out.objects = append(out.objects, x)
		}
	}
	out.marks = keptMarks(s.marks, keep)
	for _, m := range out.marks {
		out.seen(m.at, m.kind != suppression)
	}
	for _, x := range s.rights {
		if ms := x.At.UnixMilli(); keep(ms, ms) {
			out.rights = append(out.rights, x)
			out.seen(ms, true)
		}
	}
	for _, x := range s.uses {
		if keep(x.first, x.first) {
			out.uses = append(out.uses, x)
			out.seen(x.first, true)
		}
	}
	for _, x := range s.shares {
		if keep(x.first, x.first) {
			out.shares = append(out.shares, x)
		}
	}
	return out
}

// seen counts an event of a filtered state.
func (s *State) seen(at int64, other bool) {
	if s.count == 0 || at > s.last {
		s.last = at
	}
	s.count++
	if other {
		s.other++
	}
}
