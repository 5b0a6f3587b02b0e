package certificate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Languages are those that a certificate can be written in.
func Languages() []string { return slices.Sorted(maps.Keys(languages)) }

// Text returns the certificate as a letter, for people. It says nothing that the certificate does not
// say; what is proven by its receipt is for the verifier to say. sweep is the record of the sweep that removed
// the traces of its epoch, nil where they are not yet swept.
//
// What a person or an operator wrote is escaped where a terminal would act upon it.
func (c *Certificate) Text(lang string, sweep *SweepRecord) (string, error) {
	w, ok := languages[lang]
	if !ok {
		return "", fmt.Errorf("certificates are not written in %q", lang)
	}
	if err := c.check(); err != nil {
		return "", fmt.Errorf("certificate: %w", err)
	}
	t := &c.Terms
	if sweep != nil && !sweep.Covers(t.Tree, t.Epoch) {
		return "", &MismatchError{"certificate", "the sweep is not that of its epoch"}
	}
	var b strings.Builder
	line := func(name, text string) { fmt.Fprintf(&b, "%-*s %s\n", w.width, name+":", text) }
	list := func(name string, items []string) {
		fmt.Fprintf(&b, "\n%s\n", name)
		if len(items) == 0 {
			items = []string{w.nothing}
		}
		for _, i := range items {
			fmt.Fprintf(&b, "  - %s\n", i)
		}
	}
	fmt.Fprintf(&b, "%s\n\n", map[string]string{CopySubject: w.subject, CopyOfficer: w.officer}[c.Copy])
	line(w.log, plain(t.Origin))
	line(w.requested, t.RequestedAt)
	line(w.reason, w.reasons[t.Reason])
	line(w.scope, w.phrase(t.Scope))
	line(w.destroyed, fmt.Sprintf(w.epoch, t.KeysDestroyedAt, t.Epoch))
	line(w.level, plain(t.Level)+", "+w.levels[t.Level])
	if sweep == nil {
		line(w.swept, w.notYet)
	} else {
		line(w.swept, fmt.Sprintf(w.sweep, sweep.TracesSweptAt, sweep.Epoch))
	}
	line(w.entries, strconv.FormatUint(c.Entries, 10))

	var erased, kept, told, not []string
	for _, p := range t.Erased {
		erased = append(erased, part(p.Compartment, p.Cohort))
	}
	for _, k := range t.Kept {
		until := w.noDay
		if k.Until != nil {
			until = fmt.Sprintf(w.until, *k.Until)
		}
		kept = append(kept, fmt.Sprintf("%s, %s: %s", part(k.Compartment, k.Cohort), until, w.phrase(k.Reason)))
	}
	for _, r := range t.Recipients {
		told = append(told, plain(r))
	}
	var before, approved []string
	for _, d := range t.Dependents {
		when := w.noReport
		if d.ReportedAt != nil {
			when = fmt.Sprintf(w.reported, *d.ReportedAt)
		}
		before = append(before, plain(d.Name)+", "+when)
	}
	for _, a := range t.Approvals {
		approved = append(approved, fmt.Sprintf(w.key, plain(a.Key)))
	}
	for _, s := range t.NotCovered {
		if sweep != nil && s == notSwept {
			continue
		}
		not = append(not, w.phrase(s))
	}
	list(w.erased, erased)
	list(w.kept, kept)
	list(w.told, told)
	if len(before) > 0 {
		list(w.before, before)
	}
	if len(approved) > 0 {
		list(w.approved, approved)
	}
	list(w.not, not)
	fmt.Fprintf(&b, "\n"+w.rests+"\n", c.Record.Index)
	return b.String(), nil
}

func part(compartment, cohort string) string {
	return strings.TrimSpace(plain(compartment) + " " + cohort)
}

// plain escapes what a terminal would act upon or hide.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

// words are a language.
type words struct {
	width                                                                int
	subject, officer                                                     string
	log, requested, reason, scope, destroyed, level, swept, entries      string
	epoch, sweep, notYet, noDay, until, nothing, erased, kept, told, not string
	before, noReport, reported, approved, key, rests                     string
	reasons                                                              map[Reason]string
	levels                                                               map[string]string
	// phrases are the sentences that this program itself writes, by their English form.
	phrases map[string]string
}

// phrase translates what is always said in one way; everything else stays as it was written.
func (w *words) phrase(s string) string {
	if t, ok := w.phrases[s]; ok {
		return t
	}
	return plain(s)
}

