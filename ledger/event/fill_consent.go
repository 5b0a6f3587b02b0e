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
	if !f.short.Has("notice") {
		f.rs.add(MissingMember, "/notice", "the notice_id of a published notice")
	}
	n := f.notice(nil)
	channel := f.str("channel")
	contact := f.contact(channel)
	f.late(lateAfter)
	ms := []Member{noticeMember(n), stringMember("channel", channel), stringMember("contact", contact)}
	if f.t.Name == "notice.delivered" {
		ms = append(ms, f.pass("status"), f.pass("medium"))
		if n != nil {
			f.echo("lang", quote(n.Lang))
			ms = append(ms, stringMember("lang", n.Lang))
		}
	} else {
		ms = append(ms, f.pass("method"))
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
	case f.short.Has("decisions"):
		v, _ := f.short.Get("decisions")
		for purpose, x := range fields(v) {
			if validName(purpose) {
				ds = append(ds, decision{purpose, string(x) == `"yes"`, pointer("/decisions", purpose)})
			}
		}
	case f.short.Has("purposes"):
		for i, p := range f.short.list("purposes") {
			if validName(p) {
				ds = append(ds, decision{p, true, fmt.Sprintf("/purposes/%d", i)})
			}
		}
	case f.short.Has("purpose"):
		if p := f.str("purpose"); p != "" {
			ds = append(ds, decision{p, true, "/purpose"})
		}
	case form != nil:
		for _, p := range form.Purposes {
			ds = append(ds, decision{p, true, "/form"})
		}
	}
	if f.short.Has("purpose") && (f.short.Has("decisions") || f.short.Has("purposes")) {
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
	sent := f.str("channel")
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
	var expires Member
	if form != nil {
		if contact == "" && !form.DoubleOptIn.IsZero() {
			f.rs.add(MissingMember, "/contact", "double opt-in confirms a contact: mailto:…, tel:… or chat:…")
		}
		f.late(form.LateAfter)
		hash := f.str("doi_token_sha256")
		switch {
		case form.DoubleOptIn.IsZero() && f.short.Has("doi_token_sha256"):
			f.rs.add(ValueNotAllowed, "/doi_token_sha256", fmt.Sprintf("form %s has no double_opt_in", form.ID))
		case !form.DoubleOptIn.IsZero() && !f.short.Has("doi_token_sha256"):
			f.rs.add(MissingMember, "/doi_token_sha256", "double opt-in: SHA-256 of the token in the link, in hex")
		case hash != "":
			if len(f.facts.ByToken(hash)) > 0 {
				f.rs.add(TokenSpent, "/doi_token_sha256", "this token was used for an earlier request; draw a new one for each")
			}
			at := FormatTime(form.DoubleOptIn.After(f.at))
			f.echo("doi_expires_at", quote(at))
			expires = stringMember("doi_expires_at", at)
		}
	}
	for _, d := range f.chosen(form) {
		p := f.allowed(d, form)
		if p == nil || form == nil {
			continue
		}
		f.emit(append(f.circumstances(),
			stringMember("purpose", d.purpose), stringMember("channel", channel), stringMember("contact", contact),
			formMember(form), noticeMember(notice), f.pass("doi_token_sha256"), expires)...)
	}
}

func (f *filler) circumstances() []Member {
	return []Member{f.pass("ip"), f.pass("user_agent"), f.pass("locale")}
}

func (f *filler) given() {
	if f.short.Has("token") {
		f.confirmed()
		return
	}
	if f.short.Has("confirmed_by") {
		f.rs.add(NotYours, "/confirmed_by", "send the token instead")
	}
	form := f.form()
	if !f.short.Has("form") {
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
		if len(ds) > 1 && !f.short.Has("decisions") && !f.short.Has("purposes") { // which it does not have; that was said
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
		if v, sent := f.short.Get("request"); sent && string(v) != string(quote(request)) {
			f.rs.add(NotYours, "/request", "leave it out: the ledger finds the request")
		}
		f.decided(d, p, form, formMember(form), noticeMember(notice), channel, who, request, false)
	}
}

// decided emits the event for one decision.
func (f *filler) decided(d decision, p *Purpose, form *Form, formRef, noticeRef Member, channel, contact, request string, token bool) {
	ms := append(f.circumstances(),
		stringMember("purpose", d.purpose), stringMember("channel", channel), stringMember("contact", contact), formRef)
	if !d.yes {
		if f.facts.Consented(d.purpose, channel, contact) {
			// A no where there was a yes is a withdrawal, and a withdrawal is
			// not refused; as consent.refused it would not fit the state.
			f.emit(stringMember("type", "consent.withdrawn"), stringMember("purpose", d.purpose),
				stringMember("channel", channel), stringMember("contact", contact), formRef)
			return
		}
		f.emit(append(ms, stringMember("type", "consent.refused"), noticeRef, stringMember("request", request))...)
		return
	}
	if p.Sensitive && form != nil && !form.Explicit {
		f.rs.add(ExplicitRequired, d.path, fmt.Sprintf("%s covers special categories and form %s does not name them", p.ID, form.ID))
	}
	by := f.str("indicated_by")
	if by == "" {
		by = "subject"
	}
	ms = append(ms, noticeRef, stringMember("request", request), stringMember("indicated_by", by), f.pass("age_check"), f.pass("guardian"))
	if form != nil && form.Guardian && !f.short.Has("guardian") {
		ms = append(ms, Member{"guardian", []byte("null")})
	}
	if !p.Validity.IsZero() {
		until := quotedTime(p.Validity.After(f.at))
		f.echo("valid_until", until)
		ms = append(ms, Member{"valid_until", until})
	}
	if token {
		ms = append(ms, stringMember("confirmed_by", "token"))
	}
	f.emit(ms...)
}

// person checks age and guardian (Art. 8).
func (f *filler) person(form *Form) {
	age, below, ok := splitAge(f.str("age_check"))
	guardian := f.str("indicated_by") == "guardian"
	if form != nil && form.MinAge > 0 {
		switch {
		case !f.short.Has("age_check"):
			f.rs.add(MissingMember, "/age_check", fmt.Sprintf("form %s asks for the age: below_%d or at_least_%d", form.ID, form.MinAge, form.MinAge))
		case ok && age != form.MinAge:
			f.rs.add(OutOfRange, "/age_check", fmt.Sprintf("below_%d or at_least_%d", form.MinAge, form.MinAge))
		}
	}
	if ok && below && !guardian && (form == nil || form.Guardian || form.MinAge == 0) {
		f.rs.add(GuardianRequired, "/indicated_by", `a guardian decides below that age: "indicated_by":"guardian"`)
	}
	if v, ok := f.short.Get("guardian"); ok && !guardian && string(v) != "null" {
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
	if len(ds) == 0 && !f.short.Has("purposes") && !f.rs.at("/form") {
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
		if v, sent := f.short.Get("request"); sent && string(v) != string(quote(request)) {
			f.rs.add(NotYours, "/request", "leave it out: the ledger finds the request")
		}
		f.emit(append(f.circumstances(),
			stringMember("purpose", d.purpose), stringMember("channel", channel), stringMember("contact", who),
			formMember(form), noticeMember(notice), stringMember("request", request))...)
	}
}
