package event

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// Actor is who writes, as the credential says.
type Actor struct {
	Role    string // append, subject, admin, …; "" counts as append
	Service string // name of the service that the token or certificate belongs to
	ID      string // of a person behind the credential; not sealed unless the writer sends it
}

// Context is what Fill needs beside the event.
type Context struct {
	Now      time.Time
	Register *Register
	Actor    Actor
	Facts    Facts         // what was recorded of the person; nil: nothing
	NewID    func() string // draws the id of an event that comes without; nil: [NewID] from the system's generator
	Internal bool          // the ledger itself writes: types that only it may make are accepted
}

// clockSkew is how far ahead of the ledger's clock a writer's may be.
const clockSkew = 5 * time.Minute

// NewID draws a UUID of version 4 (RFC 9562).
func NewID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("drawing an id: %w", err)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

func systemID() string {
	id, err := NewID(rand.Reader)
	if err != nil {
		panic("event: " + err.Error()) // the system's generator does not fail
	}
	return id
}

// Fill makes the full form of an event. One request may become several events,
// one for each purpose that was decided on; they are recorded together or not at
// all, and their ids are id, id/2, id/3, in the canonical order of the purposes.
// A register event whose content is recorded already gives no event and the
// warning "unchanged".
//
// The error is a *[Refused] with everything that is wrong. A withdrawal is
// refused only where it names no subject: what it names and the ledger does not
// know widens it, because the doubt is not the person's.
func Fill(c Context, short *Event) (full []*Event, warnings []Warning, err error) {
	f := &filler{c: c, short: short, r: c.Register.orEmpty(), facts: c.Facts}
	if f.facts == nil {
		f.facts = nobody{}
	}
	if f.t = typeOf(short, &f.rs); f.t == nil {
		return nil, nil, f.rs.err()
	}
	if f.t.LedgerOnly && !c.Internal {
		return nil, nil, Refuse(LedgerOnly, "/type", "the ledger makes these events itself")
	}
	if f.t.Area == AreaLog {
		checkForm(f.t, short, true, &f.rs)
		if err := f.rs.err(); err != nil {
			return nil, nil, err
		}
		return []*Event{short}, nil, nil
	}
	if f.t.Name == "consent.withdrawn" {
		f.widenWithdrawal()
	}
	checkForm(f.t, f.short, false, &f.rs)
	f.clock()
	f.common()
	switch f.t.Area {
	case AreaRegister:
		f.register()
	case AreaConsent:
		f.consent()
	case AreaProcessing:
		f.processing()
	case AreaRights:
		f.rights()
	}
	f.nothingLost()
	if err := f.rs.err(); err != nil {
		return nil, nil, err
	}
	for _, e := range f.out {
		if e.size() > maxFull {
			return nil, nil, Refuse(TooLarge, "", "an event is at most 65,535 bytes")
		}
	}
	return f.out, f.warnings, nil
}

// filler is one call of Fill.
type filler struct {
	c        Context
	r        *Register
	facts    Facts
	t        *Type
	short    *Event
	at       time.Time // event_time
	base     draft     // what all full events of this request share
	rs       reasons
	warnings []Warning
	out      []*Event
}

func (f *filler) warn(code, path, text string) {
	f.warnings = append(f.warnings, Warning{code, path, text})
}

// has says whether the writer sent a member.
func (f *filler) has(n name) bool { _, ok := f.short.member(n); return ok }

// str returns a string member, "" if it is missing or was found faulty.
func (f *filler) str(n name) string {
	if len(f.rs.list) > 0 && f.rs.at("/"+n.String()) {
		return ""
	}
	v, _ := f.short.member(n)
	s, _ := unquote(v)
	return s
}

// A draft gathers members in any order, each at its place among the fields of the
// type. None is looked for, and none has to be sorted.
type draft struct {
	fields uint64 // places that are filled, a bit each
	values [maxFields][]byte
}

// set adds or replaces a member, which the type has to have.
func (d *draft) set(t *Type, n name, value []byte) {
	i := t.places[n]
	d.values[i] = value
	d.fields |= 1 << i
}

