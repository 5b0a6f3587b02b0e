package event

import (
	"fmt"
	"strings"
)

// A withdrawal is never refused (Art. 7(3)), so what would be a reason to refuse
// another event widens this one: a purpose that nobody declared becomes every
// purpose, a contact that is none becomes every contact, a time in the future
// becomes now. What was written stays beside it as claimed_…, and the writer is
// warned. Otherwise a misspelt purpose would leave the mails going out. What says
// nothing about whose consent it is, and is faulty, is left out with a warning:
// an empty reason, a member that does not exist.
func (f *filler) widenWithdrawal() {
	s := f.short
	var rs reasons
	if v, ok := s.Get("subject"); !ok {
		return // nobody can be withdrawn from; all faults are named
	} else if checkValue(subjectKind, nil, v, "/subject", &rs); len(rs.list) > 0 {
		return
	}
	claim := func(name, code, text string) {
		v, _ := s.Get(name)
		claimed := name
		if name == "event_time" {
			claimed = "time"
		}
		if str, ok := unquote(v); ok && str != "" && len(str) <= 4096 {
			f.set(nameOf("claimed_"+claimed), v)
		}
		s = s.Without(name)
		f.warn(code, "/"+name, text)
	}
	if v, ok := s.Get("purpose"); ok && v[0] == '"' {
		if p, _ := unquote(v); p != "*" {
			if _, known := f.r.Purpose(p, f.c.Now); !known {
				hint := didYouMean(p, f.r.purposes.ids(), "no purpose is declared yet")
				claim("purpose", PurposeUndeclared, hint+"; recorded as a withdrawal of everything")
			}
		}
	}
	if v, ok := s.Get("channel"); ok && v[0] == '"' {
		if c, _ := unquote(v); !oneOf(c, channels) {
			claim("channel", OutOfRange, didYouMean(c, channels, "")+"; recorded for every channel")
		}
	}
	if v, ok := s.Get("form"); ok {
		ref, ok := readRef(v)
		if _, known := f.r.Form(ref.ID, ref.Version); !ok || !known {
			s = s.Without("form")
			f.warn(FormUnknown, "/form", didYouMean(ref.ID, f.r.forms.ids(), "no form is published yet")+"; recorded without it")
		}
	}
	if v, ok := s.Get("contact"); ok && v[0] == '"' {
		text, _ := unquote(v)
		channel := s.Str("channel")
		if ref, ok := s.FormRef(); ok && channel == "" {
			if form, ok := f.r.Form(ref.ID, ref.Version); ok {
				channel = form.Channel
			}
		}
		switch c, err := NormalContact(text); {
		case err != nil:
			claim("contact", OutOfRange, err.Error()+"; recorded for every contact")
		case channel != "" && !contactFits(channel, c):
			claim("contact", ContactPointMismatch, "not a contact of that channel; recorded for every contact and channel")
			s = s.Without("channel", "form")
		}
	}
	if v, ok := s.Get("event_time"); ok && v[0] == '"' {
		text, _ := unquote(v)
		switch t, err := ParseTime(text); {
		case err != nil:
			claim("event_time", OutOfRange, err.Error()+"; recorded as of now")
		case t.After(f.c.Now.Add(clockSkew)):
			claim("event_time", EventTimeInFuture, "recorded as of now")
		}
	}
	for _, m := range s.members {
		rs := reasons{}
		if known, ok := f.t.Field(m.Name); !ok {
			unknownMember(f.t, m.Name, false, &rs)
		} else {
			checkValue(known.Short, known.Values, m.Value, "/"+m.Name, &rs)
			if m.Name == "id" && len(m.Value) > 130 {
				rs.add(OutOfRange, "/id", "1 to 128 bytes without control characters")
			}
		}
		switch m.Name {
		case "schema", "late": // the ledger fills them, whatever was sent
			s = s.Without(m.Name)
			continue
		case "actor":
			if id, ok := field(m.Value, "id"); ok && len(rs.list) == 0 {
				s = s.With("actor", append(append([]byte(`{"id":`), id...), '}'))
				continue
			}
			s = s.Without("actor")
		}
		if len(rs.list) > 0 {
			s = s.Without(m.Name)
			f.warn(rs.list[0].Reason, rs.list[0].Path, strings.TrimPrefix(rs.list[0].Hint+"; recorded without it", "; "))
		}
	}
	f.short = s
}

func (f *filler) withdrawn() {
	form := f.form()
	channel := f.str(nChannel)
	after := lateAfter
	if form != nil {
		after = form.LateAfter
		if channel == "" {
			channel = form.Channel
		}
	}
	f.late(after)
	purpose := f.str(nPurpose)
	if purpose == "" {
		purpose = "*"
	}
	if !f.facts.Known() {
		f.warn("unknown_subject", "/subject", fmt.Sprintf("nothing is recorded of this person; kept in compartment %s until lifted", Suppression))
	}
	// The contact is not taken from the consent: a person with two of them would
	// keep getting mail at the other.
	f.emit(stringMember(nPurpose, purpose), stringMember(nChannel, channel), stringMember(nContact, f.contact(channel)),
		formMember(form), f.pass(nReason))
}
