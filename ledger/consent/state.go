package consent

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

// State is what is known of one person. It is immutable: Apply returns a new
// state that shares what did not change, so a committed and a speculative one
// cost little more than one. The nil State knows nothing, like [New].
type State struct {
	count uint64 // events applied
	other uint64 // of them, those that are neither withdrawals nor about suppression
	last  int64  // newest event_time, 0 if there is none
	uses  []use  // by purpose; a single one lies in only
	*decisive

	// Most people have data used for one purpose, and every event about it changes
	// what is counted.
	only [1]use
}

// decisive is what a state has of events that are not only counted. Few events change
// it, so states share it: whoever changes it calls decide first.
type decisive struct {
	tracks  []*track  // by purpose, channel, contact
	stops   []*stop   // withdrawals, in the order of the fold
	notes   []*note   // notices acknowledged, data taken down offline
	shares  []*share  // by recipient, purpose, recipient_ref
	rights  []*Right  // in the order of recording
	objects []*object // Art. 21, in the order of recording
	marks   []*mark   // holds, restrictions, suppression, in the order of recording
}

var undecided decisive // of everybody of whom nothing else is recorded; never changed

// New returns the state of somebody of whom nothing is recorded.
func New() *State { return &State{decisive: &undecided} }

// decide gives a state that nobody else has yet what it may change.
func (s *State) decide() {
	own := *s.decisive
	s.decisive = &own
}

// a note is an event that the rule "acknowledge before use" looks at.
type note struct {
	acknowledged bool // else: data was collected offline
	at, learnt   int64
	index        uint64
	purpose      string    // of a collection
	notice       event.Ref // of an acknowledgement
}

// a use counts what was done for one purpose.
type use struct {
	purpose     string
	count       uint64
	first, last int64
}

// object is an objection (Art. 21).
type object struct {
	at, learnt int64
	index      uint64
	purposes   []string // nil: all
}

func (o *object) covers(purpose string) bool {
	return o.purposes == nil || slices.Contains(o.purposes, purpose)
}

// String says nothing about the person. It and the two below have a value as
// receiver so that a copy is as silent as the state.
func (s State) String() string { return "[state]" }

// Format prints what String does, whatever the verb.
func (s State) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[state]") }

// LogValue logs what String says.
func (s State) LogValue() slog.Value { return slog.StringValue("[state]") }

// Count returns how many events were applied.
func (s *State) Count() uint64 {
	if s == nil {
		return 0
	}
	return s.count
}

// LastEvent returns the newest event_time; the zero time if nothing is recorded.
func (s *State) LastEvent() time.Time {
	if s == nil || s.count == 0 {
		return time.Time{}
	}
	return fromMilli(s.last)
}

var errNotAboutPerson = errors.New("not an event about a person")

// Apply returns the state after an event in full form, with its log index, which
// only orders events of the same time; an event that is not in the log yet has
// an index above all others. The error is a *event.Refused with bad_transition,
// or a token code, if the event does not fit the state at its place in time. A
// withdrawal always fits.
func (s *State) Apply(e *event.Event, index uint64) (*State, error) {
	return s.ApplyRecorded(e, index, e.Recorded())
}