// A filled member is one by the number of its name; without a value it is left out.
type filled struct {
	name  name
	value []byte
}

// set sets what all events of the request share.
func (f *filler) set(n name, value []byte) { f.base.set(f.t, n, value) }

// clock settles event_time.
func (f *filler) clock() {
	f.at = f.c.Now.UTC().Truncate(time.Millisecond)
	if s := f.str(nEventTime); s != "" {
		t, err := ParseTime(s)
		if err != nil {
			return // checkForm has said so
		}
		if t.After(f.c.Now.Add(clockSkew)) {
			f.rs.add(EventTimeInFuture, "/event_time", "the clock of the writer is more than 5 minutes ahead of the ledger's")
			return
		}
		f.at = t
	}
}

// common fills what every event has.
func (f *filler) common() {
	pass := func(n name) {
		if v, ok := f.short.member(n); ok {
			f.set(n, v)
		}
	}
	f.echo(nSchema, f.t.schema)
	if id := f.str(nID); len(id) > 128 {
		f.rs.add(OutOfRange, "/id", "1 to 128 bytes without control characters")
	}
	f.set(nActor, f.actor())
	if f.has(nEventTime) {
		f.set(nEventTime, quotedTime(f.at))
	} else {
		f.set(nEventTime, quotedNow(f.at))
	}
	pass(nLateReason)
	f.set(nSchema, f.t.schema)
	if f.t.About() {
		pass(nEvidence)
		if f.has(nFeed) != f.has(nFeedSeq) {
			f.rs.add(MissingMember, "/feed_seq", "a feed and a number in it go together")
		}
		pass(nMessageID)
		pass(nSubject)
	}
	pass(nSupersedes)
	pass(nTest)
	f.set(nType, f.t.quoted)
}

func (f *filler) actor() []byte {
	role := f.c.Actor.Role
	if role == "" {
		role = "append"
	}
	v, ok := f.short.member(nActor)
	if !ok {
		return actorText(role, f.c.Actor.Service)
	}
	b := newBuilder(3)
	b.setString("role", role)
	if f.c.Actor.Service != "" {
		b.setString("service", f.c.Actor.Service)
	}
	if !f.rs.at("/actor") {
		for name, x := range fields(v) {
			if name == "id" {
				b.set("id", x)
				if f.t.Register() && f.short.flag("public") {
					f.rs.add(NotPublic, "/actor/id", "staff must not appear on public tiles")
				}
			} else if have := b.get(name); string(have) != string(x) {
				f.rs.add(NotYours, pointer("/actor", name), "leave it out: it comes from the credential")
			}
		}
	}
	return b.event().text
}

// actorText is the member actor where the writer sent none. One service sends most
// events of a process, so the last text is kept.
func actorText(role, service string) []byte {
	last := lastActor.Load()
	if last == nil || last.role != role || last.service != service {
		last = &actorMember{role, service, newActorText(role, service)}
		lastActor.Store(last)
	}
	return last.text
}

type actorMember struct {
	role, service string
	text          []byte
}

var lastActor atomic.Pointer[actorMember]

func newActorText(role, service string) []byte {
	b := make([]byte, 0, len(`{"role":"","service":""}`)+len(role)+len(service))
	b = append(b, `{"role":`...)
	b = appendQuoted(b, role)
	if service != "" {
		b = append(b, `,"service":`...)
		b = appendQuoted(b, service)
	}
	return append(b, '}')
}

// echo refuses a member that the ledger fills if the writer sent another value.
func (f *filler) echo(n name, value []byte) {
	if v, ok := f.short.member(n); ok && string(v) != string(value) {
		f.rs.add(NotYours, "/"+n.String(), "leave it out: the ledger fills it")
	}
}

// emit finishes one full event. It is not inlined, because each of several calls
// would have a draft of its own on the stack.
//
//go:noinline
func (f *filler) emit(ms ...filled) {
	d := f.base
	f.finish(&d, ms)
}

