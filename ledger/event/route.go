package event

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Key says under whose key an event is sealed. For a public statement there is none.
type Key struct {
	Subject     string // "" for Org and Public
	Org         bool   // the organisation's own key: internal register events
	Public      bool   // a public statement, not sealed at all
	Compartment string
	Cohort      string // "", a year or a month; see [Retention.Cohort]
}

// String leaves the subject out.
func (k Key) String() string {
	switch {
	case k.Public:
		return "[public]"
	case k.Org:
		return "[organisation " + k.Compartment + "]"
	}
	return strings.TrimSpace("[subject "+k.Compartment+" "+k.Cohort) + "]"
}

// Format prints what String does, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue logs what String says.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Route says which key seals an event in full form, and by which rule the key
// ends. facts is the state of the person before the event; nil stands for
// somebody of whom nothing is known, whose withdrawal goes to compartment
// suppression, since there is no consent that it could be the evidence of.
func Route(r *Register, facts Facts, full *Event) (Key, Retention, error) {
	t := full.typ
	if t == nil {
		return Key{}, Retention{}, Refuse(UnknownType, "/type", "")
	}
	switch t.Area {
	case AreaLog:
		return Key{Public: true}, Retention{}, nil
	case AreaRegister:
		if full.flag("public") {
			return Key{Public: true}, Retention{}, nil
		}
		return Key{Org: true, Compartment: OrganisationKeys}, Retention{}, nil
	}
	k := Key{Subject: full.Str("subject")}
	var keep Retention
	at := full.Time()
	switch t.Area {
	case AreaConsent:
		k.Compartment, keep = ConsentEvidence, evidenceRetention
		if t.Name == "consent.withdrawn" && (facts == nil || !facts.Known()) {
			k.Compartment, keep = Suppression, suppressionRetention
		}
	case AreaRights:
		k.Compartment, keep = RightsRecords, rightsRetention
		if t.Name == "suppression.requested" || t.Name == "suppression.lifted" {
			k.Compartment, keep = Suppression, suppressionRetention
		}
		if t.Name == "chain.asserted" {
			return assertedKey(r, k, full)
		}
	case AreaProcessing:
		p, ok := r.Purpose(full.Str("purpose"), at)
		if !ok {
			return Key{}, Retention{}, Refuse(PurposeUndeclared, "/purpose", "")
		}
		k.Compartment, keep = p.Compartment, p.Retention
	}
	k.Cohort = keep.Cohort(at)
	return k, keep, nil
}

// assertedKey routes an assertion about a chain to the key of that chain: what it says
// of the chain must not outlive it.
func assertedKey(r *Register, k Key, full *Event) (Key, Retention, error) {
	var chains []struct{ Compartment, Cohort string }
	v, _ := full.Get("chains")
	if json.Unmarshal(v, &chains) != nil || len(chains) != 1 {
		return Key{}, Retention{}, Refuse(ValueNotAllowed, "/chains", "one chain, under whose key the assertion is sealed")
	}
	k.Compartment, k.Cohort = chains[0].Compartment, chains[0].Cohort
	keep, _ := r.RetentionOf(k.Compartment)
	return k, keep, nil
}

// RetentionOf returns the rule by which the keys of a compartment end: that of
// the purpose that declared it, the longest if several did. Not ok for a
// compartment that nobody declared.
func (r *Register) RetentionOf(compartment string) (Retention, bool) {
	switch compartment {
	case ConsentEvidence:
		return evidenceRetention, true
	case RightsRecords:
		return rightsRetention, true
	case Suppression:
		return suppressionRetention, true
	}
	var best Retention
	found := false
	epoch := time.Unix(0, 0)
	for _, p := range r.Purposes() {
		if p.Compartment == compartment && (!found || p.Retention.For.After(epoch).After(best.For.After(epoch))) {
			best, found = p.Retention, true
		}
	}
	return best, found
}

// Keeps says why `lacuna erase` leaves a compartment alone: the reason in words
// and the law that gives it. Both are "" for a compartment that is erased.
func (r *Register) Keeps(compartment string) (reason, law string) {
	switch compartment {
	case ConsentEvidence:
		return "proof of consent", "Art. 17(3)(e)"
	case RightsRecords:
		return "proof that rights were answered", "Art. 17(3)(e)"
	case Suppression:
		return "so that nothing more is sent, until lifted", "Art. 21(3)"
	}
	for _, p := range r.Purposes() {
		if p.Compartment == compartment && p.LegalBasis == "A6-1-c" {
			law := p.Law
			if law == "" {
				law = "Art. 17(3)(b)"
			}
			return p.Words("de"), law
		}
	}
	return "", ""
}

// Words returns the description in a language, else in English, else in whichever
// comes first by its tag.
func (p *Purpose) Words(lang string) string {
	for _, l := range []string{lang, "en"} {
		if s := p.Description[l]; s != "" {
			return s
		}
	}
	best := ""
	for l := range p.Description {
		if best == "" || l < best {
			best = l
		}
	}
	return p.Description[best]
}

// Statement returns what a public leaf says for a full event: its canonical text
// without the member "public", which would say nothing there.
func Statement(full *Event) []byte { return full.Without("public").Canonical() }

// ParseStatement reads the text of a public leaf back into a full event.
func ParseStatement(text []byte) (*Event, error) {
	e, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if t, ok := Lookup(e.Type()); ok && t.Register() {
		e = e.With("public", []byte("true"))
	}
	return e, nil
}
