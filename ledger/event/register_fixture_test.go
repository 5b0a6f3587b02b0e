package event

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The register of events.md, section 2, and what the tests need beside it.
var registerLines = []string{
	`{"type":"controller.registered","controller_id":"chinook","name":"Chinook Musik GmbH","contact":"datenschutz@chinook.example","jurisdiction":"DE","public":true}`,
	`{"type":"notice.published","notice_id":"privacy-de","lang":"de","url":"https://chinook.example/datenschutz","text":"<p>Datenschutz</p>","public":true}`,
	`{"type":"recipient.registered","recipient_id":"mailer","name":"Mailversand AG","role":"processor","country":"DE","contract":"sha256:` + zeros + `"}`,
	`{"type":"purpose.declared","purpose_id":"newsletter","description":{"de":"Newsletter mit Musiktipps"},"legal_basis":"A6-1-a","categories":["EmailAddress","Name"],"recipients":["mailer"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true}`,
	`{"type":"purpose.declared","purpose_id":"chat-service","description":{"de":"Fragen zur Bestellung im Chat"},"legal_basis":"A6-1-b","categories":["TelephoneNumber","Name"],"storage":["DE"],"retention":"P90D","compartment":"chat"}`,
	`{"type":"purpose.declared","purpose_id":"own-similar-products","description":{"de":"Werbung für eigene ähnliche Waren"},"legal_basis":"A6-1-f","rule":"DE-UWG-7-3","categories":["EmailAddress"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true}`,
	`{"type":"purpose.declared","purpose_id":"invoices","description":{"de":"Aufbewahrung der Rechnungen"},"legal_basis":"A6-1-c","law":"§ 147 AO","categories":["Name"],"storage":["DE"],"retention":{"for":"P8Y","from":"year_end"},"compartment":"tax"}`,
	`{"type":"purpose.declared","purpose_id":"allergies","description":{"de":"Allergien"},"legal_basis":"A6-1-a","categories":["Health"],"storage":["DE"],"retention":{"for":"P1Y","from":"withdrawal"},"sensitive":true,"validity":"P1Y","channels":["web","paper"]}`,
	`{"type":"form.published","form_id":"web-newsletter","channel":"email","purposes":["newsletter"],"notice":"privacy-de","statement":{"de":"Ja, ich möchte den Newsletter mit Musiktipps per E-Mail erhalten."},"method":"checkbox","prefilled":false,"double_opt_in":"PT48H","public":true}`,
	`{"type":"form.published","form_id":"chat-start","channel":"chat","purposes":["chat-service","newsletter"],"notice":"privacy-de","statement":{"de":"Schreiben Sie START, um Neuigkeiten im Chat zu erhalten. STOP beendet es."},"method":"keyword","prefilled":false,"keywords":{"give":["start"],"withdraw":["stop","stopp"]},"public":true}`,
	`{"type":"form.published","form_id":"paper-allergies","channel":"paper","purposes":["allergies"],"notice":"privacy-de@1","statement":{"de":"Ich willige ausdrücklich ein."},"method":"signature","explicit":true,"late_after":"P7D"}`,
	`{"type":"form.published","form_id":"kids","channel":"email","purposes":["newsletter"],"notice":"privacy-de","statement":{"de":"Ja"},"method":"button","min_age":16,"guardian":"required_below"}`,
}

var zeros = strings.Repeat("0", 64)

// published is when the register was.
var published = time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)

func testRegister(t testing.TB, more ...string) *Register {
	t.Helper()
	r := NewRegister()
	for _, line := range append(append([]string(nil), registerLines...), more...) {
		r = declare(t, r, published, line)
	}
	return r
}

// declare fills and applies a register event.
func declare(t testing.TB, r *Register, at time.Time, line string) *Register {
	t.Helper()
	full, _, err := Fill(Context{Now: at, Register: r}, mustParse(t, line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if len(full) == 0 {
		return r
	}
	if r, err = r.Apply(full[0], []byte("leaf")); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return r
}

// counter draws ids in order.
func counter() func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("id-%d", n) }
}

// past is a person as a test wants them.
type past struct {
	known    bool
	requests []Request
	tokens   map[string][]Request
	contacts map[string]string // purpose/channel
	consents map[string]bool   // purpose/channel/contact
}

func (p *past) Known() bool                   { return p.known }
func (p *past) ByToken(hash string) []Request { return p.tokens[hash] }
func (p *past) OpenRequest(purpose, channel, contact string) (Request, bool) {
	for _, q := range p.requests {
		if q.Purpose == purpose && q.Channel == channel && (contact == "" || contact == q.Contact) && q.Status == RequestOpen {
			return q, true
		}
	}
	return Request{}, false
}
func (p *past) ContactOf(purpose, channel string) (string, bool) {
	c, ok := p.contacts[purpose+"/"+channel]
	return c, ok
}
func (p *past) Consented(purpose, channel, contact string) bool {
	return p.consents[purpose+"/"+channel+"/"+contact]
}
