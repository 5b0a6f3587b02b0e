package event

import (
	"fmt"
	"testing"
	"time"
)

func TestRoute(t *testing.T) {
	r := testRegister(t)
	tests := []struct {
		full  string
		facts Facts
		want  string
	}{
		{`{"type":"consent.given","subject":"c-2","purpose":"newsletter","event_time":"2026-05-04T12:31:40Z"}`, nil, "[subject consent-evidence] P3Y from withdrawal_year_end"},
		{`{"type":"notice.acknowledged","subject":"c-2","event_time":"2026-05-04T12:31:40Z"}`, nil, "[subject consent-evidence] P3Y from withdrawal_year_end"},
		{`{"type":"consent.withdrawn","subject":"c-2","purpose":"*","event_time":"2026-05-04T12:31:40Z"}`, &past{known: true}, "[subject consent-evidence] P3Y from withdrawal_year_end"},
		{`{"type":"consent.withdrawn","subject":"c-2","purpose":"*","event_time":"2026-05-04T12:31:40Z"}`, &past{}, "[subject suppression] until_lifted"},
		{`{"type":"consent.withdrawn","subject":"c-2","purpose":"*","event_time":"2026-05-04T12:31:40Z"}`, nil, "[subject suppression] until_lifted"},
		{`{"type":"processing.performed","subject":"c-2","purpose":"invoices","event_time":"2021-12-31T23:59:59Z"}`, nil, "[subject tax 2021] P8Y from year_end"},
		{`{"type":"communication.sent","subject":"c-2","purpose":"newsletter","event_time":"2026-05-04T12:31:40Z"}`, nil, "[subject marketing 2026-05] P2Y from last_event"},
		{`{"type":"data.collected","subject":"c-2","purpose":"chat-service","event_time":"2026-05-04T12:31:40Z"}`, nil, "[subject chat 2026-05] P90D from last_event"},
		{`{"type":"data.disclosed","subject":"c-2","purpose":"allergies","event_time":"2026-05-04T12:31:40Z"}`, nil, "[subject allergies] P1Y from withdrawal"},
		{`{"type":"right.requested","subject":"c-2","event_time":"2026-05-04T12:31:40Z"}`, nil, "[subject rights 2026] P3Y from year_end"},
		{`{"type":"chain.asserted","subject":"c-2","event_time":"2026-05-04T12:31:40Z","chains":[{"compartment":"rights","cohort":"2024"}]}`, nil, "[subject rights 2024] P3Y from year_end"},
		{`{"type":"chain.asserted","subject":"c-2","event_time":"2026-05-04T12:31:40Z","chains":[{"compartment":"allergies","cohort":""}]}`, nil, "[subject allergies] P1Y from withdrawal"},
		{`{"type":"purpose.declared","public":false}`, nil, "[organisation register] no end"},
		{`{"type":"notice.published","public":true}`, nil, "[public] no end"},
		{`{"type":"erasure.epoch"}`, nil, "[public] no end"},
		{`{"type":"log.key"}`, nil, "[public] no end"},
	}
	for _, x := range tests {
		k, keep, err := Route(r, x.facts, mustParse(t, x.full))
		if got := fmt.Sprint(k, " ", keep); err != nil || got != x.want {
			t.Errorf("%s: %s, %v; want %s", x.full, got, err, x.want)
		}
		if k.Subject != mustParse(t, x.full).Str("subject") {
			t.Errorf("%s: routed to another subject", x.full)
		}
	}
	for _, bad := range []string{`{"type":"x"}`, `{"type":"communication.sent","subject":"c-2","purpose":"x"}`} {
		if k, _, err := Route(r, nil, mustParse(t, bad)); err == nil {
			t.Errorf("%s: routed to %v", bad, k)
		}
	}
}

func TestKeeps(t *testing.T) {
	r := testRegister(t)
	for c, want := range map[string][2]string{
		"consent-evidence": {"proof of consent", "Art. 17(3)(e)"},
		"rights":           {"proof that rights were answered", "Art. 17(3)(e)"},
		"suppression":      {"so that nothing more is sent, until lifted", "Art. 21(3)"},
		"tax":              {"Aufbewahrung der Rechnungen", "§ 147 AO"},
		"marketing":        {},
		"chat":             {},
		"unheard-of":       {},
	} {
		if reason, law := r.Keeps(c); reason != want[0] || law != want[1] {
			t.Errorf("%s is kept for %q, %q; want %q", c, reason, law, want)
		}
	}
	if keep, ok := r.RetentionOf("marketing"); !ok || keep.String() != "P2Y from last_event" {
		t.Errorf("marketing: %v, %v", keep, ok)
	}
	if keep, ok := r.RetentionOf("unheard-of"); ok {
		t.Errorf("unheard-of: %v", keep)
	}
}

// TestWithChain: what the ledger adds when it seals holds against the schema.
func TestWithChain(t *testing.T) {
	full, _, err := Fill(testContext(t, nil), mustParse(t, `{"type":"notice.acknowledged","subject":"c-2","notice":"privacy-de"}`))
	if err != nil {
		t.Fatal(err)
	}
	sealed := full[0].WithChain(2, [32]byte{3}, now.Add(21*time.Millisecond))
	if err := CheckFull(sealed); err != nil {
		t.Error(err)
	}
	if !sealed.Recorded().Equal(now.Add(21*time.Millisecond)) || string(sealed.value("_seq")) != "2" {
		t.Errorf("sealed as %s", sealed.Canonical())
	}
	if first := full[0].WithChain(1, [32]byte{}, now); string(first.value("_prev")) != "null" || CheckFull(first) != nil {
		t.Errorf("the first of a chain is sealed as %s", first.Canonical())
	}
}

// TestInternal: types that only the ledger makes, made by the ledger.
func TestInternal(t *testing.T) {
	c := testContext(t, nil)
	c.Internal = true
	for _, line := range []string{
		`{"type":"chain.asserted","subject":"c-2","chains":[{"compartment":"tax","cohort":"2021","count":3,"head":"AAAA"}],"of":2}`,
		`{"type":"processing.denied","subject":"c-2","purpose":"newsletter","operation":"data.disclosed","reasons":["consent_pending"],"recipient":"mailer"}`,
		`{"type":"erasure.epoch","epoch":7,"tree":"x"}`,
		`{"type":"log.key","key":"demo+1234+AQ=="}`,
	} {
		full, _, err := Fill(c, mustParse(t, line))
		if err != nil || len(full) != 1 {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if err := CheckFull(full[0]); err != nil {
			t.Errorf("%s: %v", full[0].Canonical(), err)
		}
	}
}
