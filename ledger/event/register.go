package event

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Register is the fold of the register events: what the controller has declared,
// in all its versions. It is immutable: [Register.Apply] returns a new one that
// shares what did not change, so a reader keeps a consistent view for as long
// as it likes. The nil Register is empty.
type Register struct {
	controllers shelf[*Controller]
	purposes    shelf[*Purpose]
	notices     shelf[*Notice]
	forms       shelf[*Form]
	recipients  shelf[*Recipient]
	orders      shelf[*Preservation]
}

// NewRegister returns an empty register.
func NewRegister() *Register { return &Register{} }

// A shelf holds the versions of everything of one kind, oldest first.
type shelf[T interface{ entry() *Entry }] map[string][]T

// with returns the shelf with a further version.
func (s shelf[T]) with(x T) (shelf[T], error) {
	e := x.entry()
	have := s[e.ID]
	if e.Version != len(have)+1 {
		return nil, fmt.Errorf("version %d follows version %d", e.Version, len(have))
	}
	out := maps.Clone(s)
	if out == nil {
		out = make(shelf[T])
	}
	out[e.ID] = append(have[:len(have):len(have)], x)
	return out, nil
}

// version returns one version, or the newest for 0.
func (s shelf[T]) version(id string, version int) (x T, ok bool) {
	have := s[id]
	if version == 0 {
		version = len(have)
	}
	if version < 1 || version > len(have) {
		return x, false
	}
	return have[version-1], true
}

// at returns the newest version since a time, and the oldest for times before
// all of them: what was done before a purpose was written down was still done
// for it. The zero time asks for the newest.
func (s shelf[T]) at(id string, t time.Time) (x T, ok bool) {
	have := s[id]
	if len(have) == 0 {
		return x, false
	}
	for i := len(have) - 1; i > 0; i-- {
		if t.IsZero() || !have[i].entry().Since.After(t) {
			return have[i], true
		}
	}
	return have[0], true
}

func (s shelf[T]) ids() []string { return slices.Sorted(maps.Keys(s)) }

func (s shelf[T]) newest() []T {
	out := make([]T, 0, len(s))
	for _, id := range s.ids() {
		out = append(out, s[id][len(s[id])-1])
	}
	return out
}

func (r *Register) orEmpty() *Register {
	if r == nil {
		return &Register{}
	}
	return r
}

// Controller returns the controller at a time; a ledger has one, and if several
// were registered it is the first by name.
func (r *Register) Controller(at time.Time) (*Controller, bool) {
	r = r.orEmpty()
	for _, id := range r.controllers.ids() {
		return r.controllers.at(id, at)
	}
	return nil, false
}

// Purpose returns the newest version of a purpose at a time (zero: now).
func (r *Register) Purpose(id string, at time.Time) (*Purpose, bool) {
	return r.orEmpty().purposes.at(id, at)
}

// Purposes returns the newest version of every purpose, by name.
func (r *Register) Purposes() []*Purpose { return r.orEmpty().purposes.newest() }

// Notice returns one version of a notice, the newest for version 0.
func (r *Register) Notice(id string, version int) (*Notice, bool) {
	return r.orEmpty().notices.version(id, version)
}

// NoticeAt returns the newest version of a notice that was in effect at a time;
// not ok before the first was.
func (r *Register) NoticeAt(id string, at time.Time) (*Notice, bool) {
	n, ok := r.orEmpty().notices.at(id, at)
	if !ok || !at.IsZero() && n.Since.After(at) {
		return nil, false
	}
	return n, true
}

// Superseded returns the first version after the given one that ends the
// consents which refer to earlier versions, if it was in effect at a time.
func (r *Register) Superseded(n Ref, at time.Time) (*Notice, bool) {
	for _, x := range r.orEmpty().notices[n.ID] {
		if x.Version > n.Version && x.Material && !x.Since.After(at) {
			return x, true
		}
	}
	return nil, false
}

// Notices returns the newest version of every notice, by name.
func (r *Register) Notices() []*Notice { return r.orEmpty().notices.newest() }

// Form returns one version of a form, the newest for version 0.
func (r *Register) Form(id string, version int) (*Form, bool) {
	return r.orEmpty().forms.version(id, version)
}

// FormAt returns the newest version of a form at a time (zero: now).
func (r *Register) FormAt(id string, at time.Time) (*Form, bool) { return r.orEmpty().forms.at(id, at) }

// Forms returns the newest version of every form, by name.
func (r *Register) Forms() []*Form { return r.orEmpty().forms.newest() }

// Recipient returns one version of a recipient, the newest for version 0.
func (r *Register) Recipient(id string, version int) (*Recipient, bool) {
	return r.orEmpty().recipients.version(id, version)
}

// RecipientAt returns the newest version of a recipient at a time (zero: now).
func (r *Register) RecipientAt(id string, at time.Time) (*Recipient, bool) {
	return r.orEmpty().recipients.at(id, at)
}

// Recipients returns the newest version of every recipient, by name.
func (r *Register) Recipients() []*Recipient { return r.orEmpty().recipients.newest() }

// Preserved returns the order that keeps a compartment from being erased now,
// whoever it is about; not ok if there is none.
func (r *Register) Preserved(compartment string) (*Preservation, bool) {
	for _, p := range r.Preservations() {
		if p.Active && (p.Compartments == nil || slices.Contains(p.Compartments, compartment)) {
			return p, true
		}
	}
	return nil, false
}

// Preservations returns the newest version of every order to preserve, by name.
func (r *Register) Preservations() []*Preservation { return r.orEmpty().orders.newest() }

// errNotRegister is what Apply says to an event of another area.
var errNotRegister = errors.New("not a register event")

// Apply returns the register with one register event in full form added. leaf
// is the event's leaf hash, which full forms that refer to it will carry; nil
// leaves that out. Events come in the order of the log; a version that does not
// follow the one before is an error. Other events are errors too.
//
// A public leaf has no member "public"; its event may be applied as it is, or
// through [ParseStatement].
func (r *Register) Apply(full *Event, leaf []byte) (*Register, error) {
	t, ok := Lookup(full.Type())
	if !ok || !t.Register() {
		return nil, fmt.Errorf("applying to the register: %w", errNotRegister)
	}
	base := Entry{ID: full.Str(t.idField), Since: full.Time(), Event: full, Leaf: slices.Clone(leaf)}
	if v, ok := full.Get("public"); !ok || isTrue(v) {
		base.Public = true
	}
	v, _ := full.Get("version")
	if base.Version, ok = intOf(v); !ok || base.ID == "" || base.Since.IsZero() {
		return nil, fmt.Errorf("applying %s to the register: not in full form", t.Name)
	}
	base.ref = base.reference(t.Name == "form.published")
	next := *r.orEmpty()
	var err error
	switch t.Name {
	case "controller.registered":
		next.controllers, err = next.controllers.with(readController(base))
	case "purpose.declared":
		next.purposes, err = next.purposes.with(readPurpose(base))
	case "notice.published":
		next.notices, err = next.notices.with(readNotice(base))
	case "form.published":
		next.forms, err = next.forms.with(readForm(base))
	case "recipient.registered":
		next.recipients, err = next.recipients.with(readRecipient(base))
	case "preservation.ordered":
		next.orders, err = next.orders.with(readPreservation(base))
	}
	if err != nil {
		return nil, fmt.Errorf("applying %s to the register: %w", t.Name, err)
	}
	return &next, nil
}

// IsRegister says whether events of a type change the register.
func IsRegister(typ string) bool {
	t, ok := Lookup(typ)
	return ok && t.Register()
}
