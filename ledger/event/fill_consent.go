package event

import (
	"fmt"
	"strings"
)

// consent fills the events that prove consent.
func (f *filler) consent() {
	switch f.t.Name {
	case "notice.delivered", "notice.acknowledged":
		f.noticed()
	case "consent.requested":
		f.requested()
	case "consent.given":
		f.given()
	case "consent.refused":
		f.refused()
	case "consent.withdrawn":
		f.withdrawn()
	}
}

func (f *filler) noticed() {
	if !f.has(nNotice) {
		f.rs.add(MissingMember, "/notice", "the notice_id of a published notice")
	}
	n := f.notice(nil)
	channel := f.str(nChannel)
	contact := f.contact(channel)
	f.late(lateAfter)
	ms := []filled{noticeMember(n), stringMember(nChannel, channel), stringMember(nContact, contact)}
	if f.t.Name == "notice.delivered" {
		ms = append(ms, f.pass(nStatus), f.pass(nMedium))
		if n != nil {
			f.echo(nLang, quote(n.Lang))
			ms = append(ms, stringMember(nLang, n.Lang))
		}
	} else {
		ms = append(ms, f.pass(nMethod))
	}
	f.emit(ms...)
}

// a decision is one purpose with the person's answer.
type decision struct {
	purpose string
	yes     bool
	path    string
}

// chosen returns the purposes that the event is about: those it names, else those of its form.
func (f *filler) chosen(form *Form) []decision {
	var ds []decision
	switch {
	case f.has(nDecisions):
		v, _ := f.short.member(nDecisions)
		for purpose, x := range fields(v) {
			if validName(purpose) {
				ds = append(ds, decision{purpose, string(x) == `"yes"`, pointer("/decisions", purpose)})
			}
		}
	case f.has(nPurposes):
		for i, p := range f.short.list("purposes") {
			if validName(p) {
				ds = append(ds, decision{p, true, fmt.Sprintf("/purposes/%d", i)})
			}
		}
	case f.has(nPurpose):
		if p := f.str(nPurpose); p != "" {
			ds = append(ds, decision{p, true, "/purpose"})
		}
	case form != nil:
		for _, p := range form.Purposes {
			ds = append(ds, decision{p, true, "/form"})
		}
	}
	if f.has(nPurpose) && (f.has(nDecisions) || f.has(nPurposes)) {
		f.rs.add(ValueNotAllowed, "/purpose", "send either purpose, or decisions or purposes")
	}
	return ds
}

// allowed looks up the purpose of a decision and holds it against the form.
func (f *filler) allowed(d decision, form *Form) *Purpose {
	p := f.purpose(d.purpose, d.path)
	if d.yes && f.t.Name != "consent.refused" {
		f.active(p, d.path)
	}
	if form != nil && p != nil && p.ID == d.purpose && !oneOf(d.purpose, form.Purposes) {
		f.rs.add(PurposeNotOnForm, d.path, fmt.Sprintf("form %s asks about %s", form.ID, strings.Join(form.Purposes, ", ")))
	}
	return p
}

// channelOf settles the channel: the form's, else the one the event names.
func (f *filler) channelOf(form *Form) string {
	sent := f.str(nChannel)
	if form == nil {
		return sent
	}
	if sent != "" && sent != form.Channel {
		f.rs.add(ValueNotAllowed, "/channel", fmt.Sprintf("form %s is for channel %s", form.ID, form.Channel))
	}
	return form.Channel
}

