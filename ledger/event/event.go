package event

import (
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of one event.
const (
	// MaxSize is the largest canonical text of an event, in bytes. It is the
	// largest entry that a bundle of the public log can hold (C2SP tlog-tiles).
	MaxSize = 65535
	// MaxDepth is how many objects and arrays may be nested, the event itself included.
	MaxDepth = 32
	// maxFull leaves room in a full event for what the ledger adds when it seals.
	maxFull = MaxSize - 256
	// maxText bounds the text that Parse reads at all: white space and escapes
	// may make a text longer than its canonical form, but not without end.
	maxText = 1 << 20
)

// A Member is one name of an event with its value as canonical JSON.
// Nobody may change the bytes of Value.
type Member struct {
	Name  string
	Value []byte
}

// Format prints the name only: values are about people.
func (m Member) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[member %s]", m.Name) }

// LogValue prints the name only.
func (m Member) LogValue() slog.Value { return slog.StringValue("[member " + m.Name + "]") }

// Event is one statement: an immutable JSON object in canonical form.
// The zero value is an event without members. An Event may be used by several
// goroutines at once; the slices it returns belong to it.
type Event struct {
	text    []byte   // RFC 8785; nil where it is written when somebody asks
	members []Member // in the order of text, whose memory values share where it is written
	typ     *Type    // that the member "type" names, nil if there is none of that name
	fields  uint64   // places of the members among the fields of typ, a bit each; 0 where nobody noted them
	at      int64    // event_time in Unix milliseconds, 0 where it is read when somebody asks
}

// newEvent makes an event of canonical text and its members.
func newEvent(text []byte, members []Member) *Event {
	e := &Event{text: text, members: members}
	if v, ok := e.Get("type"); ok {
		e.typ = typeNamed(v)
	}
	return e
}

// typeNamed returns the type that a value of the member "type" names, or nil.
func typeNamed(v []byte) *Type {
	text, _ := inner(v)
	return typesByName[string(text)]
}

// Type returns the member "type", or "" if there is none.
func (e *Event) Type() string {
	if e.typ != nil {
		return e.typ.Name
	}
	return e.Str("type")
}

// Definition returns the type that the member "type" names; not ok where there is
// none of that name.
func (e *Event) Definition() (*Type, bool) { return e.typ, e.typ != nil }

// Canonical returns the RFC 8785 text of the event. The caller may not change it.
func (e *Event) Canonical() []byte {
	if e.text == nil {
		return e.appendText(make([]byte, 0, e.size()))
	}
	return slices.Clip(e.text)
}

// size is the length of the canonical text.
func (e *Event) size() int {
	if e.text != nil {
		return len(e.text)
	}
	n := len("{}") + max(0, len(e.members)-1)
	for i := range e.members {
		n += len(`"":`) + len(e.members[i].Name) + len(e.members[i].Value)
		if e.fields == 0 && needsEscape(e.members[i].Name) { // no name of the catalogue does
			n += len(quote(e.members[i].Name)) - len(`""`) - len(e.members[i].Name)
		}
	}
	return n
}

// appendText writes the canonical text. Members are in order.
func (e *Event) appendText(text []byte) []byte {
	text = append(text, '{')
	for i := range e.members {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendQuoted(text, e.members[i].Name)
		text = append(text, ':')
		text = append(text, e.members[i].Value...)
	}
	return append(text, '}')
}

// Members returns the members in canonical order. The caller may not change them.
func (e *Event) Members() []Member { return slices.Clip(e.members) }

// Len returns the number of members.
func (e *Event) Len() int { return len(e.members) }

// find returns where name is, or where it would be inserted.
func (e *Event) find(name string) (int, bool) {
	// A linear search beats a binary one at the dozen members of an event.
	for i := range e.members {
		if n := e.members[i].Name; n == name {
			return i, true
		}
	}
	return 0, false
}

// member is Get for a name of the catalogue. Where the places of the members were
// noted, nothing is searched.
func (e *Event) member(n name) (json []byte, ok bool) {
	if e.fields == 0 {
		return e.Get(n.String())
	}
	bit := uint64(1) << e.typ.places[n]
	if e.fields&bit == 0 {
		return nil, false
	}
	return e.members[bits.OnesCount64(e.fields&(bit-1))].Value, true
}

// Get returns the value of a member as canonical JSON.
func (e *Event) Get(name string) (json []byte, ok bool) {
	if i, ok := e.find(name); ok {
		return e.members[i].Value, true
	}
	return nil, false
}

// Has says whether the event has a member of that name, null included.
func (e *Event) Has(name string) bool { _, ok := e.find(name); return ok }

// Str returns the value of a member that is a JSON string, unescaped. It is ""
// where there is no such member and where its value is not a string.
func (e *Event) Str(name string) string {
	i, ok := e.find(name)
	if !ok {
		return ""
	}
	s, _ := unquote(e.members[i].Value)
	return s
}

// With returns the event with one member added or replaced. The value is any
// valid JSON; With panics if it is not, because it comes from code and not from
// the outside. To add several members at once, use [Event.WithMembers].
func (e *Event) With(name string, jsonValue []byte) *Event {
	return e.WithMembers(Member{name, jsonValue})
}

// WithString returns the event with one member added or replaced by a string.
func (e *Event) WithString(name, value string) *Event {
	return e.WithMembers(Member{name, quote(value)})
}

// WithMembers returns the event with members added or replaced.
// Like [Event.With], it panics where a value is not JSON.
func (e *Event) WithMembers(ms ...Member) *Event {
	b := newBuilder(len(e.members) + len(ms))
	b.members = append(b.members, e.members...)
	for _, m := range ms {
		if !plainScalar(m.Value) {
			v := jsontext.Value(slices.Clone(m.Value))
			if err := v.Canonicalize(); err != nil {
				panic("event: With: the value of member " + m.Name + " is not JSON")
			}
			m.Value = v
		}
		b.set(m.Name, m.Value)
	}
	return b.event()
}

// Without returns the event without the named members.
func (e *Event) Without(names ...string) *Event {
	b := newBuilder(len(e.members))
	for _, m := range e.members {
		if !slices.Contains(names, m.Name) {
			b.members = append(b.members, m)
		}
	}
	return b.event()
}

// String says what kind of event it is and nothing about the person. It and the
// two below have a value as receiver so that a copy is as silent as the event.
func (e Event) String() string {
	if e.typ != nil {
		return "[event " + e.typ.Name + "]"
	}
	return "[event]"
}

// Format prints what String does, whatever the verb.
func (e Event) Format(f fmt.State, _ rune) { fmt.Fprint(f, e.String()) }

// LogValue logs what String says.
func (e Event) LogValue() slog.Value { return slog.StringValue(e.String()) }

// MarshalJSON returns the canonical text: asking for the JSON of an event is
// asking for its content, unlike printing it.
func (e *Event) MarshalJSON() ([]byte, error) { return e.Canonical(), nil }

// New makes an event from members in any order, values being canonical JSON
// already. It is for code that builds statements; text from outside goes
// through [Parse].
func New(ms ...Member) (*Event, error) {
	b := newBuilder(len(ms))
	for _, m := range ms {
		v := jsontext.Value(slices.Clone(m.Value))
		if err := v.Canonicalize(); err != nil {
			return nil, fmt.Errorf("building an event: member %s is not JSON", shownName(m.Name))
		}
		for i := range b.members {
			if b.members[i].Name == m.Name {
				return nil, errors.New("building an event: a member is given twice")
			}
		}
		b.set(m.Name, v)
	}
	e := b.event()
	if len(e.text) > MaxSize {
		return nil, refuse(Reason{Reason: TooLarge, Hint: "an event is at most 65,535 bytes"})
	}
	return e, nil
}

// A builder gathers canonical members in any order.
type builder struct{ members []Member }

func newBuilder(n int) *builder { return &builder{make([]Member, 0, n)} }

func (b *builder) set(name string, value []byte) {
	for i := range b.members {
		if b.members[i].Name == name {
			b.members[i].Value = value
			return
		}
	}
	b.members = append(b.members, Member{name, value})
}

func (b *builder) setString(name, value string) { b.set(name, quote(value)) }

func (b *builder) get(name string) []byte {
	for i := range b.members {
		if b.members[i].Name == name {
			return b.members[i].Value
		}
	}
	return nil
}

// event sorts the members and writes the text. The event takes the member list
// over, so the builder is not used again.
func (b *builder) event() *Event {
	ms := b.members
	b.members = nil
	// Insertion sort: the members are few and mostly in order.
	for i := 1; i < len(ms); i++ {
		m, j := ms[i], i
		for ; j > 0 && nameBefore(m.Name, ms[j-1].Name); j-- {
			ms[j] = ms[j-1]
		}
		if j < i {
			ms[j] = m
		}
	}
	n := 2
	for _, m := range ms {
		n += len(m.Name) + len(m.Value) + 4
	}
	text := make([]byte, 0, n)
	text = append(text, '{')
	for i := range ms {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendQuoted(text, ms[i].Name)
		text = append(text, ':')
		at := len(text)
		text = append(text, ms[i].Value...)
		// Of the finished text, so that what came in can go; or of the text as it was
		// before it had to grow, where a name needs escapes.
		ms[i].Value = text[at:len(text):len(text)]
	}
	return newEvent(append(text, '}'), ms)
}

// nameBefore is compareNames(a, b) < 0, decided by the first bytes where it can be.
func nameBefore(a, b string) bool {
	if a != "" && b != "" && a[0] != b[0] && a[0]|b[0] < utf8.RuneSelf {
		return a[0] < b[0]
	}
	return compareNames(a, b) < 0
}

// compareNames orders member names as RFC 8785, section 3.2.3 does: by UTF-16
// code units, which for ASCII is bytewise.
func compareNames(a, b string) int {
	for {
		if a == "" || b == "" {
			return len(a) - len(b)
		}
		if a[0] < utf8.RuneSelf && b[0] < utf8.RuneSelf {
			if a[0] != b[0] {
				return int(a[0]) - int(b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		ra, na := utf8.DecodeRuneInString(a)
		rb, nb := utf8.DecodeRuneInString(b)
		if ra != rb {
			// Code points above the basic plane sort by their surrogates, hence
			// before the ones from U+E000 to U+FFFF.
			if hi, _ := utf16.EncodeRune(ra); ra > 0xFFFF {
				ra = hi
			}
			if hi, _ := utf16.EncodeRune(rb); rb > 0xFFFF {
				rb = hi
			}
			if ra != rb {
				return int(ra) - int(rb)
			}
			return strings.Compare(a, b)
		}
		a, b = a[na:], b[nb:]
	}
}
