package event

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 5, 4, 12, 31, 40, 0, time.UTC)

const token = "kq3vB0dXw1mYx8s2Jt6PzA"

func tokenHash(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }

// leonie is a person who has asked for the newsletter and not opened the link yet.
func leonie() *past {
	q := Request{ID: "7c0e", Purpose: "newsletter", Channel: "email", Contact: "mailto:leonekohler@surfeu.de",
		Form: Ref{"web-newsletter", 1}, Notice: Ref{"privacy-de", 1}, Expires: now.Add(47 * time.Hour), Index: 129}
	return &past{known: true, requests: []Request{q}, tokens: map[string][]Request{tokenHash(token): {q}}}
}

func testContext(t testing.TB, facts Facts) Context {
	return Context{Now: now, Register: testRegister(t), Actor: Actor{Role: "append", Service: "webshop", ID: "e-7"}, Facts: facts, NewID: counter()}
}

// TestFill shows the full form of every type, and that sending it again gives it again.
func TestFill(t *testing.T) {
	const common = `"actor":{"role":"append","service":"webshop"}`
	tests := []struct {
		name, short string
		facts       Facts
		want        []string
		warn        string // codes, joined
	}{
		{"request", `{"type":"consent.requested","subject":"c-2","form":"web-newsletter","contact":"mailto:leonekohler@SURFEU.de","doi_token_sha256":"` + zeros + `"}`, nil,
			[]string{`{` + common + `,"channel":"email","contact":"mailto:leonekohler@surfeu.de","doi_expires_at":"2026-05-06T12:31:40Z","doi_token_sha256":"` + zeros + `","event_time":"2026-05-04T12:31:40Z","form":{"id":"web-newsletter","leaf":"bGVhZg==","version":1},"id":"id-1","notice":{"id":"privacy-de","version":1},"purpose":"newsletter","schema":1,"subject":"c-2","type":"consent.requested"}`}, ""},
		// The example of events.md, section 4.
		{"confirmation", `{"type":"consent.given","subject":"c-2","form":"web-newsletter","token":"` + token + `"}`, leonie(),
			[]string{`{` + common + `,"channel":"email","confirmed_by":"token","contact":"mailto:leonekohler@surfeu.de","event_time":"2026-05-04T12:31:40Z","form":{"id":"web-newsletter","leaf":"bGVhZg==","version":1},"id":"id-1","indicated_by":"subject","notice":{"id":"privacy-de","version":1},"purpose":"newsletter","request":"7c0e","schema":1,"subject":"c-2","type":"consent.given"}`}, ""},
		{"two decisions", `{"type":"consent.given","id":"m-1","subject":"c-2","form":"chat-start","contact":"tel:+49 711 2842222","decisions":{"newsletter":"no","chat-service":"yes"},"message_id":"wamid"}`, nil,
			[]string{
				`{` + common + `,"channel":"chat","contact":"tel:+497112842222","event_time":"2026-05-04T12:31:40Z","form":{"id":"chat-start","leaf":"bGVhZg==","version":1},"id":"m-1","indicated_by":"subject","message_id":"wamid","notice":{"id":"privacy-de","version":1},"purpose":"chat-service","schema":1,"subject":"c-2","type":"consent.given"}`,
				`{` + common + `,"channel":"chat","contact":"tel:+497112842222","event_time":"2026-05-04T12:31:40Z","form":{"id":"chat-start","leaf":"bGVhZg==","version":1},"id":"m-1/2","message_id":"wamid","notice":{"id":"privacy-de","version":1},"purpose":"newsletter","schema":1,"subject":"c-2","type":"consent.refused"}`,
			}, ""},
		{"a no where there was a yes", `{"type":"consent.given","subject":"c-2","form":"chat-start","contact":"tel:+49711","decisions":{"newsletter":"no"}}`,
			&past{known: true, consents: map[string]bool{"newsletter/chat/tel:+49711": true}},
			[]string{`{` + common + `,"channel":"chat","contact":"tel:+49711","event_time":"2026-05-04T12:31:40Z","form":{"id":"chat-start","leaf":"bGVhZg==","version":1},"id":"id-1","purpose":"newsletter","schema":1,"subject":"c-2","type":"consent.withdrawn"}`}, ""},
		{"a form that knows guardians", `{"type":"consent.given","subject":"c-9","form":"kids","contact":"mailto:a@b.de","age_check":"at_least_16"}`, nil,
			[]string{`{` + common + `,"age_check":"at_least_16","channel":"email","contact":"mailto:a@b.de","event_time":"2026-05-04T12:31:40Z","form":{"id":"kids","leaf":"bGVhZg==","version":1},"guardian":null,"id":"id-1","indicated_by":"subject","notice":{"id":"privacy-de","version":1},"purpose":"newsletter","schema":1,"subject":"c-9","type":"consent.given"}`}, ""},
		{"a consent with an end", `{"type":"consent.given","subject":"c-9","form":"paper-allergies@1","evidence":["sha256:` + zeros + `"],"event_time":"2026-05-03T10:00:00+02:00"}`, nil,
			[]string{`{` + common + `,"channel":"paper","event_time":"2026-05-03T08:00:00Z","evidence":["sha256:` + zeros + `"],"form":{"id":"paper-allergies","leaf":"bGVhZg==","version":1},"id":"id-1","indicated_by":"subject","notice":{"id":"privacy-de","version":1},"purpose":"allergies","schema":1,"subject":"c-9","type":"consent.given","valid_until":"2027-05-03T08:00:00Z"}`}, ""},
		{"refusal", `{"type":"consent.refused","subject":"c-2","purpose":"newsletter","channel":"email"}`, leonie(),
			[]string{`{` + common + `,"channel":"email","contact":"mailto:leonekohler@surfeu.de","event_time":"2026-05-04T12:31:40Z","id":"id-1","purpose":"newsletter","request":"7c0e","schema":1,"subject":"c-2","type":"consent.refused"}`}, ""},
		{"stop", `{"type":"consent.withdrawn","subject":"c-2","purpose":"*","channel":"chat","message_id":"wamid"}`, leonie(),
			[]string{`{` + common + `,"channel":"chat","event_time":"2026-05-04T12:31:40Z","id":"id-1","message_id":"wamid","purpose":"*","schema":1,"subject":"c-2","type":"consent.withdrawn"}`}, ""},
		{"stop by a stranger, badly spelt", `{"type":"consent.withdrawn","subject":"c-2","purpose":"newsleter","channel":"sms","contact":"0711 1234","event_time":"2026-06-01T00:00:00Z","form":"web"}`, nil,
			[]string{`{` + common + `,"claimed_channel":"sms","claimed_contact":"0711 1234","claimed_purpose":"newsleter","claimed_time":"2026-06-01T00:00:00Z","event_time":"2026-05-04T12:31:40Z","id":"id-1","purpose":"*","schema":1,"subject":"c-2","type":"consent.withdrawn"}`},
			"purpose_undeclared value_out_of_range form_unknown value_out_of_range event_time_in_future unknown_subject"},
		{"stop with much beside it", `{"type":"consent.withdrawn","subject":"c-2","reason":"","why":"x","schema":7,"late":true,"actor":{"role":"admin","id":"e-1"},"_seq":3,"id":"` + strings.Repeat("x", 200) + `","evidence":["a.pdf"]}`, leonie(),
			[]string{`{"actor":{"id":"e-1","role":"append","service":"webshop"},"event_time":"2026-05-04T12:31:40Z","id":"id-1","purpose":"*","schema":1,"subject":"c-2","type":"consent.withdrawn"}`},
			"filled_by_ledger value_out_of_range value_out_of_range value_out_of_range unknown_member"},
		{"notice delivered", `{"type":"notice.delivered","subject":"c-2","notice":"privacy-de","medium":"letter","lang":"de"}`, nil,
			[]string{`{` + common + `,"event_time":"2026-05-04T12:31:40Z","id":"id-1","lang":"de","medium":"letter","notice":{"id":"privacy-de","version":1},"schema":1,"subject":"c-2","type":"notice.delivered"}`}, ""},
		{"notice acknowledged", `{"type":"notice.acknowledged","subject":"c-36","notice":"privacy-de"}`, nil,
			[]string{`{` + common + `,"event_time":"2026-05-04T12:31:40Z","id":"id-1","notice":{"id":"privacy-de","version":1},"schema":1,"subject":"c-36","type":"notice.acknowledged"}`}, ""},
		{"business card", `{"type":"data.collected","subject":"c-36","purpose":"newsletter","categories":["EmailAddress","Name"],"channel":"business_card","contact":"mailto:a@B.de","event_time":"2026-05-04T10:20:00+02:00","evidence":["sha256:` + zeros + `"]}`, nil,
			[]string{`{` + common + `,"categories":["EmailAddress","Name"],"channel":"business_card","contact":"mailto:a@b.de","event_time":"2026-05-04T08:20:00Z","evidence":["sha256:` + zeros + `"],"id":"id-1","purpose":"newsletter","schema":1,"source":"subject","subject":"c-36","type":"data.collected"}`}, ""},
		{"invoice of long ago", `{"type":"processing.performed","id":"invoice-1","subject":"c-2","purpose":"invoices","operation":"store","event_time":"2021-01-01T09:00:00Z"}`, nil,
			[]string{`{` + common + `,"basis":"A6-1-c","event_time":"2021-01-01T09:00:00Z","id":"invoice-1","late":true,"operation":"store","purpose":"invoices","schema":1,"subject":"c-2","type":"processing.performed"}`}, "late"},
		{"disclosure", `{"type":"data.disclosed","subject":"c-2","purpose":"newsletter","recipient":"mailer","attributes":["EmailAddress","Name"],"recipient_ref":"m-88121"}`, nil,
			[]string{`{` + common + `,"attributes":["EmailAddress","Name"],"basis":"A6-1-a","event_time":"2026-05-04T12:31:40Z","id":"id-1","purpose":"newsletter","recipient":"mailer","recipient_ref":"m-88121","schema":1,"subject":"c-2","type":"data.disclosed"}`}, ""},
		{"mail", `{"type":"communication.sent","id":"mail-42/c-2","subject":"c-2","purpose":"newsletter","channel":"email","message_id":"<20260506.0042.c2@mailer.example>","batch":"mail-42","actor":{"id":"e-12"}}`,
			&past{known: true, contacts: map[string]string{"newsletter/email": "mailto:leonekohler@surfeu.de"}},
			[]string{`{"actor":{"id":"e-12","role":"append","service":"webshop"},"advertising":true,"batch":"mail-42","channel":"email","contact":"mailto:leonekohler@surfeu.de","event_time":"2026-05-04T12:31:40Z","id":"mail-42/c-2","message_id":"<20260506.0042.c2@mailer.example>","purpose":"newsletter","schema":1,"subject":"c-2","type":"communication.sent"}`}, ""},
		{"right", `{"type":"right.requested","subject":"c-2","right":"A17","channel":"chat","identity":"same_contact_as_consent"}`, nil,
			[]string{`{` + common + `,"channel":"chat","due":"2026-06-04T12:31:40Z","event_time":"2026-05-04T12:31:40Z","id":"id-1","identity":"same_contact_as_consent","right":"A17","schema":1,"subject":"c-2","type":"right.requested"}`}, ""},
	}
	for _, x := range tests {
		full, warnings, err := Fill(testContext(t, x.facts), mustParse(t, x.short))
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		var codes []string
		for _, w := range warnings {
			codes = append(codes, w.Reason)
		}
		if got := strings.Join(codes, " "); got != x.warn {
			t.Errorf("%s: warnings %q, want %q", x.name, got, x.warn)
		}
		if len(full) != len(x.want) {
			t.Errorf("%s: %d events, want %d", x.name, len(full), len(x.want))
			continue
		}
		for i, e := range full {
			if got := string(e.Canonical()); got != x.want[i] {
				t.Errorf("%s: event %d is\n%s, want\n%s", x.name, i, got, x.want[i])
			}
			if err := CheckFull(e); err != nil {
				t.Errorf("%s: event %d: %v", x.name, i, err)
			}
			checkEvent(t, e)
		}
		// What --check printed can be sent. A confirmation cannot: the token is gone.
		if len(full) == 1 && full[0].Type() == mustParse(t, x.short).Type() && !full[0].Has("confirmed_by") && !strings.Contains(x.warn, "purpose_") {
			again, _, err := Fill(testContext(t, x.facts), full[0])
			if err != nil || string(again[0].Canonical()) != x.want[0] {
				t.Errorf("%s: the full form sent again: %v", x.name, err)
			}
		}
	}
}