func (f *filler) requested() {
	form := f.form()
	notice := f.notice(form)
	channel := f.channelOf(form)
	contact := f.contact(channel)
	if contact == "" && needsContact(channel) != nil {
		f.rs.add(MissingMember, "/contact", fmt.Sprintf("channel %s needs one: %s…", channel, strings.Join(needsContact(channel), "… or ")))
	}
	var expires filled
	if form != nil {
		if contact == "" && !form.DoubleOptIn.IsZero() {
			f.rs.add(MissingMember, "/contact", "double opt-in confirms a contact: mailto:…, tel:… or chat:…")
		}
		f.late(form.LateAfter)
		hash := f.str(nTokenHash)
		switch {
		case form.DoubleOptIn.IsZero() && f.has(nTokenHash):
			f.rs.add(ValueNotAllowed, "/doi_token_sha256", fmt.Sprintf("form %s has no double_opt_in", form.ID))
		case !form.DoubleOptIn.IsZero() && !f.has(nTokenHash):
			f.rs.add(MissingMember, "/doi_token_sha256", "double opt-in: SHA-256 of the token in the link, in hex")
		case hash != "":
			if len(f.facts.ByToken(hash)) > 0 {
				f.rs.add(TokenSpent, "/doi_token_sha256", "this token was used for an earlier request; draw a new one for each")
			}
			at := FormatTime(form.DoubleOptIn.After(f.at))
			f.echo(nTokenExpires, quote(at))
			expires = stringMember(nTokenExpires, at)
		}
	}
	for _, d := range f.chosen(form) {
		p := f.allowed(d, form)
		if p == nil || form == nil {
			continue
		}
		f.emit(append(f.circumstances(),
			stringMember(nPurpose, d.purpose), stringMember(nChannel, channel), stringMember(nContact, contact),
			formMember(form), noticeMember(notice), f.pass(nTokenHash), expires)...)
	}
}

func (f *filler) circumstances() []filled {
	return []filled{f.pass(nIP), f.pass(nUserAgent), f.pass(nLocale)}
}

func (f *filler) given() {
	if f.has(nToken) {
		f.confirmed()
		return
	}
	if f.has(nConfirmedBy) {
		f.rs.add(NotYours, "/confirmed_by", "send the token instead")
	}
	form := f.form()
	if !f.has(nForm) {
		f.rs.add(NoAffirmativeAct, "/form", "name the published form by which the person said yes")
	}
	notice := f.notice(form)
	channel := f.channelOf(form)
	contact := f.contact(channel)
	ds := f.chosen(form)
	if form != nil {
		f.late(form.LateAfter)
		if !form.DoubleOptIn.IsZero() {
			f.rs.add(MissingMember, "/token", fmt.Sprintf("form %s has double opt-in: the token of the link confirms", form.ID))
		}
		if len(ds) > 1 && !f.has(nDecisions) && !f.has(nPurposes) { // which it does not have; that was said
			f.rs.add(MissingMember, "/decisions", fmt.Sprintf(`form %s asks about several purposes: {"%s":"yes","%s":"no"}`, form.ID, form.Purposes[0], form.Purposes[1]))
		}
	}
	f.person(form)
	for _, d := range ds {
		p := f.allowed(d, form)
		if form == nil || p == nil {
			continue
		}
		who := contact
		var request string
		if q, ok := f.facts.OpenRequest(d.purpose, channel, contact); ok && q.Expires.IsZero() {
			request = q.ID
			if who == "" {
				who = q.Contact
			}
			if notice != nil && q.Notice.ID != "" && q.Notice != notice.Ref() {
				f.rs.add(NoticeMismatch, "/notice", "the person was asked with another version of the notice")
			}
		}
		if who == "" {
			who, _ = f.facts.ContactOf(d.purpose, channel)
		}
		if who == "" && needsContact(channel) != nil {
			f.rs.add(MissingMember, "/contact", fmt.Sprintf("channel %s needs one: %s…", channel, strings.Join(needsContact(channel), "… or ")))
		}
		if v, sent := f.short.member(nRequest); sent && string(v) != string(quote(request)) {
			f.rs.add(NotYours, "/request", "leave it out: the ledger finds the request")
		}
		f.decided(d, p, form, formMember(form), noticeMember(notice), channel, who, request, false)
	}
}

