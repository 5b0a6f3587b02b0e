package consent

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

// May answers whether something may be done now, or at Question.At. It looks at
// restrictions and suppression, then at objections, then at acknowledged notices, then at the legal basis, channel,
// recipient, categories and retention; the first reason against it decides, and
// all are listed. Whether keys of the person are being destroyed, the ledger
// knows and not this package.
func (s *State) May(q Question, r *event.Register, now time.Time) Answer {
	if q.At.IsZero() {
		return s.may(q, r, now)
	}
	a := s.At(q.At).may(q, r, q.At)
	then := s.KnownBy(q.At).At(q.At).may(q, r, q.At)
	if then.Decision != a.Decision {
		a.Then = &then
	}
	return a
}

// asker gathers an answer.
type asker struct {
	s   *State
	q   Question
	r   *event.Register
	now time.Time
	p   *event.Purpose
	a   Answer
}

func (s *State) may(q Question, r *event.Register, now time.Time) Answer {
	if s == nil {
		s = New()
	}
	k := &asker{s: s, q: q, r: r, now: now}
	if q.Purpose == "" {
		return Answer{Reasons: []Reason{{NoPurpose, "a use without a purpose cannot be judged"}}}
	}
	p, ok := r.Purpose(q.Purpose, now)
	if !ok {
		return Answer{Reasons: []Reason{{PurposeUndeclared, "no such purpose in the register"}}}
	}
	k.p, k.a.Basis, k.a.Decision = p, p.LegalBasis, Allow
	k.a.declared = fmt.Sprintf("%s@%d", p.ID, p.Version)
	k.restricted()
	k.suppressed()
	k.objection()
	k.acknowledged()
	if p.LegalBasis == "A6-1-a" {
		k.consent()
	}
	if !p.Active {
		k.against(Deny, PurposeInactive, fmt.Sprintf("ended with version %d", p.Version))
	}
	if q.Channel != "" && p.Channels != nil && !slices.Contains(p.Channels, q.Channel) {
		k.against(Deny, ChannelNotDeclared, p.ID+" is declared for "+strings.Join(p.Channels, ", "))
	}
	k.recipient()
	for _, c := range q.Categories {
		if !slices.Contains(p.Categories, c) {
			k.against(Deny, CategoryNotDeclared, p.ID+" allows "+strings.Join(p.Categories, ", "))
			break
		}
	}
	k.retention()
	if k.a.Decision != Allow {
		k.a.RestsOn, k.a.Channel, k.a.Contact, k.a.ValidUntil = nil, "", "", time.Time{}
	}
	if k.a.Decision == Gap {
		k.a.Basis = ""
	}
	return k.a
}

// against adds a reason; the first one decides.
func (k *asker) against(d Decision, code, text string) {
	if k.a.Decision == Allow {
		k.a.Decision = d
	}
	k.a.Reasons = append(k.a.Reasons, Reason{code, text})
}

// objection: a purpose that rests on a legitimate interest or a public task, and
// advertising on whatever basis, ends with an objection (Art. 21(1)-(3)) or a
// withdrawal that covers it, until the person consents again.
func (k *asker) objection() {
	byInterest := k.p.LegalBasis == "A6-1-e" || k.p.LegalBasis == "A6-1-f"
	if !byInterest && !k.p.Advertising {
		return
	}
	var since int64
	stopped := false
	for _, o := range k.s.objects {
		if o.covers(k.q.Purpose) {
			stopped, since = true, max(since, o.at)
		}
	}
	if byInterest {
		for _, x := range k.s.stops {
			// A question that names no channel or contact is about all of them.
			if (x.purpose == "*" || x.purpose == k.q.Purpose) &&
				(x.channel == "" || k.q.Channel == "" || x.channel == k.q.Channel) &&
				(x.contact == "" || k.q.Contact == "" || x.contact == k.q.Contact) {
				stopped, since = true, max(since, x.at)
			}
		}
	}
	if !stopped {
		return
	}
	if !k.consentedSince(since) {
		k.against(Deny, Objected, "the person has objected or said stop on "+fromMilli(since).Format("2006-01-02"))
	}
}

// acknowledged: data that somebody else took down may be used only after the
// person has taken note of a notice. A consent that was given with a notice in
// view shows that too. A notice that a material version has replaced no longer counts.
func (k *asker) acknowledged() {
	offline := false
	for _, n := range k.s.notes {
		offline = offline || !n.acknowledged && n.purpose == k.q.Purpose
	}
	if !offline {
		return
	}
	for _, n := range k.s.notes {
		if !n.acknowledged {
			continue
		}
		if _, replaced := k.r.Superseded(n.notice, k.now); !replaced {
			k.a.RestsOn = append(k.a.RestsOn, Rest{n.index, "acknowledgement"})
			return
		}
	}
	for _, t := range k.s.tracks {
		if m := k.s.run(t, k.now.UnixMilli()); m.status.Valid() {
			if _, replaced := k.r.Superseded(m.grant.notice, k.now); !replaced {
				return
			}
		}
	}
	k.against(Deny, NotAcknowledged, "collected offline; the person has not taken note of a notice yet")
}

