package event

import (
	"fmt"
	"strings"
)

// processing fills the events about what is done with data.
func (f *filler) processing() {
	if f.t.Name == "data.collected" {
		f.collected()
		return
	}
	f.late(lateAfter)
	p := f.purpose(f.str("purpose"), "/purpose")
	if p == nil {
		return
	}
	if f.t.Name != "processing.denied" {
		f.active(p, "/purpose")
	}
	ms := make([]Member, 0, 8)
	ms = append(ms, f.pass("purpose"), f.pass("batch"))
	switch f.t.Name {
	case "processing.performed":
		f.categories("categories", p)
		f.echo("basis", quote(p.LegalBasis))
		ms = append(ms, stringMember("basis", p.LegalBasis), f.pass("operation"), f.pass("channel"), f.pass("categories"), f.pass("system"))
	case "processing.denied":
		ms = append(ms, f.pass("operation"), f.pass("reasons"), f.pass("recipient"), f.pass("channel"))
	case "data.disclosed":
		f.categories("attributes", p)
		f.recipient()
		f.echo("basis", quote(p.LegalBasis))
		if !f.short.Has("recipient_ref") {
			f.warn("recipient_ref_missing", "/recipient_ref", "after an erasure the recipient cannot be told whom to erase (Art. 19)")
		}
		ms = append(ms, stringMember("basis", p.LegalBasis), f.pass("recipient"), f.pass("attributes"), f.pass("recipient_ref"))
	case "communication.sent":
		channel := f.str("channel")
		if p.Channels != nil && channel != "" && !oneOf(channel, p.Channels) {
			f.rs.add(ValueNotAllowed, "/channel", fmt.Sprintf("%s is declared for %s", p.ID, strings.Join(p.Channels, ", ")))
		}
		contact := f.contact(channel)
		if contact == "" {
			contact, _ = f.facts.ContactOf(p.ID, channel)
		}
		advertising := boolValue(p.Advertising)
		f.echo("advertising", advertising)
		ms = append(ms, f.pass("channel"), stringMember("contact", contact), Member{"advertising", advertising}, f.pass("template"))
	}
	f.emitLast(ms...)
}

// recipient refuses recipients that the register does not have; whether one may
// receive this person's data is for `may` to say.
func (f *filler) recipient() {
	id := f.str("recipient")
	if id == "" {
		return
	}
	if _, ok := f.r.Recipient(id, 0); !ok {
		f.rs.add(RecipientUnknown, "/recipient", didYouMean(id, f.r.recipients.ids(), "no recipient is registered yet"))
	}
}

func (f *filler) collected() {
	form := f.form()
	notice := f.notice(form)
	after := lateAfter
	if form != nil {
		after = form.LateAfter
	}
	f.late(after)
	ds := f.chosen(form)
	switch {
	case len(ds) == 0 && !f.short.Has("purpose") && !f.short.Has("purposes") && !f.rs.at("/form"):
		f.rs.add(MissingMember, "/purpose", "the purpose_id of a declared purpose")
	case len(ds) > 1 && !f.short.Has("purposes") && form != nil:
		f.rs.add(MissingMember, "/purposes", fmt.Sprintf("form %s asks about several purposes: %s", form.ID, strings.Join(form.Purposes, ", ")))
	}
	channel := f.str("channel")
	if channel == "" && form != nil {
		channel = form.Channel
	}
	categories := f.pass("categories")
	if categories.Value == nil && form != nil {
		categories = Member{"categories", form.Event.value("categories")}
	}
	if categories.Value == nil {
		f.rs.add(MissingMember, "/categories", "names of what was collected: EmailAddress")
	}
	source := f.str("source")
	if source == "" {
		source = "subject"
	}
	for _, d := range ds {
		p := f.allowed(d, form)
		if p == nil {
			continue
		}
		f.categories("categories", p)
		via := channel
		if via == "" && len(p.Channels) == 1 {
			via = p.Channels[0]
		}
		if via == "" {
			f.rs.add(MissingMember, "/channel", "one of: "+strings.Join(channels, ", "))
		}
		contact := ""
		if s := f.str("contact"); s != "" {
			// Any contact may stand on a business card, so it need not fit the channel.
			contact, _ = NormalContact(s)
		}
		f.emit(stringMember("purpose", d.purpose), stringMember("channel", via), stringMember("contact", contact),
			formMember(form), noticeMember(notice), categories, stringMember("source", source), f.pass("collector"))
	}
}

func (e *Event) value(name string) []byte { v, _ := e.Get(name); return v }

// rights fills the events about rights.
func (f *filler) rights() {
	f.late(lateAfter)
	switch f.t.Name {
	case "right.requested":
		channel := f.str("channel")
		contact, _ := NormalContact(f.str("contact")) // where the answer goes; it need not fit the channel
		due := quotedTime(Period{Months: 1}.After(f.at))
		f.echo("due", due)
		f.emit(f.pass("right"), stringMember("channel", channel), stringMember("contact", contact),
			f.pass("identity"), f.pass("scope"), f.pass("agent"), Member{"due", due})
	case "chain.asserted":
		f.emit(f.pass("chains"), f.pass("of"))
	default:
		f.held()
	}
}