// decided emits the event for one decision.
func (f *filler) decided(d decision, p *Purpose, form *Form, formRef, noticeRef filled, channel, contact, request string, token bool) {
	ms := append(f.circumstances(),
		stringMember(nPurpose, d.purpose), stringMember(nChannel, channel), stringMember(nContact, contact), formRef)
	if !d.yes {
		if f.facts.Consented(d.purpose, channel, contact) {
			// A no where there was a yes is a withdrawal, and a withdrawal is
			// not refused; as consent.refused it would not fit the state.
			f.emit(stringMember(nType, "consent.withdrawn"), stringMember(nPurpose, d.purpose),
				stringMember(nChannel, channel), stringMember(nContact, contact), formRef)
			return
		}
		f.emit(append(ms, stringMember(nType, "consent.refused"), noticeRef, stringMember(nRequest, request))...)
		return
	}
	if p.Sensitive && form != nil && !form.Explicit {
		f.rs.add(ExplicitRequired, d.path, fmt.Sprintf("%s covers special categories and form %s does not name them", p.ID, form.ID))
	}
	by := f.str(nIndicatedBy)
	if by == "" {
		by = "subject"
	}
	ms = append(ms, noticeRef, stringMember(nRequest, request), stringMember(nIndicatedBy, by), f.pass(nAgeCheck), f.pass(nGuardian))
	if form != nil && form.Guardian && !f.has(nGuardian) {
		ms = append(ms, filled{nGuardian, []byte("null")})
	}
	if !p.Validity.IsZero() {
		until := quotedTime(p.Validity.After(f.at))
		f.echo(nValidUntil, until)
		ms = append(ms, filled{nValidUntil, until})
	}
	if token {
		ms = append(ms, stringMember(nConfirmedBy, "token"))
	}
	f.emit(ms...)
}

// person checks age and guardian (Art. 8).
func (f *filler) person(form *Form) {
	age, below, ok := splitAge(f.str(nAgeCheck))
	guardian := f.str(nIndicatedBy) == "guardian"
	if form != nil && form.MinAge > 0 {
		switch {
		case !f.has(nAgeCheck):
			f.rs.add(MissingMember, "/age_check", fmt.Sprintf("form %s asks for the age: below_%d or at_least_%d", form.ID, form.MinAge, form.MinAge))
		case ok && age != form.MinAge:
			f.rs.add(OutOfRange, "/age_check", fmt.Sprintf("below_%d or at_least_%d", form.MinAge, form.MinAge))
		}
	}
	if ok && below && !guardian && (form == nil || form.Guardian || form.MinAge == 0) {
		f.rs.add(GuardianRequired, "/indicated_by", `a guardian decides below that age: "indicated_by":"guardian"`)
	}
	if v, ok := f.short.member(nGuardian); ok && !guardian && string(v) != "null" {
		f.rs.add(ValueNotAllowed, "/guardian", `only with "indicated_by":"guardian"`)
	}
}

func (f *filler) refused() {
	form := f.form()
	notice := f.notice(form)
	channel := f.channelOf(form)
	contact := f.contact(channel)
	if channel == "" && !f.rs.at("/form") {
		f.rs.add(MissingMember, "/channel", "without a form the channel has to be named")
	}
	ds := f.chosen(form)
	if len(ds) == 0 && !f.has(nPurposes) && !f.rs.at("/form") {
		f.rs.add(MissingMember, "/purpose", "without a form the purpose has to be named")
	}
	after := lateAfter
	if form != nil {
		after = form.LateAfter
	}
	f.late(after)
	for _, d := range ds {
		if f.allowed(d, form) == nil {
			continue
		}
		who, request := contact, ""
		if q, ok := f.facts.OpenRequest(d.purpose, channel, contact); ok {
			request = q.ID
			if who == "" {
				who = q.Contact
			}
		}
		if who == "" {
			who, _ = f.facts.ContactOf(d.purpose, channel)
		}
		if v, sent := f.short.member(nRequest); sent && string(v) != string(quote(request)) {
			f.rs.add(NotYours, "/request", "leave it out: the ledger finds the request")
		}
		f.emit(append(f.circumstances(),
			stringMember(nPurpose, d.purpose), stringMember(nChannel, channel), stringMember(nContact, who),
			formMember(form), noticeMember(notice), stringMember(nRequest, request))...)
	}
}