// consent looks for a track that allows it, and otherwise says why the most
// recent one does not.
func (k *asker) consent() {
	var best, lead machine
	var bestTrack *track
	found := false
	k.s.tracksOf(k.q.Purpose, k.q.Channel, k.q.Contact, func(t *track) bool {
		found = true
		m := k.s.run(t, k.now.UnixMilli())
		if m.status.Valid() {
			if _, replaced := k.r.Superseded(m.grant.notice, k.now); !replaced {
				if best.grant == nil || order(best.grant, m.grant) < 0 {
					best, bestTrack = m, t
				}
				return true
			}
		}
		if lead.last == nil || m.last != nil && order(lead.last, m.last) < 0 {
			lead = m
		}
		return true
	})
	switch {
	case best.grant != nil:
		k.restsOn(bestTrack, best)
	case found:
		k.whyNot(lead)
	default:
		k.elsewhere()
	}
}

func (k *asker) restsOn(t *track, m machine) {
	for _, x := range t.steps {
		if x.kind == requested && x.id == m.grant.request && x.id != "" {
			k.a.RestsOn = append(k.a.RestsOn, Rest{x.index, "request"})
		}
	}
	k.a.RestsOn = append(k.a.RestsOn, Rest{m.grant.index, "consent"})
	slices.SortFunc(k.a.RestsOn, func(a, b Rest) int { return cmp.Compare(a.Index, b.Index) })
	k.a.Channel, k.a.Contact, k.a.ValidUntil = t.channel, t.contact, fromMilli(m.grant.expires)
}

// whyNot explains the state of a track that does not allow it.
func (k *asker) whyNot(m machine) {
	switch m.status {
	case Pending:
		k.against(Deny, ConsentPending, "link not opened yet")
	case Requested:
		k.against(Deny, ConsentRequested, "not answered yet")
	case Refused:
		k.against(Deny, ConsentRefused, "on "+date(m.last))
	case Withdrawn:
		k.against(Deny, ConsentWithdrawn, "on "+date(m.last))
	case Expired:
		k.against(Deny, ConsentExpired, "on "+fromMilli(m.grant.expires).Format("2006-01-02"))
	case Given, Renewed:
		n, _ := k.r.Superseded(m.grant.notice, k.now)
		k.against(Deny, NoticeChanged, fmt.Sprintf("%s@%d replaced the notice that was shown", n.ID, n.Version))
	default:
		k.against(Deny, NoConsent, "the link was not opened in time")
	}
}

// elsewhere explains that no track fits the channel and contact.
func (k *asker) elsewhere() {
	for _, x := range k.s.stops {
		if x.covers(k.q.Purpose, k.q.Channel, k.q.Contact) {
			k.against(Deny, ConsentWithdrawn, "on "+date(&x.step))
			return
		}
	}
	anyChannel, anyContact := false, false
	k.s.tracksOf(k.q.Purpose, "", "", func(t *track) bool {
		anyContact = anyContact || k.q.Channel == "" || t.channel == k.q.Channel
		anyChannel = true
		return true
	})
	switch {
	case anyContact:
		k.against(Deny, NoConsentForContact, "")
	case anyChannel:
		k.against(Deny, NoConsentForChannel, "")
	default:
		k.against(Deny, NoConsent, "")
	}
}

func date(x *step) string {
	if x == nil {
		return "an unknown day"
	}
	return fromMilli(x.at).Format("2006-01-02")
}

func (k *asker) recipient() {
	if k.q.Recipient == "" {
		return
	}
	x, ok := k.r.RecipientAt(k.q.Recipient, k.now)
	switch {
	case !ok:
		k.against(Gap, RecipientUnknown, "no such recipient in the register")
	case !slices.Contains(k.p.Recipients, x.ID):
		k.against(Deny, RecipientNotListed, k.p.ID+" is not declared for it")
	case !x.Active:
		k.against(Deny, RecipientRemoved, fmt.Sprintf("ended with version %d", x.Version))
	case x.Role == "processor" && x.Contract == "":
		k.against(Deny, ContractMissing, "a processor needs a contract (Art. 28)")
	}
}

// retention: what has outlived its period may not be used, even if its key has
// not been destroyed yet.
func (k *asker) retention() {
	last := int64(0)
	for _, u := range k.s.uses {
		if u.purpose == k.q.Purpose {
			last = u.last
		}
	}
	if last == 0 {
		return
	}
	k.s.tracksOf(k.q.Purpose, "", "", func(t *track) bool {
		for _, x := range t.steps {
			last = max(last, x.at)
		}
		return true
	})
	at := fromMilli(last)
	day, ok := k.p.Retention.Expiry(k.p.Retention.Cohort(at), at, nil)
	if ok && !event.Day(day).After(k.now) {
		k.against(Deny, RetentionPassed, "on "+event.Day(day).AddDate(0, 0, -1).Format("2006-01-02"))
	}
}
