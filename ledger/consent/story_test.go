package consent

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
)

const token = "kq3vB0dXw1mYx8s2Jt6PzA"

func request(tok string) string {
	sum := sha256.Sum256([]byte(tok))
	return `"type":"consent.requested","form":"web-newsletter","contact":"mailto:leonekohler@surfeu.de","doi_token_sha256":"` + hex.EncodeToString(sum[:]) + `"`
}

func confirm(tok string) string {
	return `"type":"consent.given","form":"web-newsletter","token":"` + tok + `"`
}

const direct = `"type":"consent.given","form":"simple","purpose":"newsletter","contact":"mailto:leonekohler@surfeu.de"`

// TestDoubleOptIn is the first act of the demo, with its answers.
func TestDoubleOptIn(t *testing.T) {
	p := newPerson(t)
	p.index = 129
	want := func(now int, channel, answer string) {
		t.Helper()
		if got := p.may(at(now), "newsletter", channel); got != answer {
			t.Errorf("hour %d, %s: %s, want %s", now, channel, got, answer)
		}
	}
	want(0, "email", "DENY no consent")
	p.record(at(0), request(token))
	want(0, "email", "DENY consent_pending: link not opened yet")
	want(0, "phone", "DENY no consent for this channel")
	want(48, "email", "DENY consent_pending: link not opened yet")
	want(49, "email", "DENY no_consent: the link was not opened in time")
	p.record(at(1), `"type":"notice.delivered","notice":"privacy-de"`)
	p.record(at(1), confirm(token))
	want(1, "email", "ALLOW A6-1-a; rests on 129 (request), 131 (consent)")
	want(1, "", "ALLOW A6-1-a; rests on 129 (request), 131 (consent)")
	want(1, "phone", "DENY no consent for this channel")
	want(20000, "email", "ALLOW A6-1-a; rests on 129 (request), 131 (consent)")
	a := p.s.May(Question{Purpose: "newsletter", Channel: "email", Contact: "mailto:other@surfeu.de"}, p.r, at(1))
	if a.Decision != Deny || a.Text() != "no consent for this contact" {
		t.Errorf("another contact: %v", a)
	}
	for _, x := range []struct{ members, want string }{
		{confirm(token), "token_spent"},
		{confirm("another"), "token_unknown"},
		{request(token), "token_spent"},
		{request("another"), "bad_transition"},
	} {
		if err := p.try(at(2), x.members); code(err) != x.want {
			t.Errorf("%s: %v, want %s", x.members, err, x.want)
		}
	}
	p.record(at(3), `"type":"consent.withdrawn","purpose":"newsletter","channel":"email"`)
	want(3, "email", "DENY consent_withdrawn: on 2026-05-04")
	if err := p.try(at(3), confirm(token)); code(err) != "token_spent" {
		t.Errorf("the old token after a withdrawal: %v", err)
	}
	p.record(at(4), request("another"))
	want(4, "email", "DENY consent_pending: link not opened yet")
	p.record(at(5), request("third"))
	if err := p.try(at(5), confirm("another")); code(err) != "token_superseded" {
		t.Errorf("a token that a newer request replaced: %v", err)
	}
	if err := p.try(at(54), confirm("third")); code(err) != "token_expired" {
		t.Errorf("a token that came too late: %v", err)
	}
	p.record(at(53), confirm("third"))
	want(53, "email", "ALLOW A6-1-a; rests on 134 (request), 135 (consent)")
}

func TestWithdrawalKillsTheOpenToken(t *testing.T) {
	p := newPerson(t)
	p.record(at(0), request(token))
	p.record(at(1), `"type":"consent.withdrawn"`)
	if err := p.try(at(2), confirm(token)); code(err) != "token_superseded" {
		t.Errorf("confirmed after a withdrawal: %v", err)
	}
}