// emitLast is emit for the last event of the request: it takes the memory of
// what all events share.
func (f *filler) emitLast(ms ...filled) { f.finish(&f.base, ms) }

func (f *filler) finish(d *draft, ms []filled) {
	if len(f.rs.list) > 0 {
		return
	}
	for _, m := range ms {
		if m.value != nil {
			d.set(f.t, m.name, m.value)
		}
	}
	if id, ok := f.short.member(nID); ok && len(f.out) == 0 && len(id) > len(`""`) {
		d.set(f.t, nID, id)
	} else {
		d.set(f.t, nID, quote(f.id(len(f.out))))
	}
	e := newRoom(bits.OnesCount64(d.fields))
	for rest := d.fields; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		e.members = append(e.members, Member{f.t.Fields[i].Name, d.values[i]})
	}
	switch made := d.values[f.t.places[nType]]; {
	case f.t.Register():
		e = (&builder{e.members}).event() // the register keeps it
	case string(made) == string(f.t.quoted):
		e.typ, e.fields = f.t, d.fields
	default:
		e.typ = typeNamed(made)
	}
	e.at = f.at.UnixMilli() // as common wrote it
	f.out = append(f.out, e)
}

// id returns the id of the nth event of the request.
func (f *filler) id(n int) string {
	if n > 0 {
		first := f.out[0].Str("id")
		return first + "/" + string(intValue(n+1))
	}
	if id := f.short.Str("id"); id != "" {
		return id
	}
	if f.c.NewID != nil {
		return f.c.NewID()
	}
	return systemID()
}

// nothingLost refuses an event of which a member would not be sealed: what a
// writer says is recorded or refused, never dropped without a word. Members that
// are dropped by design (a token) have no full form. A withdrawal is not refused
// for that, and register events have their own rule, see content.
func (f *filler) nothingLost() {
	if f.t.Register() || f.t.Name == "consent.withdrawn" || len(f.rs.list) > 0 {
		return
	}
	if len(f.out) == 0 {
		f.rs.add(MissingMember, "/purpose", "the purpose_id of a declared purpose")
		return
	}
	// A consent.given that holds only refusals has no place for what describes a
	// grant.
	if !slices.ContainsFunc(f.out, func(e *Event) bool { return e.typ == f.t }) {
		return
	}
	lost := f.short.fields
	for _, e := range f.out {
		if e.typ == f.t {
			lost &^= e.fields
		}
	}
	if f.short.fields != 0 && lost == 0 {
		return // which is nearly always so
	}
	for _, m := range f.short.members {
		if slices.ContainsFunc(f.out, func(e *Event) bool { return e.Has(m.Name) }) {
			continue
		}
		if field, ok := f.t.Field(m.Name); ok && field.Full != kNothing {
			f.rs.add(ValueNotAllowed, "/"+m.Name, "leave it out: it has no meaning in this event")
		}
	}
}

// late marks an event that comes later than allowed after it happened.
func (f *filler) late(after time.Duration) {
	if !f.has(nEventTime) || f.c.Now.Sub(f.at) <= after { // without one it is now
		if f.has(nLate) {
			f.rs.add(NotYours, "/late", "leave it out: the ledger marks what is late")
		}
		return
	}
	f.set(nLate, jsonTrue)
	switch hours := int(after / time.Hour); {
	case f.has(nLateReason):
		f.warn("late", "/event_time", fmt.Sprintf("recorded as late: more than %d hours after it happened", hours))
	case f.t.Name == "consent.given":
		// Everything else is accepted and marked. A grant that is dated back
		// without a word is what a court would ask about first.
		f.rs.add(BackdatedNoReason, "/late_reason", fmt.Sprintf("event_time is more than %d hours ago; say why it comes late", hours))
	default:
		f.warn("late", "/event_time", fmt.Sprintf("recorded as late: more than %d hours after it happened; late_reason can say why", hours))
	}
}

// pass takes a member over as the writer sent it.
func (f *filler) pass(n name) filled {
	v, _ := f.short.member(n)
	return filled{n, v}
}
