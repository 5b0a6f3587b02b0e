package consent

import (
	"cmp"
	"slices"

	"github.com/lacunalog/lacuna/ledger/event"
)

// kind is what a step does, in the order in which steps at the same time count:
// the restrictive ones last.
type kind uint8

const (
	requested kind = iota
	given
	refused
	withdrawn
)

// A step is one event of a track. Steps are never changed, and states share them.
type step struct {
	kind      kind
	at        int64 // event_time, Unix milliseconds
	learnt    int64 // when it was recorded; event_time where that is not known
	index     uint64
	id        string
	request   string // given, refused: id of the request it answers
	confirmed bool   // given: by a token
	form      event.Ref
	notice    event.Ref
	token     string // requested: SHA-256 of the token, in hex
	expires   int64  // requested: end of the token; given: end of the consent; 0 none
}

// order is the order of the fold.
func order(a, b *step) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.kind, b.kind), cmp.Compare(a.index, b.index))
}

// A stop is a withdrawal: of one purpose or all ("*"), one channel or all (""),
// one contact or all ("").
type stop struct {
	step
	purpose, channel, contact string
}

// covers says whether the withdrawal ends a consent. Where a consent is for no
// particular contact, a withdrawal that names one ends it: the doubt is not the
// person's.
func (x *stop) covers(purpose, channel, contact string) bool {
	return (x.purpose == "*" || x.purpose == purpose) &&
		(x.channel == "" || x.channel == channel) &&
		(x.contact == "" || contact == "" || x.contact == contact)
}

// A track holds the steps for one purpose, channel and contact, withdrawals
// apart, in the order of the fold. Tracks are never changed.
type track struct {
	purpose, channel, contact string
	steps                     []*step
}

func compareTracks(a, b *track) int {
	return cmp.Or(cmp.Compare(a.purpose, b.purpose), cmp.Compare(a.channel, b.channel), cmp.Compare(a.contact, b.contact))
}

// insert returns s with x at its place, behind equals. s itself is not changed:
// other states may share it.
func insert[T any](s []T, x T, order func(a, b T) int) []T {
	i := len(s)
	for i > 0 && order(s[i-1], x) > 0 {
		i--
	}
	out := make([]T, 0, len(s)+1)
	out = append(out, s[:i]...)
	out = append(out, x)
	return append(out, s[i:]...)
}

// history yields the steps of a track and the withdrawals that cover it, in the
// order of the fold.
func (s *State) history(t *track, yield func(*step)) {
	i := 0
	for _, x := range s.stops {
		if !x.covers(t.purpose, t.channel, t.contact) {
			continue
		}
		for i < len(t.steps) && order(t.steps[i], &x.step) < 0 {
			yield(t.steps[i])
			i++
		}
		yield(&x.step)
	}
	for ; i < len(t.steps); i++ {
		yield(t.steps[i])
	}
}

// track returns the track for a triple, or nil.
func (s *State) track(purpose, channel, contact string) *track {
	i, ok := slices.BinarySearchFunc(s.tracks, &track{purpose: purpose, channel: channel, contact: contact}, compareTracks)
	if !ok {
		return nil
	}
	return s.tracks[i]
}

// tracksOf yields the tracks of a purpose, for one channel and contact or for any ("").
func (s *State) tracksOf(purpose, channel, contact string, yield func(*track) bool) {
	for _, t := range s.tracks {
		if t.purpose == purpose && (channel == "" || t.channel == channel) && (contact == "" || t.contact == contact) {
			if !yield(t) {
				return
			}
		}
	}
}