// TestFillRefuses: every reason that Fill can give, and that all of an event's
// reasons are given at once.
func TestFillRefuses(t *testing.T) {
	with := func(change func(*past, *Request)) *past {
		p := leonie()
		q := p.tokens[tokenHash(token)][0]
		change(p, &q)
		p.tokens[tokenHash(token)] = []Request{q}
		return p
	}
	given := `{"type":"consent.given","subject":"c-2","token":"` + token + `"`
	tests := []struct {
		short string
		facts Facts
		want  string // reason path, joined by ", "
		hint  string // contained in the first hint
	}{
		{`{}`, nil, "missing_member /type", ""},
		{`{"type":7}`, nil, "wrong_type /type", ""},
		{`{"type":"consent.gven","subject":"c-2"}`, nil, "unknown_type /type", `did you mean "consent.given"?`},
		{`{"type":"consent.withdrawn","subjct":"c-2"}`, nil, "unknown_member /subjct, missing_member /subject", `did you mean "subject"?`},
		{`{"type":"consent.withdrawn","subject":7}`, nil, "wrong_type /subject", ""},
		{`{"type":"consent.withdrawn","subject":""}`, nil, "value_out_of_range /subject", ""},
		{`{"type":"consent.refused","subject":"c-2","purpose":"newsletter","channel":"email","_seq":1}`, nil, "filled_by_ledger /_seq", "leave it out"},
		{`{"type":"chain.asserted","subject":"c-2","chains":[]}`, nil, "ledger_only /type", ""},
		{`{"type":"erasure.epoch"}`, nil, "ledger_only /type", ""},
		// The example of events.md, section 4: the categories are held against the purpose that was probably meant.
		{`{"type":"data.collected","subject":"c-36","purpose":"newsletr","categories":["EmailAddress","Name","Age"],"channel":"web"}`, nil,
			"purpose_undeclared /purpose, category_not_declared /categories/2", `did you mean "newsletter"?`},
		{`{"type":"data.disclosed","subject":"c-2","purpose":"x","recipient":"maler","attributes":["mailto:a@b.de"],"basis":"A6-1-f"}`, nil,
			"value_not_allowed /attributes/0, purpose_undeclared /purpose", "names of attributes, never values"},
		{`{"type":"data.disclosed","subject":"c-2","purpose":"newsletter","recipient":"maler","attributes":["Age"],"basis":"A6-1-f"}`, nil,
			"category_not_declared /attributes/0, recipient_unknown /recipient, filled_by_ledger /basis", "newsletter allows EmailAddress, Name"},
		{`{"type":"communication.sent","subject":"c-2","purpose":"newsletter","channel":"email","advertising":false,"contact":"tel:+49711"}`, nil,
			"contact_point_mismatch /contact, filled_by_ledger /advertising", "mailto:"},
		{`{"type":"communication.sent","subject":"c-2","purpose":"allergies","channel":"email"}`, nil, "value_not_allowed /channel", "web, paper"},
		{`{"type":"processing.performed","subject":"c-2","purpose":"newsletter","operation":"x","event_time":"2026-05-04T12:37:00Z"}`, nil, "event_time_in_future /event_time", ""},
		{`{"type":"processing.performed","subject":"c-2","purpose":"newsletter","operation":"x","late":true}`, nil, "filled_by_ledger /late", ""},
		{`{"type":"processing.performed","subject":"c-2","purpose":"newsletter","operation":"x","actor":{"role":"admin","id":"e-1"}}`, nil, "filled_by_ledger /actor/role", ""},
		{`{"type":"processing.performed","subject":"c-2","purpose":"newsletter","operation":"x","schema":2}`, nil, "filled_by_ledger /schema", ""},
		{`{"type":"processing.performed","subject":"c-2","purpose":"newsletter","operation":"x","evidence":["card-c36.jpg"]}`, nil, "value_out_of_range /evidence/0", "sha256:"},
		{`{"type":"data.collected","subject":"c-36","categories":["Name"],"channel":"web"}`, nil, "missing_member /purpose", ""},
		{`{"type":"data.collected","subject":"c-36","purpose":"newsletter"}`, nil, "missing_member /categories, missing_member /channel", ""},
		{`{"type":"notice.delivered","subject":"c-2"}`, nil, "missing_member /notice", ""},
		{`{"type":"notice.delivered","subject":"c-2","notice":"privacy-dee"}`, nil, "notice_unknown /notice", `did you mean "privacy-de"?`},
		{`{"type":"notice.delivered","subject":"c-2","notice":"privacy-de@2"}`, nil, "notice_unknown /notice", "newest version is 1"},
		{`{"type":"notice.delivered","subject":"c-2","notice":"privacy-de@01"}`, nil, "value_out_of_range /notice", ""},
		{`{"type":"notice.delivered","subject":"c-2","notice":"future"}`, nil, "notice_not_yet_published /notice", "2026-07-01"},
		{`{"type":"notice.acknowledged","subject":"c-2","notice":"privacy-de","event_time":"2026-04-30T00:00:00Z"}`, nil, "event_time_before_notice /event_time", "2026-05-01"},
		{`{"type":"consent.requested","subject":"c-2","form":"web-newsletter"}`, nil, "missing_member /contact, missing_member /doi_token_sha256", ""},
		{`{"type":"consent.requested","subject":"c-2","form":"web-newsleter","contact":"mailto:a@b.de"}`, nil, "form_unknown /form", `did you mean "web-newsletter"?`},
		{`{"type":"consent.requested","subject":"c-2","form":"web-newsletter@3","contact":"mailto:a@b.de"}`, nil, "form_unknown /form", "newest version is 1"},
		{`{"type":"consent.requested","subject":"c-2","form":"web-newsletter","contact":"mailto:a@b.de","doi_token_sha256":"` + tokenHash(token) + `"}`, leonie(), "token_spent /doi_token_sha256", "draw a new one"},
		{`{"type":"consent.requested","subject":"c-2","form":"kids","contact":"mailto:a@b.de","doi_token_sha256":"` + zeros + `"}`, nil, "value_not_allowed /doi_token_sha256", ""},
		{`{"type":"consent.requested","subject":"c-2","form":"kids","contact":"mailto:a@b.de","purpose":"chat-service"}`, nil, "purpose_not_on_form /purpose", "newsletter"},
		{`{"type":"consent.requested","subject":"c-2","form":"kids","contact":"mailto:a@b.de","channel":"phone"}`, nil, "value_not_allowed /channel", "email"},
		{`{"type":"consent.given","subject":"c-2"}`, nil, "no_affirmative_act /form", "form"},
		{`{"type":"consent.given","subject":"c-2","form":"web-newsletter"}`, nil, "missing_member /token, missing_member /contact", "double opt-in"},
		{`{"type":"consent.given","subject":"c-2","form":"web-newsletter","contact":"mailto:a@b.de","confirmed_by":"token"}`, nil, "filled_by_ledger /confirmed_by, missing_member /token", "token"},
		{`{"type":"consent.given","subject":"c-2","form":"chat-start","contact":"tel:+49711"}`, nil, "missing_member /decisions", "chat-service"},
		{`{"type":"consent.given","subject":"c-2","form":"chat-start","contact":"tel:+49711","decisions":{"newsletter":"ja","chat-service":true}}`, nil, "value_out_of_range /decisions/chat-service, value_out_of_range /decisions/newsletter", `"yes" or "no"`},
		{`{"type":"consent.given","subject":"c-2","form":"chat-start","contact":"tel:+49711","decisions":{"newsletter":"yes"},"purpose":"newsletter"}`, nil, "value_not_allowed /purpose", ""},
		{`{"type":"consent.given","subject":"c-2","form":"chat-start","contact":"tel:+49711","decisions":{"invoices":"yes"}}`, nil, "purpose_not_on_form /decisions/invoices", ""},
		{`{"type":"consent.given","subject":"c-2","form":"chat-start","contact":"mailto:a@b.de","decisions":{"newsletter":"yes"}}`, nil, "contact_point_mismatch /contact", "tel:"},
		{`{"type":"consent.given","subject":"c-2","form":"chat-start","contact":"tel:+49711","decisions":{"newsletter":"yes"},"notice":"other"}`, nil, "notice_mismatch /notice", ""},
		{`{"type":"consent.given","subject":"c-2","form":"chat-start","contact":"tel:+49711","decisions":{"newsletter":"yes"},"request":"7"}`, nil, "filled_by_ledger /request", ""},
		{`{"type":"consent.given","subject":"c-2","form":"chat-start","contact":"tel:+49711","decisions":{"newsletter":"yes"},"valid_until":"2026-05-04T00:00:00Z"}`, nil, "value_not_allowed /valid_until", ""},
		{`{"type":"consent.given","subject":"c-2","form":{"id":"chat-start","version":1,"leaf":"x"},"contact":"tel:+49711","decisions":{"newsletter":"yes"}}`, nil, "filled_by_ledger /form/leaf", ""},
		{`{"type":"consent.given","subject":"c-2","form":"kids","contact":"mailto:a@b.de"}`, nil, "missing_member /age_check", "below_16"},
		{`{"type":"consent.given","subject":"c-2","form":"kids","contact":"mailto:a@b.de","age_check":"below_18"}`, nil, "value_out_of_range /age_check, guardian_required /indicated_by", ""},
		{`{"type":"consent.given","subject":"c-2","form":"kids","contact":"mailto:a@b.de","age_check":"below_16"}`, nil, "guardian_required /indicated_by", "guardian"},
		{`{"type":"consent.given","subject":"c-2","form":"kids","contact":"mailto:a@b.de","age_check":"at_least_16","guardian":"c-3"}`, nil, "value_not_allowed /guardian", ""},
		{`{"type":"consent.given","subject":"c-2","form":"web-allergies"}`, nil, "explicit_required /form", "special categories"},
		{`{"type":"consent.given","subject":"c-2","form":"old-one"}`, nil, "purpose_inactive /form", ""},
		{`{"type":"consent.given","subject":"c-2","form":"chat-start","contact":"tel:+49711","decisions":{"newsletter":"yes"},"event_time":"2026-05-01T09:00:00Z"}`, nil, "backdated_without_reason /late_reason", "72 hours"},
		{`{"type":"consent.given","subject":"c-2","form":"chat-start","contact":"tel:+49711","decisions":{"newsletter":"yes"}}`,
			&past{requests: []Request{{ID: "r", Purpose: "newsletter", Channel: "chat", Contact: "tel:+49711", Notice: Ref{"privacy-de", 7}}}}, "notice_mismatch /notice", ""},
		{given + `}`, nil, "token_unknown /token", ""},
		{given + `}`, with(func(_ *past, q *Request) { q.Status = RequestSpent }), "token_spent /token", ""},
		{given + `}`, with(func(_ *past, q *Request) { q.Status = RequestSuperseded }), "token_superseded /token", ""},
		{given + `}`, with(func(_ *past, q *Request) { q.Expires = now.Add(-time.Second) }), "token_expired /token", "ask again"},
		{given + `,"contact":"mailto:leonie@other.de"}`, leonie(), "contact_point_mismatch /contact", "another contact"},
		{given + `,"form":"chat-start"}`, leonie(), "form_mismatch /form", "web-newsletter@1"},
		{given + `,"form":"chat-stat"}`, leonie(), "form_unknown /form", "chat-start"},
		{given + `,"notice":"privacy-de@7"}`, leonie(), "notice_mismatch /notice", "privacy-de@1"},
		{given + `,"decisions":{"chat-service":"yes"}}`, leonie(), "purpose_not_on_form /decisions/chat-service", ""},
		{given + `,"request":"7c0f"}`, leonie(), "filled_by_ledger /request", ""},
		{`{"type":"consent.refused","subject":"c-2"}`, nil, "missing_member /channel, missing_member /purpose", ""},
		{`{"type":"right.requested","subject":"c-2","right":"A99","due":"2026-05-05T00:00:00Z"}`, nil, "value_out_of_range /right, filled_by_ledger /due", "A15"},
		// Members of other types that name several purposes.
		{`{"type":"consent.given","subject":"c-2","form":"web-allergies","purposes":["hobbies","newsletter"]}`, nil,
			"unknown_member /purposes, explicit_required /purposes/0, purpose_not_on_form /purposes/1", ""},
		{`{"type":"data.collected","subject":"c-2","decisions":{"hobbies":"yes","newsletter":"yes"},"channel":"web","categories":["Name"]}`, nil,
			"unknown_member /decisions", ""},
	}
	for _, x := range tests {
		c := testContext(t, x.facts)
		c.Register = refusalRegister(t)
		full, _, err := Fill(c, mustParse(t, x.short))
		if err == nil {
			t.Errorf("%s: filled as %s", x.short, full[0].Canonical())
			continue
		}
		r := refusal(t, err)
		var got []string
		for _, g := range r.Reasons {
			got = append(got, strings.TrimSpace(g.Reason+" "+g.Path))
		}
		if s := strings.Join(got, ", "); s != x.want {
			t.Errorf("%s:\n%s, want\n%s", x.short, s, x.want)
		}
		if !strings.Contains(r.Reasons[0].Hint, x.hint) {
			t.Errorf("%s: hint %q, want %q in it", x.short, r.Reasons[0].Hint, x.hint)
		}
		if want := x.want == "event_time_in_future /event_time"; r.Retryable != want {
			t.Errorf("%s: retryable %v", x.short, r.Retryable)
		}
		for _, secret := range []string{token, "leonie", "c-2", "+49711", "a@b.de", "card-c36"} {
			if strings.Contains(r.Error(), secret) {
				t.Errorf("%s: the refusal tells %q: %s", x.short, secret, r.Error())
			}
		}
	}
}