// ApplyRecorded is Apply for an event that does not say yet when it is recorded,
// which the ledger adds when it seals. What was known at a time depends on it.
func (s *State) ApplyRecorded(e *event.Event, index uint64, recorded time.Time) (*State, error) {
	if t, ok := TallyOf(e); ok {
		return s.ApplyTally(t), nil // which is nearly always so
	}
	t, ok := e.Definition()
	if !ok || !t.About() {
		return nil, fmt.Errorf("applying an event to a person's state: %w", errNotAboutPerson)
	}
	at := e.Time()
	if at.IsZero() {
		return nil, event.Refuse(event.MissingMember, "/event_time", "")
	}
	next := s.copy()
	next.decide()
	base := step{at: at.UnixMilli(), learnt: at.UnixMilli(), index: index, id: e.Str("id")}
	if !recorded.IsZero() {
		base.learnt = recorded.UnixMilli()
	}
	var err error
	switch t.Name {
	case "consent.requested":
		if next.Suppressed() {
			return nil, event.Refuse(event.PersonSuppressed, "/subject", "the person asked to be left alone; only they can take that back: suppression.lifted")
		}
		base.kind, base.token = requested, e.Str("doi_token_sha256")
		base.expires = milli(e, "doi_expires_at")
		err = next.consent(e, base)
	case "consent.given":
		base.kind, base.request, base.confirmed = given, e.Str("request"), e.Str("confirmed_by") == "token"
		base.expires = milli(e, "valid_until")
		err = next.consent(e, base)
	case "consent.refused":
		base.kind, base.request = refused, e.Str("request")
		err = next.consent(e, base)
	case "consent.withdrawn":
		base.kind = withdrawn
		purpose := e.Str("purpose")
		if purpose == "" {
			purpose = "*"
		}
		next.stop(&stop{step: base, purpose: purpose, channel: e.Str("channel"), contact: e.Str("contact")})
	case "notice.acknowledged":
		ref, _ := e.NoticeRef()
		next.note(&note{acknowledged: true, at: base.at, learnt: base.learnt, index: index, notice: ref})
	case "data.collected": // offline
		next.note(&note{at: base.at, learnt: base.learnt, index: index, purpose: e.Str("purpose")})
		next.use(e.Str("purpose"), base.at, base.at, 1)
	case "data.disclosed":
		next.use(e.Str("purpose"), base.at, base.at, 1)
		next.share(e, base.at, index)
	case "right.requested":
		next.right(e, base)
	case "hold.placed", "hold.released", "restriction.applied", "restriction.lifted", "suppression.requested", "suppression.lifted":
		err = next.mark(e, base)
	}
	if err != nil {
		return nil, err
	}
	if next.count == 0 || base.at > next.last {
		next.last = base.at
	}
	next.count++
	if base.kind != withdrawn && !strings.HasPrefix(t.Name, "suppression.") {
		next.other++
	}
	return next, nil
}

// consent adds a step to its track, if it fits.
func (s *State) consent(e *event.Event, x step) error {
	x.form, _ = e.FormRef()
	x.notice, _ = e.NoticeRef()
	key := &track{purpose: e.Str("purpose"), channel: e.Str("channel"), contact: e.Str("contact")}
	i, found := slices.BinarySearchFunc(s.tracks, key, compareTracks)
	if found {
		key.steps = s.tracks[i].steps
		for _, y := range key.steps {
			if y.id == x.id && y.id != "" && y.kind == x.kind {
				return nil // the same event again changes nothing
			}
		}
	}
	if err := s.fits(key, &x); err != nil {
		return err
	}
	key.steps = insert(key.steps, &x, order)
	tracks := make([]*track, 0, len(s.tracks)+1)
	tracks = append(tracks, s.tracks[:i]...)
	tracks = append(tracks, key)
	if found {
		i++
	}
	s.tracks = append(tracks, s.tracks[i:]...)
	return nil
}

// fits runs the track up to the place of a new step and asks the machine there.
func (s *State) fits(t *track, x *step) error {
	var m machine
	s.history(t, func(y *step) {
		if order(y, x) <= 0 {
			m.apply(y)
		}
	})
	if x.confirmed && x.kind == given {
		// The request is told apart from the state, for a better answer.
		for _, y := range t.steps {
			if y.kind == requested && y.id == x.request && y.expires != 0 && x.at > y.expires {
				return event.Refuse(event.TokenExpired, "/request", "ask again")
			}
		}
	}
	m.tick(x.at)
	if hint := m.refusal(x); hint != "" {
		return event.Refuse(event.BadTransition, "/type", hint)
	}
	return nil
}

func (s *State) stop(x *stop) {
	s.stops = insert(s.stops, x, func(a, b *stop) int { return order(&a.step, &b.step) })
}

func (s *State) note(x *note) {
	s.notes = insert(s.notes, x, func(a, b *note) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.index, b.index)) })
}

// use counts in a state that nobody else has yet.
func (s *State) use(purpose string, first, last int64, count uint64) {
	i := 0
	for i < len(s.uses) && s.uses[i].purpose < purpose {
		i++
	}
	if i < len(s.uses) && s.uses[i].purpose == purpose {
		if len(s.uses) > 1 {
			s.uses = slices.Clone(s.uses)
		}
		u := &s.uses[i]
		u.count, u.first, u.last = u.count+count, min(u.first, first), max(u.last, last)
		return
	}
	// A copy: the string is part of the event's text, which need not stay.
	x := use{purpose: strings.Clone(purpose), count: count, first: first, last: last}
	if len(s.uses) == 0 {
		s.uses, s.only[0] = s.only[:], x
		return
	}
	s.uses = slices.Insert(slices.Clone(s.uses), i, x)
}

func milli(e *event.Event, name string) int64 {
	if s := e.Str(name); s != "" {
		if t, err := event.ParseTime(s); err == nil {
			return t.UnixMilli()
		}
	}
	return 0
}

// toMilli and fromMilli keep the zero time: nothing that is recorded here
// happened in the first millisecond of 1970.
func toMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
