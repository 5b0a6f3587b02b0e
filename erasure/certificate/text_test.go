package certificate

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	_, c, _ := sample(t)
	sweep := sweepRecord(t, setOf(t, 2, 10, func(i uint64) bool { return i == 1 }), nil)
	for _, x := range []struct {
		lang  string
		c     *Certificate
		sweep *SweepRecord
		want  []string
		not   []string
	}{
		{"en", c, nil, []string{
			"Certificate of erasure (the person's copy)\n", "Keys destroyed:  2026-05-04T12:31:40Z, epoch 7\n", "Traces swept:    not yet\n", "Entries:         21\n",
			"  - chat 2026-05\n", "  - consent-evidence 2026, until 2029-12-31: proof of consent, Art. 17(3)(e)\n", "  - suppression, until a day that is not set yet: asked for\n", "  - mailer\n",
			"  - " + notSwept + "\n", "  - " + notMemory + "\n", "entry 1071;",
		}, nil},
		{"de", c, nil, []string{"Umfang:               alles, was keinen erklärten Grund zum Bleiben hat\n", "Spuren beseitigt:     noch nicht\n", "  - Die Spuren sind noch nicht beseitigt", "Eintrag 1071 "},
			[]string{notSwept, notOutside, notKeyCopy, notRootCopy, notMemory}},
		{"de", c.Officer(), sweep, []string{"sie nennt niemanden", "Spuren beseitigt:     2026-05-11T03:00:00Z, Epoche 9\n"}, []string{"noch nicht beseitigt", "c-2"}},
		{"en", c.Officer(), sweep, []string{"which names nobody", "Traces swept:    2026-05-11T03:00:00Z, epoch 9\n"}, []string{notSwept, "c-2"}},
	} {
		text, err := x.c.Text(x.lang, x.sweep)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range x.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", x.lang, want, text)
			}
		}
		for _, not := range x.not {
			if strings.Contains(text, not) {
				t.Errorf("%s: %q in\n%s", x.lang, not, text)
			}
		}
	}
	other := *sweep
	other.EpochsFrom = 8
	if _, err := c.Text("en", &other); err == nil {
		t.Error("a sweep that does not cover the epoch")
	}
	if _, err := c.Text("fr", nil); err == nil {
		t.Error("a language that nobody has written")
	}
	at := "2026-05-04T12:31:38Z"
	asked := *c
	asked.Terms.Dependents = []Dependent{{"crm", &at}, {"shop", nil}}
	asked.Terms.Approvals = []Approval{{Key: "0a1b2c3d", Signature: strings.Repeat("A", 86)}}
	for lang, want := range map[string][]string{
		"en": {"  - crm, reported at 2026-05-04T12:31:38Z that it has erased\n", "  - shop, no report\n", "  - key 0a1b2c3d\n"},
		"de": {"  - crm, meldete am 2026-05-04T12:31:38Z, dass gelöscht ist\n", "  - shop, keine Meldung\n", "Freigegeben mit\n  - Schlüssel 0a1b2c3d\n"},
	} {
		text, err := asked.Text(lang, nil)
		for _, w := range want {
			if err != nil || !strings.Contains(text, w) {
				t.Errorf("%v, no %q in\n%s", err, w, text)
			}
		}
	}
	// What somebody wrote for a terminal rather than for a reader.
	bad := *c
	bad.Terms.Scope = "\x1b[2Jall"
	if text, err := bad.Text("en", nil); err != nil || strings.Contains(text, "\x1b") || !strings.Contains(text, `\u{1b}[2Jall`) {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestLanguages: whatever a certificate can say has words in every language.
func TestLanguages(t *testing.T) {
	if l := Languages(); len(l) != 2 || l[0] != "de" || l[1] != "en" {
		t.Fatalf("languages %q", l)
	}
	for name, w := range languages {
		for _, r := range []Reason{ReasonRequest, ReasonRetention, ReasonClosure} {
			if w.reasons[r] == "" {
				t.Errorf("%s: no words for the reason %s", name, r)
			}
		}
		for _, l := range []string{"L0", "L1", "L2", "L3"} {
			if w.levels[l] == "" {
				t.Errorf("%s: no words for the level %s", name, l)
			}
		}
	}
	for _, s := range NotCovered("L0", false) {
		if t2, ok := languages["de"].phrases[s]; !ok || t2 == s {
			t.Errorf("no German for %q", s)
		}
	}
}
