package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The demo's people and invoices: demodata/SOURCE.md.
var (
	//go:embed demodata/customer.json
	customersJSON []byte
	//go:embed demodata/invoice.json
	invoicesJSON []byte
)

type customer struct {
	CustomerID int    `json:"CustomerId"`
	FirstName  string `json:"FirstName"`
	LastName   string `json:"LastName"`
	Country    string `json:"Country"`
	Email      string `json:"Email"`
}

func (c customer) subject() string { return fmt.Sprintf("c-%d", c.CustomerID) }

type invoice struct {
	InvoiceID   int     `json:"InvoiceId"`
	CustomerID  int     `json:"CustomerId"`
	InvoiceDate string  `json:"InvoiceDate"`
	Total       float64 `json:"Total"`
}

// leonie is the customer whose story the demo tells: Leonie Köhler of Stuttgart.
const leonie = 2

// demoData is what the demo records before its first act.
type demoData struct {
	customers []customer
	invoices  []invoice
	countries int
	register  []string
	events    []string
	token     string // Leonie's, for the link that she has not opened yet
}

func newDemoData(now time.Time) (*demoData, error) {
	d := new(demoData)
	if err := json.Unmarshal(customersJSON, &d.customers); err != nil {
		return nil, fmt.Errorf("the demo's customers: %w", err)
	}
	if err := json.Unmarshal(invoicesJSON, &d.invoices); err != nil {
		return nil, fmt.Errorf("the demo's invoices: %w", err)
	}
	countries := make(map[string]bool)
	for _, c := range d.customers {
		countries[c.Country] = true
	}
	d.countries = len(countries)
	d.declare()
	for _, c := range d.customers {
		if err := d.person(c, now); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// declare fills the register. It was declared before the first invoice.
func (d *demoData) declare() {
	const since = `"event_time":"2020-12-01T08:00:00Z","late_reason":"taken over from the old register"`
	d.register = []string{
		`{"type":"controller.registered","controller_id":"chinook","name":"Chinook Musik GmbH","contact":"datenschutz@chinook.example","jurisdiction":"DE","public":true,` + since + `}`,
		`{"type":"notice.published","notice_id":"privacy-de","lang":"de","url":"https://chinook.example/datenschutz","text":"Chinook Musik GmbH verarbeitet Ihre Daten, um Rechnungen aufzubewahren und, wenn Sie es wünschen, Musiktipps zu senden.","public":true,` + since + `}`,
		`{"type":"recipient.registered","recipient_id":"mailer","name":"Mailversand AG","role":"processor","country":"DE","contract":"sha256:` + strings.Repeat("5e", 32) + `",` + since + `}`,
		`{"type":"purpose.declared","purpose_id":"newsletter","description":{"de":"Newsletter mit Musiktipps"},"legal_basis":"A6-1-a","categories":["EmailAddress","Name"],"recipients":["mailer"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true,` + since + `}`,
		`{"type":"purpose.declared","purpose_id":"own-similar-products","description":{"de":"Werbung für eigene ähnliche Waren"},"legal_basis":"A6-1-f","rule":"DE-UWG-7-3","categories":["EmailAddress","Name"],"recipients":["mailer"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true,` + since + `}`,
		`{"type":"purpose.declared","purpose_id":"invoices","description":{"de":"Aufbewahrung der Rechnungen"},"legal_basis":"A6-1-c","law":"§ 147 AO","categories":["Name","PurchasesAndSpendingHabit"],"storage":["DE"],"retention":{"for":"P8Y","from":"year_end"},"compartment":"tax",` + since + `}`,
		`{"type":"form.published","form_id":"web-newsletter","channel":"email","purposes":["newsletter"],"notice":"privacy-de","statement":{"de":"Ja, ich möchte den Newsletter mit Musiktipps per E-Mail erhalten."},"method":"checkbox","prefilled":false,"double_opt_in":"PT48H","public":true,` + since + `}`,
	}
}

// person adds what the shop knows of one customer: that the notice went out, a
// newsletter asked for, the invoices, and, for German customers, what § 7(3) UWG
// allows to send to somebody who has bought before.
func (d *demoData) person(c customer, now time.Time) error {
	s := quoteString(c.subject())
	at := func(t time.Time) string {
		return `"event_time":"` + t.UTC().Format(time.RFC3339) + `","late_reason":"taken over from the shop system"`
	}
	d.add(`{"type":"notice.delivered","subject":%s,"notice":"privacy-de","medium":"email","lang":"de"}`, s)
	d.add(`{"type":"notice.acknowledged","subject":%s,"notice":"privacy-de","method":"link"}`, s)
	var own []invoice
	for _, i := range d.invoices {
		if i.CustomerID == c.CustomerID {
			own = append(own, i)
		}
	}
	for _, i := range own {
		day, err := time.Parse("2006-01-02T15:04:05", i.InvoiceDate)
		if err != nil {
			return fmt.Errorf("invoice %d: %w", i.InvoiceID, err)
		}
		d.add(`{"type":"processing.performed","id":"invoice-%d","subject":%s,"purpose":"invoices","operation":"store",%s}`, i.InvoiceID, s, at(day.Add(9*time.Hour)))
		if c.Country != "Germany" {
			continue
		}
		d.add(`{"type":"data.disclosed","subject":%s,"purpose":"own-similar-products","recipient":"mailer","attributes":["EmailAddress","Name"],"recipient_ref":"m-%d",%s}`, s, 88119+c.CustomerID, at(day.Add(14*24*time.Hour)))
		for n := 1; n <= 2; n++ {
			d.add(`{"type":"communication.sent","subject":%s,"purpose":"own-similar-products","channel":"email","message_id":"<%d.%d@mailer.example>","advertising":true,%s}`, s, i.InvoiceID, n, at(day.Add(time.Duration(n)*15*24*time.Hour)))
		}
	}
	token := demoToken(c.CustomerID)
	hash := sha256.Sum256([]byte(token))
	d.add(`{"type":"consent.requested","subject":%s,"form":"web-newsletter","contact":%s,"doi_token_sha256":"%s"}`, s, quoteString("mailto:"+c.Email), hex.EncodeToString(hash[:]))
	if c.CustomerID == leonie {
		d.token = token // she opens her link in the first act
		return nil
	}
	d.add(`{"type":"consent.given","subject":%s,"form":"web-newsletter","token":%s}`, s, quoteString(token))
	for n := 1; n <= 4; n++ {
		d.add(`{"type":"communication.sent","id":"mail-%d/%s","subject":%s,"purpose":"newsletter","channel":"email","batch":"mail-%d"}`, n, c.subject(), s, n)
	}
	return nil
}

func (d *demoData) add(format string, args ...any) {
	d.events = append(d.events, fmt.Sprintf(format, args...))
}

// demoToken is a token of 128 bits, the same in each run so that the command in
// the transcript can be pasted. A real one is drawn at random.
func demoToken(id int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "lacuna demo token %d", id))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func quoteString(s string) string { return string(quote(s)) }