// TestChat is events 3 and 4 of events.md.
func TestChat(t *testing.T) {
	p := newPerson(t)
	p.record(at(0), `"type":"consent.given","form":"chat-start","contact":"tel:+497112842222","decisions":{"chat-service":"yes","newsletter":"no"}`)
	for _, x := range []struct{ purpose, channel, want string }{
		{"chat-service", "chat", "ALLOW A6-1-b; declared as chat-service@1"},
		{"chat-service", "email", "DENY channel_not_declared: chat-service is declared for chat"},
		{"newsletter", "chat", "DENY consent_refused: on 2026-05-04"},
		{"newsletter", "email", "DENY no consent for this channel"},
		{"own-similar-products", "chat", "ALLOW A6-1-f; declared as own-similar-products@1"},
		{"own-similar-products", "email", "ALLOW A6-1-f; declared as own-similar-products@1"},
		{"tracking", "", "GAP purpose_undeclared: no such purpose in the register"},
		{"", "", "GAP no_purpose: a use without a purpose cannot be judged"},
		{"ended", "", "DENY purpose_inactive: ended with version 1"},
	} {
		if got := p.may(at(1), x.purpose, x.channel); got != x.want {
			t.Errorf("%s by %s: %s, want %s", x.purpose, x.channel, got, x.want)
		}
	}
	p.record(at(1), `"type":"consent.given","form":"chat-start","contact":"tel:+497112842222","decisions":{"newsletter":"yes"}`)
	if got := p.may(at(1), "newsletter", "chat"); got != "ALLOW A6-1-a; rests on 102 (consent)" {
		t.Error(got)
	}
	p.record(at(2), `"type":"consent.withdrawn","purpose":"*","channel":"chat"`)
	for _, x := range []struct{ purpose, channel, want string }{
		{"newsletter", "chat", "DENY consent_withdrawn: on 2026-05-04"},
		{"chat-service", "chat", "ALLOW A6-1-b; declared as chat-service@1"}, // the contract goes on
		{"own-similar-products", "chat", "DENY objected: the person has objected or said stop on 2026-05-04"},
		{"own-similar-products", "email", "ALLOW A6-1-f; declared as own-similar-products@1"},
		{"own-similar-products", "", "DENY objected: the person has objected or said stop on 2026-05-04"},
	} {
		if got := p.may(at(3), x.purpose, x.channel); got != x.want {
			t.Errorf("after stop, %s by %s: %s, want %s", x.purpose, x.channel, got, x.want)
		}
	}
	// A no where there is a yes is a withdrawal, beside another decision.
	p.record(at(4), `"type":"consent.given","form":"chat-start","contact":"tel:+497112842222","decisions":{"newsletter":"yes"}`)
	p.record(at(5), `"type":"consent.given","form":"chat-start","contact":"tel:+497112842222","decisions":{"chat-service":"yes","newsletter":"no"}`)
	if got := p.may(at(6), "newsletter", "chat"); got != "DENY consent_withdrawn: on 2026-05-04" {
		t.Error(got)
	}
}

// TestBusinessCard is event 5 of events.md.
func TestBusinessCard(t *testing.T) {
	p := newPerson(t)
	p.record(at(6), `"type":"data.collected","purpose":"newsletter","categories":["EmailAddress","Name"],"channel":"business_card","event_time":"2026-05-04T14:20:00+02:00"`)
	a := p.s.May(Question{Purpose: "newsletter", Channel: "email"}, p.r, at(7))
	if got := fmt.Sprint(a.Decision, a.Reasons); got != "deny [notice_not_acknowledged: collected offline; the person has not taken note of a notice yet no consent]" {
		t.Errorf("a card without acknowledgement: %s", got)
	}
	if got := p.may(at(7), "own-similar-products", "email"); got != "ALLOW A6-1-f; declared as own-similar-products@1" {
		t.Errorf("a purpose that the card was not for: %s", got)
	}
	p.record(at(8), `"type":"notice.acknowledged","notice":"privacy-de"`)
	if got := p.may(at(9), "newsletter", "email"); got != "DENY no consent" {
		t.Errorf("acknowledged: %s", got)
	}
	p.record(at(10), direct)
	if got := p.may(at(11), "newsletter", "email"); got != "ALLOW A6-1-a; rests on 101 (acknowledgement), 102 (consent)" {
		t.Errorf("acknowledged and given: %s", got)
	}
	// A consent with the notice in view counts as acknowledgement.
	q := newPerson(t)
	q.record(at(0), `"type":"data.collected","purpose":"newsletter","categories":["EmailAddress"],"channel":"business_card"`)
	q.record(at(1), direct)
	if got := q.may(at(2), "newsletter", "email"); got != "ALLOW A6-1-a; rests on 101 (consent)" {
		t.Errorf("given after the card: %s", got)
	}
	// A notice that was materially replaced no longer counts.
	q = newPerson(t)
	q.record(at(0), `"type":"data.collected","purpose":"own-similar-products","categories":["EmailAddress"],"channel":"paper"`)
	q.record(at(1), `"type":"notice.acknowledged","notice":"privacy-de"`)
	q.r = declare(t, q.r, at(2), `{"type":"notice.published","notice_id":"privacy-de","lang":"de","text":"two","material":true}`)
	if got := q.may(at(3), "own-similar-products", "email"); got != "DENY notice_not_acknowledged: collected offline; the person has not taken note of a notice yet" {
		t.Errorf("the notice was replaced: %s", got)
	}
}

