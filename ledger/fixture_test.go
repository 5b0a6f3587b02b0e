package ledger_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
)

// register is what the tests' controller declares. Every kind of retention is in it.
var register = []string{
	`{"type":"controller.registered","controller_id":"shop","name":"Shop GmbH","contact":"dpo@shop.example","jurisdiction":"DE","public":true}`,
	`{"type":"notice.published","notice_id":"privacy","lang":"de","url":"https://shop.example/privacy","text":"Wir speichern Rechnungen.","public":true}`,
	`{"type":"recipient.registered","recipient_id":"mailer","name":"Mailversand AG","role":"processor","country":"DE","contract":"sha256:5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"}`,
	`{"type":"purpose.declared","purpose_id":"newsletter","description":{"de":"Newsletter"},"legal_basis":"A6-1-a","categories":["EmailAddress","Name"],"recipients":["mailer"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true}`,
	`{"type":"purpose.declared","purpose_id":"own-products","description":{"de":"Werbung für eigene Waren"},"legal_basis":"A6-1-f","rule":"DE-UWG-7-3","categories":["EmailAddress","Name"],"recipients":["mailer"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true}`,
	`{"type":"purpose.declared","purpose_id":"flash","description":{"de":"Blitzangebote"},"legal_basis":"A6-1-f","categories":["Name"],"storage":["DE"],"retention":"P30D","compartment":"marketing","advertising":true}`,
	`{"type":"purpose.declared","purpose_id":"chat-service","description":{"de":"Fragen im Chat"},"legal_basis":"A6-1-b","categories":["TelephoneNumber","Name"],"storage":["DE"],"retention":"P90D","compartment":"chat"}`,
	`{"type":"purpose.declared","purpose_id":"invoices","description":{"de":"Aufbewahrung der Rechnungen"},"legal_basis":"A6-1-c","law":"§ 147 AO","categories":["Name"],"storage":["DE"],"retention":{"for":"P8Y","from":"year_end"},"compartment":"tax"}`,
	`{"type":"purpose.declared","purpose_id":"partner-mail","description":{"de":"Post von Partnern"},"legal_basis":"A6-1-a","categories":["Name"],"recipients":["mailer"],"storage":["DE"],"retention":{"for":"P1Y","from":"withdrawal"},"compartment":"partner","advertising":true}`,
	`{"type":"purpose.declared","purpose_id":"survey","description":{"de":"Umfragen"},"legal_basis":"A6-1-a","categories":["Name"],"storage":["DE"],"retention":{"for":"P1Y","from":"withdrawal"},"compartment":"survey","validity":"P1Y"}`,
	`{"type":"purpose.declared","purpose_id":"membership","description":{"de":"Mitgliedschaft"},"legal_basis":"A6-1-b","categories":["Name"],"storage":["DE"],"retention":{"for":"P3Y","from":"contract_end"},"compartment":"member"}`,
	`{"type":"form.published","form_id":"web-newsletter","channel":"email","purposes":["newsletter"],"notice":"privacy","statement":{"de":"Ja, ich will."},"method":"checkbox","prefilled":false,"double_opt_in":"PT48H","public":true}`,
	`{"type":"form.published","form_id":"web-partner","channel":"email","purposes":["partner-mail"],"notice":"privacy","statement":{"de":"Ja, auch von Partnern."},"method":"checkbox","prefilled":false,"public":true}`,
	`{"type":"form.published","form_id":"web-survey","channel":"email","purposes":["survey"],"notice":"privacy","statement":{"de":"Fragen Sie mich."},"method":"checkbox","prefilled":false,"public":true}`,
	`{"type":"form.published","form_id":"chat-start","channel":"chat","purposes":["chat-service","newsletter"],"notice":"privacy","statement":{"de":"Schreiben Sie START."},"method":"keyword","prefilled":false,"keywords":{"give":["start"],"withdraw":["stop"]},"public":true}`,
}

// declare records the register.
func declare(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	for _, text := range register {
		must(t, l, text)
	}
}

func parse(t testing.TB, text string) *event.Event {
	t.Helper()
	ev, err := event.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return ev
}

// must records an event.
func must(t testing.TB, l *ledger.Ledger, text string, args ...any) []ledger.Recorded {
	t.Helper()
	if len(args) > 0 {
		text = fmt.Sprintf(text, args...)
	}
	rec, err := l.Record(t.Context(), parse(t, text))
	if err != nil {
		t.Fatalf("%s: %v", text, explain(err))
	}
	return rec
}

// explain spells a refusal out.
func explain(err error) string {
	var r *event.Refused
	if errors.As(err, &r) {
		return fmt.Sprintf("refused: %+v", r.Reasons)
	}
	return err.Error()
}

// refusedWith reports whether an error is a refusal with a reason.
func refusedWith(err error, reason string) bool {
	var r *event.Refused
	if !errors.As(err, &r) {
		return false
	}
	for _, x := range r.Reasons {
		if x.Reason == reason {
			return true
		}
	}
	return false
}

// token returns a double opt-in token and its hash.
func token(seed string) (tok, hash string) {
	sum := sha256.Sum256([]byte(seed))
	tok = base64.RawURLEncoding.EncodeToString(sum[:16])
	sum = sha256.Sum256([]byte(tok))
	return tok, hex.EncodeToString(sum[:])
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// happened writes the members of an event that is recorded late.
func happened(at time.Time) string {
	return `"event_time":"` + at.UTC().Format(time.RFC3339) + `","late_reason":"imported"`
}

// checkFsck fails where a full check finds anything.
func checkFsck(t testing.TB, l *ledger.Ledger) *ledger.FsckReport {
	t.Helper()
	r, err := l.Fsck(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Problems {
		t.Errorf("fsck: %s", p)
	}
	for _, p := range r.Missing {
		t.Errorf("fsck: key page %s is missing", p)
	}
	return r
}

func isNotFound(err error) bool {
	var e *ledger.NotFoundError
	return errors.As(err, &e)
}

func isErased(err error) bool {
	var e *ledger.ErasedError
	return errors.As(err, &e)
}

// question asks whether a purpose may be pursued through a channel.
func question(purpose, channel string) consent.Question {
	return consent.Question{Purpose: purpose, Channel: channel}
}