var languages = map[string]*words{
	"en": {
		width: 16, subject: "Certificate of erasure (the person's copy)", officer: "Certificate of erasure (the officer's copy, which names nobody)",
		log: "Log", requested: "Requested", reason: "Reason", scope: "Scope", destroyed: "Keys destroyed", level: "Level", swept: "Traces swept", entries: "Entries",
		epoch: "%s, epoch %d", sweep: "%s, epoch %d", notYet: "not yet", noDay: "until a day that is not set yet", until: "until %s", nothing: "nothing",
		erased: "Erased", kept: "Kept, and why", told: "To be told (Art. 19 GDPR)", not: "Not reached",
		before: "Told before the keys were destroyed", noReport: "no report", reported: "reported at %s that it has erased",
		approved: "Approved by", key: "key %s",
		rests: "The log fixed these terms in entry %d; its proof can be verified without trusting the operator. That the\n" +
			"keys were destroyed is what the holders of the root state; that they were this person's, and that there\n" +
			"was no other copy of them, is the operator's word. Times are the operator's, too, until a witness bounds them.",
		reasons: map[Reason]string{ReasonRequest: "the person asked for it", ReasonRetention: "the last day of keeping has passed", ReasonClosure: "an account or a service was closed"},
		levels: map[string]string{
			"L0": "logical: the medium may keep old copies of the root", "L1": "the root was overwritten in place",
			"L2": "a second, independent custodian destroyed its share", "L3": "the root was destroyed in hardware with a counter",
		},
	},
	"de": {
		width: 21, subject: "Löschbescheinigung (Ausfertigung für die betroffene Person)", officer: "Löschbescheinigung (Ausfertigung für die Akten; sie nennt niemanden)",
		log: "Protokoll", requested: "Verlangt", reason: "Grund", scope: "Umfang", destroyed: "Schlüssel vernichtet", level: "Stufe", swept: "Spuren beseitigt", entries: "Einträge",
		epoch: "%s, Epoche %d", sweep: "%s, Epoche %d", notYet: "noch nicht", noDay: "bis zu einem Tag, der noch nicht feststeht", until: "bis %s", nothing: "nichts",
		erased: "Gelöscht", kept: "Aufbewahrt, und warum", told: "Zu unterrichten (Art. 19 DSGVO)", not: "Nicht erreicht",
		before: "Vor der Vernichtung der Schlüssel unterrichtet", noReport: "keine Meldung", reported: "meldete am %s, dass gelöscht ist",
		approved: "Freigegeben mit", key: "Schlüssel %s",
		rests: "Das Protokoll hat diesen Wortlaut in Eintrag %d festgehalten; der Nachweis dafür lässt sich prüfen, ohne dem\n" +
			"Betreiber zu vertrauen. Dass die Schlüssel vernichtet sind, erklären die Verwahrer der Wurzel; dass es die\n" +
			"Schlüssel dieser Person waren und dass es keine weitere Kopie gab, ist das Wort des Betreibers. Auch die Zeiten\n" +
			"sind seine Angaben, solange kein Zeuge sie eingrenzt.",
		reasons: map[Reason]string{ReasonRequest: "die Person hat es verlangt", ReasonRetention: "der letzte Tag der Aufbewahrung ist vorüber", ReasonClosure: "ein Konto oder ein Dienst wurde geschlossen"},
		levels: map[string]string{
			"L0": "logisch: der Datenträger kann alte Kopien der Wurzel behalten", "L1": "die Wurzel wurde an Ort und Stelle überschrieben",
			"L2": "ein zweiter, unabhängiger Verwahrer hat seinen Anteil vernichtet", "L3": "die Wurzel wurde in Hardware mit Zähler vernichtet",
		},
		phrases: map[string]string{
			"everything without a declared reason to stay": "alles, was keinen erklärten Grund zum Bleiben hat",
			"everything": "alles",
			"keys whose last day of keeping has passed": "Schlüssel, deren letzter Tag der Aufbewahrung vorüber ist",
			notSwept:    "Die Spuren sind noch nicht beseitigt: Bis dahin kann, wer die gegenwärtige Wurzel und alte Kopien des Speichers hat, erkennen, welche gelöschten Einträge zusammengehörten und welcher Empfänger zu unterrichten ist.",
			notOutside:  "Kopien außerhalb dieses Protokolls: bei Empfängern, in Auszügen, bei den Diensten, die die Ereignisse gesandt haben, und in bereits ausgehändigten Nachweisen.",
			notKeyCopy:  "Eine Kopie eines Schlüssels, die der Betreiber vorher heimlich gezogen hat: Sie lässt sich nicht entdecken, nur zuordnen.",
			notRootCopy: "Eine Kopie der Wurzel von vor der Löschung, zusammen mit Schlüsselseiten aus jener Zeit.",
			notMedium:   "Stufe L0: Der Datenträger der Wurzel kann alte Kopien dessen behalten, was überschrieben wurde.",
			notMemory:   "Der Arbeitsspeicher des laufenden Prozesses: Dieses Programm löscht nicht, was Schlüsselableitungen dort hinterlassen.",
		},
	},
}
