package event

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// confirmed is the second step of double opt-in. Purpose, contact, form and
// notice are those of the request that the token belongs to. The SHA-256 of the
// token's UTF-8 bytes, as the link carried them, is compared; the token itself
// goes no further.
func (f *filler) confirmed() {
	token := f.str(nToken)
	if token == "" {
		return
	}
	switch f.c.Actor.Role {
	case "", "append", "subject":
	default:
		f.rs.add(OperatorCannotConfirm, "/token", "only the person's own click confirms, sent on by a service with role append")
		return
	}
	if len(token) < minToken {
		f.warn("token_short", "/token", "a token has at least 128 random bits: 22 characters of base64url")
	}
	sum := sha256.Sum256([]byte(token))
	all := f.facts.ByToken(hex.EncodeToString(sum[:]))
	if len(all) == 0 {
		f.rs.add(TokenUnknown, "/token", "no request of this person has this token")
		return
	}
	requests := all
	ds := []decision{}
	if f.has(nDecisions) || f.has(nPurpose) {
		requests = nil
		for _, d := range f.chosen(nil) {
			found := false
			for _, q := range all {
				if q.Purpose == d.purpose {
					requests, ds, found = append(requests, q), append(ds, d), true
					break
				}
			}
			if !found && f.purpose(d.purpose, d.path) != nil {
				f.rs.add(PurposeNotOnForm, d.path, "the token belongs to a request about something else")
			}
		}
	} else {
		for _, q := range all {
			ds = append(ds, decision{q.Purpose, true, "/token"})
		}
	}
	for i, q := range requests {
		switch {
		case q.Status == RequestSpent:
			f.rs.add(TokenSpent, "/token", "it was used before; a new request needs a new token")
		case q.Status == RequestSuperseded:
			f.rs.add(TokenSuperseded, "/token", "a newer request, or a withdrawal, took its place")
		case !q.Expires.IsZero() && f.at.After(q.Expires):
			f.rs.add(TokenExpired, "/token", "its time is over; ask again")
		}
		form, _ := f.r.Form(q.Form.ID, q.Form.Version)
		notice, _ := f.r.Notice(q.Notice.ID, q.Notice.Version)
		if form == nil || notice == nil {
			f.rs.add(FormUnknown, "/token", "the form of the request is not in the register")
			continue
		}
		f.sameForm(form, notice)
		if i == 0 {
			f.channelOf(form)
			f.late(form.LateAfter)
			f.person(form)
		}
		if c := f.contact(q.Channel); c != "" && c != q.Contact {
			f.rs.add(ContactPointMismatch, "/contact", "the request was for another contact; leave it out")
		}
		p := f.purpose(q.Purpose, ds[i].path)
		if ds[i].yes {
			f.active(p, ds[i].path)
		}
		if p == nil {
			continue
		}
		f.echo(nRequest, quote(q.ID))
		f.decided(ds[i], p, form, formMember(form), noticeMember(notice), q.Channel, q.Contact, q.ID, true)
	}
}

// minToken is the length of 128 bits in base64url. The hash of anything shorter
// could be searched for by somebody who has read the ledger.
const minToken = 22

// sameForm: what the confirmation names has to be what was asked with.
func (f *filler) sameForm(form *Form, notice *Notice) {
	if v, ok := f.short.member(nForm); ok && !f.rs.at("/form") {
		if ref, ok := readRef(v); ok && (ref.ID != form.ID || ref.Version != 0 && ref.Version != form.Version) {
			if _, known := f.r.Form(ref.ID, ref.Version); !known {
				f.form() // says what is wrong
			}
			f.rs.add(FormMismatch, "/form", fmt.Sprintf("the request was made with %s@%d; leave it out", form.ID, form.Version))
		}
	}
	if v, ok := f.short.member(nNotice); ok && !f.rs.at("/notice") {
		if ref, ok := readRef(v); ok && (ref.ID != notice.ID || ref.Version != 0 && ref.Version != notice.Version) {
			f.rs.add(NoticeMismatch, "/notice", fmt.Sprintf("the person was asked with %s@%d; leave it out", notice.ID, notice.Version))
		}
	}
}
