package event

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestChange(t *testing.T) {
	r := testRegister(t)
	for _, line := range registerLines {
		e := mustParse(t, line)
		same, v, changes, err := r.Change(e)
		if err != nil || !same || v != 1 || changes != nil {
			t.Errorf("%.60s: same %v, version %d, changes %v, %v", line, same, v, changes, err)
		}
		// Fill agrees, and gives nothing to record.
		full, warnings, err := Fill(Context{Now: now, Register: r}, e)
		if err != nil || len(full) != 0 || len(warnings) == 0 || warnings[len(warnings)-1].Reason != "unchanged" {
			t.Errorf("%.60s again: %d events, %v, %v", line, len(full), warnings, err)
		}
	}
	const newsletter = `{"type":"purpose.declared","purpose_id":"newsletter","description":{"de":"Newsletter mit Musiktipps"},"legal_basis":"A6-1-a",`
	tests := []struct {
		line string
		want []string
	}{
		{newsletter + `"categories":["EmailAddress","BirthDate"],"recipients":["mailer"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true}`,
			[]string{"categories: +BirthDate -Name"}},
		{newsletter + `"categories":["Name","EmailAddress"],"recipients":["mailer"],"storage":["DE"],"retention":{"for":"P2Y","from":"last_event"},"compartment":"marketing","advertising":true,"active":true,"sensitive":false}`,
			[]string{"categories: another order"}},
		{newsletter + `"categories":["EmailAddress","Name"],"storage":["DE"],"retention":{"for":"P3Y","from":"year_end"},"compartment":"marketing","advertising":false}`,
			[]string{"advertising: removed", "recipients: removed", `retention.for: was "P2Y", now "P3Y"`, `retention.from: was "last_event", now "year_end"`}},
		{`{"type":"notice.published","notice_id":"privacy-de","lang":"de","url":"https://chinook.example/datenschutz","text":"<p>Datenschutz, neu</p>","public":true,"material":true}`,
			[]string{"material: true (new)", "sha256: was", `text: was "<p>Datenschutz</p>", now "<p>Datenschutz, neu</p>"`}},
		{`{"type":"recipient.registered","recipient_id":"mailer","name":"Mailversand SE","role":"processor","country":"DE","contract":"sha256:` + zeros + `"}`,
			[]string{`name: was "Mailversand AG", now "Mailversand SE"`}},
		{`{"type":"purpose.declared","purpose_id":"invoices","description":{"de":"Aufbewahrung der Rechnungen","en":"Invoices"},"legal_basis":"A6-1-c","law":"§ 147 AO","categories":["Name"],"storage":["DE"],"retention":{"for":"P8Y","from":"year_end"},"compartment":"tax","public":true}`,
			[]string{`description.en: "Invoices" (new)`, "public: now readable by the world"}},
	}
	for _, x := range tests {
		e := mustParse(t, x.line)
		same, v, changes, err := r.Change(e)
		if err != nil || same || v != 2 || len(changes) != len(x.want) {
			t.Errorf("%.60s: same %v, version %d, changes %q, %v; want %q", x.line, same, v, changes, err, x.want)
			continue
		}
		for i, w := range x.want {
			if !strings.HasPrefix(changes[i], w) {
				t.Errorf("%.60s: change %q, want %q", x.line, changes[i], w)
			}
		}
		next := declare(t, r, now, x.line)
		if same, v, _, err := next.Change(e); err != nil || !same || v != 2 {
			t.Errorf("%.60s: applied and sent again: same %v, version %d, %v", x.line, same, v, err)
		}
		if same, v, _, _ := r.Change(e); same || v != 2 {
			t.Errorf("%.60s: applying it changed the register before", x.line)
		}
	}
	if _, _, _, err := r.Change(mustParse(t, `{"type":"consent.withdrawn","subject":"c-2"}`)); err == nil {
		t.Error("Change accepts an event about a person")
	}
}