// refusalRegister has a purpose that became sensitive after its form was
// published, one that has ended, and a notice of the future.
func refusalRegister(t testing.TB) *Register {
	const hobbies = `{"type":"purpose.declared","purpose_id":"hobbies","description":{"de":"Hobbys"},"legal_basis":"A6-1-a","categories":["Name"],"storage":["DE"],"retention":"P1Y"`
	const ended = `{"type":"purpose.declared","purpose_id":"ended","description":{"de":"Vorbei"},"legal_basis":"A6-1-a","categories":["Name"],"storage":["DE"],"retention":"P1Y"`
	return testRegister(t,
		`{"type":"notice.published","notice_id":"future","lang":"de","text":"x","effective_from":"2026-07-01T00:00:00Z"}`,
		hobbies+`}`, ended+`}`,
		`{"type":"form.published","form_id":"web-allergies","channel":"web","purposes":["hobbies"],"notice":"privacy-de","statement":{"de":"Ja"},"method":"button"}`,
		`{"type":"form.published","form_id":"old-one","channel":"web","purposes":["ended"],"notice":"privacy-de","statement":{"de":"Ja"},"method":"button"}`,
		hobbies+`,"sensitive":true}`, ended+`,"active":false}`)
}

func TestOperatorCannotConfirm(t *testing.T) {
	for _, role := range []string{"admin", "approve", "audit", "erase", "read"} {
		c := testContext(t, leonie())
		c.Actor.Role = role
		_, _, err := Fill(c, mustParse(t, `{"type":"consent.given","subject":"c-2","token":"`+token+`"}`))
		if r := refusal(t, err); !r.Has(OperatorCannotConfirm) || len(r.Reasons) != 1 {
			t.Errorf("role %s: %v", role, r)
		}
	}
}

