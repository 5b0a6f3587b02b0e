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
	p := f.purpose(f.str(nPurpose), "/purpose")
	if p == nil {
		return
	}
	if f.t.Name != "processing.denied" {
		f.active(p, "/purpose")
	}
	ms := make([]filled, 0, 8)
	ms = append(ms, f.pass(nPurpose), f.pass(nBatch))
	switch f.t.Name {
	case "processing.performed":
		f.categories("categories", p)
		f.echo(nBasis, quote(p.LegalBasis))
		ms = append(ms, stringMember(nBasis, p.LegalBasis), f.pass(nOperation), f.pass(nChannel), f.pass(nCategories), f.pass(nSystem))
	case "processing.denied":
		ms = append(ms, f.pass(nOperation), f.pass(nReasons), f.pass(nRecipient), f.pass(nChannel))
	case "data.disclosed":
		f.categories("attributes", p)
		f.recipient()
		f.echo(nBasis, quote(p.LegalBasis))
		if !f.has(nRecipientRef) {
			f.warn("recipient_ref_missing", "/recipient_ref", "after an erasure the recipient cannot be told whom to erase (Art. 19)")
		}
		ms = append(ms, stringMember(nBasis, p.LegalBasis), f.pass(nRecipient), f.pass(nAttributes), f.pass(nRecipientRef))
	case "communication.sent":
		channel := f.str(nChannel)
		if p.Channels != nil && channel != "" && !oneOf(channel, p.Channels) {
			f.rs.add(ValueNotAllowed, "/channel", fmt.Sprintf("%s is declared for %s", p.ID, strings.Join(p.Channels, ", ")))
		}
		contact := f.contact(channel)
		if contact == "" {
			contact, _ = f.facts.ContactOf(p.ID, channel)
		}
		advertising := boolValue(p.Advertising)
		f.echo(nAdvertising, advertising)
		ms = append(ms, f.pass(nChannel), stringMember(nContact, contact), filled{nAdvertising, advertising}, f.pass(nTemplate))
	}
	f.emitLast(ms...)
}

// recipient refuses recipients that the register does not have; whether one may
// receive this person's data is for `may` to say.
func (f *filler) recipient() {
	id := f.str(nRecipient)
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
	case len(ds) == 0 && !f.has(nPurpose) && !f.has(nPurposes) && !f.rs.at("/form"):
		f.rs.add(MissingMember, "/purpose", "the purpose_id of a declared purpose")
	case len(ds) > 1 && !f.has(nPurposes) && form != nil:
		f.rs.add(MissingMember, "/purposes", fmt.Sprintf("form %s asks about several purposes: %s", form.ID, strings.Join(form.Purposes, ", ")))
	}
	channel := f.str(nChannel)
	if channel == "" && form != nil {
		channel = form.Channel
	}
	categories := f.pass(nCategories)
	if categories.value == nil && form != nil {
		categories = filled{nCategories, form.Event.value("categories")}
	}
	if categories.value == nil {
		f.rs.add(MissingMember, "/categories", "names of what was collected: EmailAddress")
	}
	source := f.str(nSource)
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
		if s := f.str(nContact); s != "" {
			// Any contact may stand on a business card, so it need not fit the channel.
			contact, _ = NormalContact(s)
		}
		f.emit(stringMember(nPurpose, d.purpose), stringMember(nChannel, via), stringMember(nContact, contact),
			formMember(form), noticeMember(notice), categories, stringMember(nSource, source), f.pass(nCollector))
	}
}

func (e *Event) value(name string) []byte { v, _ := e.Get(name); return v }

// rights fills the events about rights.
func (f *filler) rights() {
	f.late(lateAfter)
	switch f.t.Name {
	case "right.requested":
		channel := f.str(nChannel)
		contact, _ := NormalContact(f.str(nContact)) // where the answer goes; it need not fit the channel
		due := quotedTime(Period{Months: 1}.After(f.at))
		f.echo(nDue, due)
		f.emit(f.pass(nRight), stringMember(nChannel, channel), stringMember(nContact, contact),
			f.pass(nIdentity), f.pass(nScope), f.pass(nAgent), filled{nDue, due})
	case "chain.asserted":
		f.emit(f.pass(nChains), f.pass(nOf))
	default:
		f.held()
	}
}
