package consent

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

var start = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// at is n hours after the start.
func at(n int) time.Time { return start.Add(time.Duration(n) * time.Hour) }

var registerLines = []string{
	`{"type":"notice.published","notice_id":"privacy-de","lang":"de","text":"one"}`,
	`{"type":"recipient.registered","recipient_id":"mailer","name":"Mailversand AG","role":"processor","country":"DE","contract":"sha256:` + strings.Repeat("0", 64) + `"}`,
	`{"type":"recipient.registered","recipient_id":"printer","name":"Druckerei","role":"processor","country":"DE"}`,
	`{"type":"recipient.registered","recipient_id":"post","name":"Post","role":"controller","country":"DE"}`,
	`{"type":"purpose.declared","purpose_id":"newsletter","description":{"de":"Newsletter"},"legal_basis":"A6-1-a","categories":["EmailAddress","Name"],"recipients":["mailer","printer","gone","nobody"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true}`,
	`{"type":"purpose.declared","purpose_id":"chat-service","description":{"de":"Fragen im Chat"},"legal_basis":"A6-1-b","categories":["TelephoneNumber","Name"],"storage":["DE"],"retention":"P90D","compartment":"chat","channels":["chat"]}`,
	`{"type":"purpose.declared","purpose_id":"own-similar-products","description":{"de":"Werbung"},"legal_basis":"A6-1-f","categories":["EmailAddress"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true}`,
	`{"type":"purpose.declared","purpose_id":"yearly","description":{"de":"Befragung"},"legal_basis":"A6-1-a","categories":["EmailAddress"],"storage":["DE"],"retention":"P2Y","validity":"P1Y"}`,
	`{"type":"purpose.declared","purpose_id":"ended","description":{"de":"Vorbei"},"legal_basis":"A6-1-b","categories":["Name"],"storage":["DE"],"retention":"P2Y","active":false}`,
	`{"type":"recipient.registered","recipient_id":"gone","name":"Weg","role":"processor","country":"DE","contract":"sha256:` + strings.Repeat("0", 64) + `","active":false}`,
	`{"type":"form.published","form_id":"web-newsletter","channel":"email","purposes":["newsletter"],"notice":"privacy-de","statement":{"de":"Ja"},"method":"checkbox","prefilled":false,"double_opt_in":"PT48H"}`,
	`{"type":"form.published","form_id":"simple","channel":"email","purposes":["newsletter","yearly","own-similar-products"],"notice":"privacy-de","statement":{"de":"Ja"},"method":"button"}`,
	`{"type":"form.published","form_id":"chat-start","channel":"chat","purposes":["chat-service","newsletter"],"notice":"privacy-de","statement":{"de":"START"},"method":"keyword","keywords":{"give":["start"],"withdraw":["stop"]}}`,
}

func testRegister(t testing.TB, more ...string) *event.Register {
	t.Helper()
	r := event.NewRegister()
	for _, line := range append(append([]string(nil), registerLines...), more...) {
		r = declare(t, r, start.Add(-time.Hour), line)
	}
	return r
}

func declare(t testing.TB, r *event.Register, now time.Time, line string) *event.Register {
	t.Helper()
	full, _, err := event.Fill(event.Context{Now: now, Register: r}, parse(t, line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if r, err = r.Apply(full[0], []byte("leaf")); err != nil {
		t.Fatal(err)
	}
	return r
}

func parse(t testing.TB, text string) *event.Event {
	t.Helper()
	e, err := event.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

// person records short events about one person, as the ledger does.
type person struct {
	t     testing.TB
	r     *event.Register
	s     *State
	index uint64
	ids   int
}

func newPerson(t testing.TB) *person { return &person{t: t, r: testRegister(t), s: New(), index: 100} }

// try fills and applies a short event at a time; nothing is kept of a refused one.
func (p *person) try(now time.Time, members string) error {
	p.t.Helper()
	c := event.Context{Now: now, Register: p.r, Facts: p.s, NewID: func() string { p.ids++; return fmt.Sprintf("id-%d", p.ids) }}
	full, _, err := event.Fill(c, parse(p.t, `{"subject":"c-2",`+members+`}`))
	if err != nil {
		return err
	}
	s := p.s
	for i, e := range full {
		if err := event.CheckFull(e); err != nil {
			p.t.Fatalf("%s: %v", members, err)
		}
		if s, err = s.Apply(e.WithChain(1, [32]byte{}, now), p.index+uint64(i)); err != nil {
			return err
		}
	}
	p.s, p.index = s, p.index+uint64(len(full))
	return nil
}

func (p *person) record(now time.Time, members string) {
	p.t.Helper()
	if err := p.try(now, members); err != nil {
		p.t.Fatalf("%s: %v", members, err)
	}
}

func (p *person) may(now time.Time, purpose, channel string) string {
	a := p.s.May(Question{Purpose: purpose, Channel: channel}, p.r, now)
	return strings.ToUpper(a.Decision.String()) + " " + a.Text()
}

func code(err error) string {
	var r *event.Refused
	if !errors.As(err, &r) {
		return fmt.Sprint(err)
	}
	return r.Reasons[0].Reason
}