func TestExpiry(t *testing.T) {
	p := newPerson(t)
	p.record(at(0), `"type":"consent.given","form":"simple","purpose":"yearly","contact":"mailto:a@b.de"`)
	year := at(0).AddDate(1, 0, 0)
	a := p.s.May(Question{Purpose: "yearly"}, p.r, year.Add(-time.Millisecond))
	if a.Decision != Allow || !a.ValidUntil.Equal(year) || a.Channel != "email" || a.Contact != "mailto:a@b.de" {
		t.Errorf("a moment before: %v until %v", a, a.ValidUntil)
	}
	if got := p.may(year, "yearly", ""); got != "DENY consent_expired: on 2027-05-04" {
		t.Errorf("a year later: %s", got)
	}
	if p.s.Active(year) || !p.s.Active(year.Add(-time.Millisecond)) {
		t.Error("Active does not see the end")
	}
	if end, ok := p.s.Ended(year); !ok || !end.Equal(year) {
		t.Errorf("Ended: %v, %v", end, ok)
	}
	if _, ok := p.s.Ended(at(1)); ok {
		t.Error("a consent in force has ended")
	}
	// Asking again is in order once it has ended.
	again := `"type":"consent.requested","form":"simple","purpose":"yearly","contact":"mailto:a@b.de"`
	if err := p.try(at(1), again); code(err) != "bad_transition" {
		t.Errorf("asked again while it holds: %v", err)
	}
	p.record(year.Add(time.Hour), again)
	if got := p.may(year.Add(time.Hour), "yearly", ""); got != "DENY consent_requested: not answered yet" {
		t.Errorf("asked again: %s", got)
	}
	p.record(year.Add(2*time.Hour), `"type":"consent.given","form":"simple","purpose":"yearly","contact":"mailto:a@b.de"`)
	if got := p.may(year.Add(2*time.Hour), "yearly", ""); got != "ALLOW A6-1-a; rests on 101 (request), 102 (consent)" {
		t.Errorf("given again: %s", got)
	}
}

func TestMaterialNotice(t *testing.T) {
	p := newPerson(t)
	p.record(at(0), direct)
	p.r = declare(t, p.r, at(1), `{"type":"notice.published","notice_id":"privacy-de","lang":"de","text":"two"}`)
	if got := p.may(at(2), "newsletter", "email"); got != "ALLOW A6-1-a; rests on 100 (consent)" {
		t.Errorf("a compatible version: %s", got)
	}
	p.r = declare(t, p.r, at(3), `{"type":"notice.published","notice_id":"privacy-de","lang":"de","text":"three","material":true}`)
	if got := p.may(at(2), "newsletter", "email"); got != "ALLOW A6-1-a; rests on 100 (consent)" {
		t.Errorf("before the material version: %s", got)
	}
	if got := p.may(at(4), "newsletter", "email"); got != "DENY notice_changed: privacy-de@3 replaced the notice that was shown" {
		t.Errorf("a material version: %s", got)
	}
	if c := p.s.Consents(p.r, at(4)); len(c) != 1 || c[0].Status != Expired || !c[0].NoticeChanged {
		t.Errorf("Consents: %+v", c)
	}
	// She can be asked again, now with double opt-in, and the old consent is no longer in the way.
	p.record(at(5), request(token))
	p.record(at(6), confirm(token))
	if got := p.may(at(6), "newsletter", "email"); got != "ALLOW A6-1-a; rests on 101 (request), 102 (consent)" {
		t.Errorf("given under the new notice: %s", got)
	}
	if c := p.s.Consents(p.r, at(6)); c[0].Status != Renewed || c[0].Notice.Version != 3 || c[0].Request != 101 {
		t.Errorf("Consents: %+v", c)
	}
}