// TestTokenIsDropped: neither the token nor anything but its effect is in the full form.
func TestTokenIsDropped(t *testing.T) {
	full, _, err := Fill(testContext(t, leonie()), mustParse(t, `{"type":"consent.given","subject":"c-2","token":"`+token+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(full[0].Canonical()); strings.Contains(s, token) || strings.Contains(s, tokenHash(token)) {
		t.Errorf("the full form holds the token or its hash: %s", s)
	}
}

// TestIDs: ids of a request that becomes several events, and drawn ones.
func TestIDs(t *testing.T) {
	c := testContext(t, nil)
	c.NewID = nil
	full, _, err := Fill(c, mustParse(t, `{"type":"consent.refused","subject":"c-2","form":"chat-start","contact":"tel:+49711"}`))
	if err != nil || len(full) != 2 {
		t.Fatal(len(full), err)
	}
	id := full[0].Str("id")
	if len(id) != 36 || id[14] != '4' || !strings.ContainsRune("89ab", rune(id[19])) || full[1].Str("id") != id+"/2" {
		t.Errorf("ids %s and %s", id, full[1].Str("id"))
	}
	long := strings.Repeat("x", 129)
	if _, _, err := Fill(c, mustParse(t, `{"type":"consent.refused","id":"`+long+`","subject":"c-2","form":"chat-start","contact":"tel:+49711"}`)); err == nil {
		t.Error("an id of 129 bytes is accepted")
	}
}

func BenchmarkFill(b *testing.B) {
	c := testContext(b, leonie())
	c.NewID = func() string { return "f2b0d0c8-8d0c-4a6e-9d64-1f0f7a0c2f11" }
	e := mustParse(b, `{"type":"consent.given","subject":"c-2","form":"web-newsletter","token":"`+token+`"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Fill(c, e); err != nil {
			b.Fatal(err)
		}
	}
}