// TestRegisterSurvives: a register that is folded again from what was sealed and
// from public leaves, which lack the member public, is the same.
func TestRegisterSurvives(t *testing.T) {
	r, again := testRegister(t), NewRegister()
	var all []*Event
	for _, x := range r.Purposes() {
		all = append(all, x.Event)
	}
	c, _ := r.Controller(time.Time{})
	f, _ := r.Form("web-newsletter", 1)
	n, _ := r.Notice("privacy-de", 0)
	m, _ := r.Recipient("mailer", 0)
	all = append(all, c.Event, f.Event, n.Event, m.Event)
	for _, e := range all {
		if e.flag("public") {
			text := Statement(e)
			if strings.Contains(string(text), "public") {
				t.Errorf("the statement says public: %s", text)
			}
			bare, err := ParseFull(text)
			if err != nil {
				t.Fatal(err)
			}
			back, err := ParseStatement(text)
			if err != nil || !reflect.DeepEqual(back.Canonical(), e.Canonical()) {
				t.Errorf("ParseStatement(%s) = %v, %v", text, back.Canonical(), err)
			}
			e = bare
		}
		var err error
		if again, err = again.Apply(e.WithChain(7, [32]byte{1}, now), []byte("leaf")); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range registerLines {
		e := mustParse(t, line)
		if e.Str("form_id") != "" && e.Str("form_id") != "web-newsletter" {
			continue
		}
		if same, v, changes, err := again.Change(e); err != nil || !same || v != 1 {
			t.Errorf("%.60s: same %v, version %d, %v, %v", line, same, v, changes, err)
		}
	}
	if _, err := again.Apply(c.Event, nil); err == nil {
		t.Error("a version is applied twice")
	}
	if _, err := again.Apply(mustParse(t, `{"type":"consent.withdrawn"}`), nil); err == nil {
		t.Error("an event about a person is applied to the register")
	}
	if _, err := again.Apply(mustParse(t, registerLines[0]), nil); err == nil {
		t.Error("a short form is applied to the register")
	}
}

func TestRegisterAt(t *testing.T) {
	r := testRegister(t)
	const notice = `{"type":"notice.published","notice_id":"privacy-de","lang":"de","text":"%"`
	day := func(n int) time.Time { return published.AddDate(0, 0, n) }
	r = declare(t, r, day(10), strings.Replace(notice, "%", "two", 1)+`}`)
	r = declare(t, r, day(11), strings.Replace(notice, "%", "three", 1)+`,"material":true,"effective_from":"2026-05-31T08:00:00Z"}`)
	for _, x := range []struct{ day, version int }{{0, 1}, {9, 1}, {10, 2}, {29, 2}, {30, 3}, {400, 3}} {
		n, ok := r.NoticeAt("privacy-de", day(x.day))
		if !ok || n.Version != x.version {
			t.Errorf("day %d: version %+v, want %d", x.day, n, x.version)
		}
	}
	if n, ok := r.NoticeAt("privacy-de", day(-1)); ok {
		t.Errorf("before the first: version %d", n.Version)
	}
	if n, ok := r.NoticeAt("privacy-de", time.Time{}); !ok || n.Version != 3 {
		t.Errorf("newest: %+v", n)
	}
	for v, want := range map[int]bool{1: true, 2: true, 3: false} {
		if _, ok := r.Superseded(Ref{"privacy-de", v}, day(30)); ok != want {
			t.Errorf("version %d superseded on day 30: %v", v, ok)
		}
		if _, ok := r.Superseded(Ref{"privacy-de", v}, day(29)); ok {
			t.Errorf("version %d superseded on day 29", v)
		}
	}
	// A purpose counts from before it was written down.
	if p, ok := r.Purpose("newsletter", day(-2000)); !ok || p.Version != 1 {
		t.Error("no purpose before its declaration")
	}
	var empty *Register
	if _, ok := empty.Purpose("newsletter", day(0)); ok || len(empty.Purposes()) != 0 {
		t.Error("the nil register is not empty")
	}
	if _, ok := empty.Controller(day(0)); ok {
		t.Error("the nil register has a controller")
	}
}

func TestRegisterRefuses(t *testing.T) {
	form := func(more string) string {
		return `{"type":"form.published","form_id":"f","channel":"email","purposes":["newsletter"],"notice":"privacy-de","statement":{"de":"Ja"},` + more + `}`
	}
	purpose := func(more string) string {
		return `{"type":"purpose.declared","purpose_id":"p","description":{"de":"P"},"legal_basis":"A6-1-a","categories":["Name"],"storage":["DE"],` + more + `}`
	}
	tests := []struct{ line, want string }{
		{form(`"method":"checkbox","prefilled":true`), "prefilled_not_consent /prefilled"},
		{form(`"method":"checkbox"`), "missing_member /prefilled"},
		{form(`"method":"keyword"`), "missing_member /keywords"},
		{form(`"method":"button","keywords":{"give":["start"],"withdraw":["stop"]}`), "value_not_allowed /keywords"},
		{form(`"method":"button","guardian":"required_below"`), "missing_member /min_age"},
		{form(`"method":"button","categories":["Age"]`), "category_not_declared /categories/0"},
		{form(`"method":"button","double_opt_in":"48h"`), "value_out_of_range /double_opt_in"},
		{form(`"method":"button","picture":"screen.png"`), "value_out_of_range /picture"},
		{strings.Replace(form(`"method":"button"`), `["newsletter"]`, `["newsletter","newslettr","newsletter"]`, 1), "purpose_undeclared /purposes/1, value_out_of_range /purposes/2"},
		{strings.Replace(form(`"method":"button"`), `["newsletter"]`, `["allergies"]`, 1), "explicit_required /purposes/0"},
		{strings.Replace(form(`"method":"button","explicit":true`), `["newsletter"]`, `["allergies"]`, 1), "value_not_allowed /purposes/0"},
		{strings.Replace(form(`"method":"button"`), `"privacy-de"`, `"privacy-en"`, 1), "notice_unknown /notice"},
		{strings.Replace(form(`"method":"button"`), `"privacy-de"`, `"privacy-de@2"`, 1), "notice_unknown /notice"},
		{purpose(`"retention":"P2Y","compartment":"rights"`), "value_not_allowed /compartment"},
		{purpose(`"retention":"P2Y","recipients":["mailer"],"public":true`), "not_public /recipients"},
		{purpose(`"retention":{"for":"P2Y","from":"never"}`), "value_out_of_range /retention"},
		{purpose(`"retention":"PT48H"`), "value_out_of_range /retention"},
		{purpose(`"retention":"P101Y"`), "value_out_of_range /retention"},
		{purpose(`"retention":"P2Y","version":3`), "version_conflict /version"},
		{purpose(`"retention":"P2Y","categorys":["Name"]`), "unknown_member /categorys"},
		{`{"type":"notice.published","notice_id":"n","lang":"de","file":"privacy-de.html"}`, "value_not_allowed /file, missing_member /sha256"},
		{`{"type":"notice.published","notice_id":"n","lang":"de","text":"x","sha256":"` + zeros + `"}`, "value_out_of_range /sha256"},
		{`{"type":"notice.published","notice_id":"n","lang":"de","text":"` + strings.Repeat("x", 33<<10) + `"}`, "value_out_of_range /text"},
		{`{"type":"recipient.registered","recipient_id":"r","name":"R","role":"processor","country":"DE","public":true}`, "not_public /public"},
		{`{"type":"recipient.registered","recipient_id":"r","name":"R","role":"processor","country":"Deutschland","contract":"avv.pdf"}`, "value_out_of_range /contract, value_out_of_range /country"},
		{`{"type":"controller.registered","controller_id":"c","name":"C","contact":"x","jurisdiction":"DE","dpo_contact":"Frau M.","actor":{"id":"e-1"},"public":true}`, "not_public /actor/id, not_public /dpo_contact"},
	}
	r := testRegister(t)
	for _, x := range tests {
		full, _, err := Fill(Context{Now: now, Register: r}, mustParse(t, x.line))
		if err == nil {
			t.Errorf("%.200s: filled as %s", x.line, full)
			continue
		}
		var got []string
		for _, g := range refusal(t, err).Reasons {
			got = append(got, g.Reason+" "+g.Path)
		}
		if s := strings.Join(got, ", "); s != x.want {
			t.Errorf("%.200s:\n%s, want\n%s", x.line, s, x.want)
		}
	}
}

func TestRegisterWarns(t *testing.T) {
	tests := []struct{ line, want string }{
		{`{"type":"purpose.declared","purpose_id":"p","description":{"de":"P"},"legal_basis":"A6-1-a","categories":["Name","Health"],"recipients":["maler"],"storage":["DE"],"retention":"P3Y","compartment":"marketing"}`,
			"recipient_unknown /recipients/0, special_category /categories/1, retention_differs /retention, retention_differs /retention"},
		{`{"type":"purpose.declared","purpose_id":"p","description":{"de":"P"},"legal_basis":"A6-1-a","categories":["Name"],"storage":["DE"],"retention":"P2Y","event_time":"2020-12-01T08:00:00Z","late_reason":"taken over"}`, "late /event_time"},
	}
	r := testRegister(t)
	for _, x := range tests {
		full, warnings, err := Fill(Context{Now: now, Register: r}, mustParse(t, x.line))
		if err != nil || len(full) != 1 {
			t.Errorf("%s: %v", x.line, err)
			continue
		}
		var got []string
		for _, w := range warnings {
			got = append(got, w.Reason+" "+w.Path)
		}
		if s := strings.Join(got, ", "); s != x.want {
			t.Errorf("%s: warnings %s, want %s", x.line, s, x.want)
		}
	}
}