func TestRecipients(t *testing.T) {
	p := newPerson(t)
	p.record(at(0), direct)
	for recipient, want := range map[string]string{
		"mailer":  "ALLOW A6-1-a; rests on 100 (consent)",
		"printer": "DENY contract_missing: a processor needs a contract (Art. 28)",
		"post":    "DENY recipient_not_listed: newsletter is not declared for it",
		"gone":    "DENY recipient_removed: ended with version 1",
		"nobody":  "GAP recipient_unknown: no such recipient in the register",
	} {
		a := p.s.May(Question{Purpose: "newsletter", Recipient: recipient}, p.r, at(1))
		if got := fmt.Sprint(a); got != want {
			t.Errorf("%s: %s, want %s", recipient, got, want)
		}
	}
	a := p.s.May(Question{Purpose: "newsletter", Channel: "phone", Recipient: "nobody", Categories: []string{"Age"}}, p.r, at(1))
	if got := fmt.Sprint(a.Decision, a.Reasons); got != "deny [no consent for this channel recipient_unknown: no such recipient in the register category_not_declared: newsletter allows EmailAddress, Name]" {
		t.Errorf("all reasons, the first deciding: %s", got)
	}
	if a.RestsOn != nil || a.Contact != "" {
		t.Errorf("a deny rests on %v, %q", a.RestsOn, a.Contact)
	}

	for _, d := range []string{
		`"attributes":["EmailAddress"],"recipient_ref":"m-88121"`,
		`"attributes":["Name","EmailAddress"],"recipient_ref":"m-88121"`,
		`"attributes":["EmailAddress"]`,
	} {
		p.record(at(2+int(p.index-101)), `"type":"data.disclosed","purpose":"newsletter","recipient":"mailer",`+d)
	}
	want := []Disclosure{
		{Recipient: "mailer", Purpose: "newsletter", Attributes: []string{"EmailAddress"}, First: at(4), Last: at(4), Count: 1, Index: 103},
		{Recipient: "mailer", Purpose: "newsletter", Ref: "m-88121", Attributes: []string{"EmailAddress", "Name"}, First: at(2), Last: at(3), Count: 2, Index: 102},
	}
	if got := p.s.Recipients(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("recipients %v, want %v", got, want)
	}
}

func TestRights(t *testing.T) {
	p := newPerson(t)
	p.record(at(0), direct)
	p.record(at(1), `"type":"right.requested","right":"A15"`)
	p.record(at(2), `"type":"right.requested","right":"A21","scope":{"purposes":["own-similar-products"]}`)
	if got := p.may(at(3), "own-similar-products", "email"); got != "DENY objected: the person has objected or said stop on 2026-05-04" {
		t.Error(got)
	}
	if got := p.may(at(1), "own-similar-products", "email"); got != "DENY objected: the person has objected or said stop on 2026-05-04" {
		t.Error("May without At asks about all that is recorded:", got)
	}
	if got := p.may(at(3), "newsletter", "email"); got != "ALLOW A6-1-a; rests on 100 (consent)" {
		t.Error(got)
	}
	p.record(at(4), `"type":"right.requested","right":"A7-3"`)
	if got := p.may(at(5), "newsletter", "email"); got != "DENY consent_withdrawn: on 2026-05-04" {
		t.Error(got)
	}
	p.record(at(6), `"type":"consent.given","form":"simple","purpose":"own-similar-products","contact":"mailto:a@b.de"`)
	if got := p.may(at(7), "own-similar-products", "email"); got != "ALLOW A6-1-f; declared as own-similar-products@1" {
		t.Error("consent after an objection:", got)
	}
	rights := p.s.Rights()
	if len(rights) != 3 || rights[0].Right != "A15" || !rights[0].Due.Equal(time.Date(2026, 6, 4, 13, 0, 0, 0, time.UTC)) || rights[2].Index != 103 {
		t.Errorf("rights: %+v", rights)
	}
}

// TestObjectionEndsAdvertising: Art. 21(3) holds whatever the basis was.
func TestObjectionEndsAdvertising(t *testing.T) {
	p := newPerson(t)
	p.record(at(0), direct)
	p.record(at(1), `"type":"right.requested","right":"A21"`)
	if got := p.may(at(2), "newsletter", "email"); got != "DENY objected: the person has objected or said stop on 2026-05-04" {
		t.Error(got)
	}
	p.record(at(3), direct)
	if got := p.may(at(4), "newsletter", "email"); got != "ALLOW A6-1-a; rests on 102 (consent)" {
		t.Error(got)
	}
}

