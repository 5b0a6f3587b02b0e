package event

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// register fills a register event.
func (f *filler) register() {
	now := content(f.t, f.short)
	public := f.short.flag("public")
	switch f.t.Name {
	case "controller.registered":
		f.notPublic(public, "dpo_contact", "representative")
	case "purpose.declared":
		f.notPublic(public, "recipients")
		f.declared()
	case "notice.published":
		f.published(now)
	case "form.published":
		f.formPublished()
	case "recipient.registered":
		if public {
			f.rs.add(NotPublic, "/public", "recipients must not appear on public tiles")
		}
	case "preservation.ordered":
		f.preservation(public)
	}
	if len(f.rs.list) > 0 {
		return
	}
	same, next, changes := f.r.change(f.t, f.short, now)
	if v, ok := f.short.member(nVersion); ok {
		if n, _ := intOf(v); n != next {
			f.rs.add(VersionConflict, "/version", fmt.Sprintf("the next version is %d; leave it out", next))
			return
		}
	}
	if same {
		f.warn("unchanged", "", fmt.Sprintf("version %d says the same; nothing is recorded", next))
		return
	}
	f.late(lateAfter)
	for _, c := range changes {
		f.warn("changed", "", c)
	}
	flag := []byte("false")
	if public {
		flag = []byte("true")
	}
	ms := []filled{{nVersion, intValue(next)}, {nPublic, flag}}
	for _, m := range now {
		ms = append(ms, filled{nameOf(m.Name), m.Value})
	}
	f.emit(ms...)
}

func (f *filler) notPublic(public bool, names ...string) {
	if !public {
		return
	}
	for _, n := range names {
		if f.short.Has(n) {
			f.rs.add(NotPublic, "/"+n, "this must not appear on public tiles: leave it out, or leave out public")
		}
	}
}

func (f *filler) declared() {
	id := f.str(nPurposeID)
	c := f.str(nCompartment)
	switch c {
	case ConsentEvidence, RightsRecords, Suppression, OrganisationKeys:
		f.rs.add(ValueNotAllowed, "/compartment", "the ledger keeps this compartment for itself")
	}
	for i, name := range f.short.list("recipients") {
		if _, ok := f.r.Recipient(name, 0); !ok && validName(name) {
			f.warn(RecipientUnknown, fmt.Sprintf("/recipients/%d", i), didYouMean(name, f.r.recipients.ids(), "no recipient is registered yet")+
				"; nothing may be disclosed to it before it is registered")
		}
	}
	if !f.short.flag("sensitive") {
		for i, name := range f.short.list("categories") {
			if oneOf(name, specialCategories) {
				f.warn("special_category", fmt.Sprintf("/categories/%d", i), `a special category (Art. 9): say "sensitive":true, and consent has to be explicit`)
			}
		}
	}
	v, ok := f.short.member(nRetention)
	if !ok {
		return
	}
	mine, hint := parseRetention(v)
	if hint != "" {
		return
	}
	for _, p := range f.r.Purposes() {
		if p.ID != id && p.Compartment == c && p.Retention != mine {
			f.warn("retention_differs", "/retention", fmt.Sprintf("purpose %s shares the compartment and keeps %s", p.ID, p.Retention))
		}
	}
}

func (f *filler) published(now []Member) {
	i := slices.IndexFunc(now, func(m Member) bool { return m.Name == "sha256" })
	if i < 0 {
		f.rs.add(MissingMember, "/sha256", `name the "file" on the command line, or send "text" or "sha256"`)
		return
	}
	if text := f.str(nText); text != "" {
		sum := sha256.Sum256([]byte(text))
		if s, _ := unquote(now[i].Value); s != hex.EncodeToString(sum[:]) {
			f.rs.add(OutOfRange, "/sha256", "not the hash of text")
		}
	}
}

func (f *filler) formPublished() {
	s := f.short
	if s.flag("prefilled") {
		f.rs.add(PrefilledNotConsent, "/prefilled", "a box that is ticked beforehand is no consent (Art. 4(11); CJEU C-673/17)")
	} else if s.Str("method") == "checkbox" && !s.Has("prefilled") {
		f.rs.add(MissingMember, "/prefilled", `a checkbox says "prefilled":false`)
	}
	channel := f.str(nChannel)
	var allowed []string
	purposes := s.list("purposes")
	seen := make(map[string]bool)
	for i, id := range purposes {
		path := fmt.Sprintf("/purposes/%d", i)
		if seen[id] {
			f.rs.add(OutOfRange, path, "named twice")
		}
		seen[id] = true
		p := f.purpose(id, path)
		f.active(p, path)
		if p == nil {
			continue
		}
		allowed = append(allowed, p.Categories...)
		if p.Sensitive && !s.flag("explicit") {
			f.rs.add(ExplicitRequired, path, `it covers special categories: the statement has to name them, and the form says "explicit":true`)
		}
		if p.Channels != nil && channel != "" && !oneOf(channel, p.Channels) {
			f.rs.add(ValueNotAllowed, path, fmt.Sprintf("%s is not declared for channel %s", id, channel))
		}
	}
	for i, c := range s.list("categories") {
		if len(allowed) > 0 && validCategory(c) && !oneOf(c, allowed) {
			f.rs.add(CategoryNotDeclared, fmt.Sprintf("/categories/%d", i), "none of its purposes declares it")
		}
	}
	if id, version, ok := splitRef(f.str(nNotice)); ok {
		if newest, known := f.r.Notice(id, 0); !known {
			f.rs.add(NoticeUnknown, "/notice", didYouMean(id, f.r.notices.ids(), "no notice is published yet"))
		} else if version > newest.Version {
			f.rs.add(NoticeUnknown, "/notice", fmt.Sprintf("its newest version is %d", newest.Version))
		}
	}
	if s.Has("keywords") && channel != "chat" && channel != "" {
		f.rs.add(ValueNotAllowed, "/keywords", "keywords are for channel chat")
	}
	if s.Str("method") == "keyword" && !s.Has("keywords") {
		f.rs.add(MissingMember, "/keywords", `{"give":["start"],"withdraw":["stop"]}`)
	}
	if s.Has("guardian") && !s.Has("min_age") {
		f.rs.add(MissingMember, "/min_age", "16 in Germany (Art. 8)")
	}
}
