package event

import (
	"fmt"
	"strings"
)

// form looks up the form that the event names; nil if it names none or an unknown one.
func (f *filler) form() *Form {
	v, ok := f.short.member(nForm)
	if !ok || f.rs.at("/form") {
		return nil
	}
	ref, ok := readRef(v)
	if !ok {
		return nil
	}
	x, ok := f.r.FormAt(ref.ID, f.at)
	if ref.Version > 0 {
		x, ok = f.r.Form(ref.ID, ref.Version)
	}
	if !ok {
		hint := didYouMean(ref.ID, f.r.forms.ids(), "no form is published yet")
		if newest, known := f.r.Form(ref.ID, 0); known {
			hint = fmt.Sprintf("its newest version is %d", newest.Version)
		}
		f.rs.add(FormUnknown, "/form", hint)
		return nil
	}
	if leaf, sent := field(v, "leaf"); sent && string(leaf) != string(quote(x.LeafText())) {
		f.rs.add(NotYours, "/form/leaf", "leave it out: the ledger fills it")
	}
	return x
}

// notice settles the notice of the event: the one it names, else the form's. It
// has to have been in effect when the event happened.
func (f *filler) notice(form *Form) *Notice {
	path := "/notice"
	v, ok := f.short.member(nNotice)
	var ref Ref
	switch {
	case ok && f.rs.at(path):
		return nil
	case ok:
		if ref, ok = readRef(v); !ok {
			return nil
		}
		if form != nil && (form.Notice.ID != ref.ID || form.Notice.Version != 0 && ref.Version != 0 && form.Notice.Version != ref.Version) {
			f.rs.add(NoticeMismatch, path, fmt.Sprintf("form %s shows another notice", form.ID))
			return nil
		}
		if form != nil && ref.Version == 0 {
			ref.Version = form.Notice.Version
		}
	case form != nil:
		ref, path = form.Notice, "/form"
	default:
		return nil
	}
	return f.noticeAt(ref, path)
}

func (f *filler) noticeAt(ref Ref, path string) *Notice {
	newest, known := f.r.Notice(ref.ID, 0)
	if !known {
		f.rs.add(NoticeUnknown, path, didYouMean(ref.ID, f.r.notices.ids(), "no notice is published yet"))
		return nil
	}
	x, ok := f.r.NoticeAt(ref.ID, f.at)
	if ref.Version > 0 {
		if x, ok = f.r.Notice(ref.ID, ref.Version); !ok {
			f.rs.add(NoticeUnknown, path, fmt.Sprintf("its newest version is %d", newest.Version))
			return nil
		}
	} else if !ok {
		x, _ = f.r.Notice(ref.ID, 1)
	}
	switch {
	case x.Since.After(f.c.Now):
		f.rs.add(NoticeNotYetPublished, path, "it takes effect on "+x.Since.Format("2006-01-02"))
		return nil
	case x.Since.After(f.at):
		f.rs.add(EventTimeBeforeNotice, "/event_time", "the notice was in effect only from "+FormatTime(x.Since))
		return nil
	}
	return x
}

// purpose looks up a purpose by name. Where there is none, the hint says which
// was probably meant, and that one is returned so that the rest of the event is
// checked against it: the writer sees all faults at once.
func (f *filler) purpose(id, path string) *Purpose {
	if id == "" {
		return nil
	}
	p, ok := f.r.Purpose(id, f.at)
	if !ok {
		ids := f.r.purposes.ids()
		f.rs.add(PurposeUndeclared, path, didYouMean(id, ids, "no purpose is declared yet"))
		if s := suggest(id, ids); s != "" {
			p, _ = f.r.Purpose(s, f.at)
		}
		return p
	}
	return p
}

// active refuses what is new for a purpose that has ended.
func (f *filler) active(p *Purpose, path string) {
	if p != nil && !p.Active {
		f.rs.add(PurposeInactive, path, "it was ended with version "+string(intValue(p.Version)))
	}
}

// categories holds a list of names against what a purpose declares.
func (f *filler) categories(member string, p *Purpose) {
	v, ok := f.short.Get(member)
	if !ok || p == nil || len(v) == 0 || v[0] != '[' {
		return
	}
	for i, x := range elements(v) {
		if s, ok := unquote(x); ok && validCategory(s) && !oneOf(s, p.Categories) {
			f.rs.add(CategoryNotDeclared, fmt.Sprintf("/%s/%d", member, i), p.ID+" allows "+strings.Join(p.Categories, ", "))
		}
	}
}

// contact returns the normalised contact that the event names, or "".
func (f *filler) contact(channel string) string {
	s := f.str(nContact)
	if s == "" {
		return ""
	}
	c, err := NormalContact(s)
	if err != nil {
		return ""
	}
	if !contactFits(channel, c) {
		f.rs.add(ContactPointMismatch, "/contact", fmt.Sprintf("channel %s needs a contact like %s…", channel, strings.Join(needsContact(channel), "… or ")))
		return ""
	}
	return c
}

func stringMember(n name, text string) filled {
	if text == "" {
		return filled{name: n}
	}
	return filled{n, quote(text)}
}

func formMember(x *Form) filled {
	if x == nil {
		return filled{name: nForm}
	}
	return filled{nForm, x.ref}
}

func noticeMember(x *Notice) filled {
	if x == nil {
		return filled{name: nNotice}
	}
	return filled{nNotice, x.ref}
}