func TestRetentionPassed(t *testing.T) {
	p := newPerson(t)
	p.record(at(0), `"type":"communication.sent","purpose":"own-similar-products","channel":"email"`)
	last := time.Date(2028, 5, 4, 23, 59, 59, 0, time.UTC)
	if got := p.may(last, "own-similar-products", "email"); got != "ALLOW A6-1-f; declared as own-similar-products@1" {
		t.Error(got)
	}
	if got := p.may(last.Add(time.Second), "own-similar-products", "email"); got != "DENY retention_passed: on 2028-05-04" {
		t.Error(got)
	}
}

// TestTwoTimes: what was known then, and what is known now.
func TestTwoTimes(t *testing.T) {
	p := newPerson(t)
	p.record(at(0), direct)
	p.record(at(20), `"type":"consent.withdrawn","purpose":"newsletter","event_time":"`+at(5).Format(time.RFC3339)+`"`)
	ask := func(n int) Answer {
		return p.s.May(Question{Purpose: "newsletter", Channel: "email", At: at(n)}, p.r, at(100))
	}
	for _, x := range []struct {
		n    int
		want string
	}{
		{-1, "DENY no consent"},
		{0, "ALLOW A6-1-a; rests on 100 (consent)"},
		{4, "ALLOW A6-1-a; rests on 100 (consent)"},
		{5, "DENY consent_withdrawn: on 2026-05-04; as known then: ALLOW, A6-1-a; rests on 100 (consent)"},
		{19, "DENY consent_withdrawn: on 2026-05-04; as known then: ALLOW, A6-1-a; rests on 100 (consent)"},
		{20, "DENY consent_withdrawn: on 2026-05-04"},
	} {
		if got := fmt.Sprint(ask(x.n)); got != x.want {
			t.Errorf("hour %d: %s, want %s", x.n, got, x.want)
		}
	}
	if a := ask(10); a.Then == nil || a.Then.Decision != Allow {
		t.Errorf("hour 10: then %v", a.Then)
	}
	// A grant that is recorded late does not revive it.
	p.record(at(30), direct+`,"event_time":"`+at(3).Format(time.RFC3339)+`"`)
	if got := fmt.Sprint(ask(40)); got != "DENY consent_withdrawn: on 2026-05-04" {
		t.Error(got)
	}
	if got := fmt.Sprint(ask(4)); got != "ALLOW A6-1-a; rests on 102 (consent)" {
		t.Error(got)
	}
	// Nor one of the same moment: the restrictive event wins.
	p.record(at(31), direct+`,"event_time":"`+at(5).Format(time.RFC3339)+`"`)
	if got := fmt.Sprint(ask(40)); got != "DENY consent_withdrawn: on 2026-05-04" {
		t.Error(got)
	}
	p.record(at(32), direct)
	if got := fmt.Sprint(ask(40)); got != "ALLOW A6-1-a; rests on 104 (consent)" {
		t.Error(got)
	}
}

func TestUnknownPerson(t *testing.T) {
	p := newPerson(t)
	var nobody *State
	if nobody.Known() || nobody.Count() != 0 || nobody.Recipients() != nil || !nobody.LastEvent().IsZero() || nobody.Active(at(0)) {
		t.Error("the nil state knows something")
	}
	if a := nobody.May(Question{Purpose: "newsletter"}, p.r, at(0)); a.Decision != Deny {
		t.Errorf("nobody: %v", a)
	}
	p.record(at(0), `"type":"consent.withdrawn","channel":"email"`)
	if p.s.Known() || p.s.Count() != 1 {
		t.Error("a withdrawal makes a person known")
	}
	if got := p.may(at(1), "newsletter", "email"); got != "DENY consent_withdrawn: on 2026-05-04" {
		t.Error(got)
	}
	if got := p.may(at(1), "newsletter", "phone"); got != "DENY no consent" {
		t.Error(got)
	}
	if (Answer{}).Decision == Allow || (Answer{}).Text() != "no answer" {
		t.Error("the zero answer says something")
	}
}

func TestPrintsNothing(t *testing.T) {
	p := newPerson(t)
	p.record(at(0), direct)
	a := p.s.May(Question{Purpose: "newsletter"}, p.r, at(0))
	if a.Contact == "" {
		t.Fatal("no contact to hide")
	}
	for _, v := range []any{p.s, *p.s, a, &a, Question{Contact: a.Contact}, p.s.Consents(p.r, at(0))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "leone") {
				t.Errorf("%T with %s prints %s", v, verb, s)
			}
		}
	}
}
