package consent

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

// Decision is what May answers. The zero value is a gap: not an allow.
type Decision uint8

const (
	Gap   Decision = iota // something is not declared, so nobody can say; treat it as a deny
	Deny                  // not allowed
	Allow                 // allowed
)

func (d Decision) String() string {
	switch d {
	case Allow:
		return "allow"
	case Deny:
		return "deny"
	}
	return "gap"
}

// Question asks whether something may be done with a person's data.
type Question struct {
	Purpose    string
	Channel    string   // "": through any channel for which there is consent
	Contact    string   // "": at any contact for which there is consent
	Recipient  string   // "": nobody else receives it
	Categories []string // nil: no question about categories
	At         time.Time
}

// Format prints nothing of the person.
func (q Question) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "[question purpose=%s channel=%s]", q.Purpose, q.Channel)
}

// LogValue logs nothing of the person.
func (q Question) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(q)) }

// Codes of the reasons. The first three make a gap; all others deny. They are
// part of the interface and are never renamed.
const (
	NoPurpose         = "no_purpose"            // no purpose was named
	PurposeUndeclared = event.PurposeUndeclared // the register has no such purpose
	RecipientUnknown  = event.RecipientUnknown  // the register has no such recipient

	Restricted          = "restricted"                  // the data may be stored and not used (Art. 18)
	Suppressed          = "suppressed"                  // the person asked to be left alone, and has not consented since
	Objected            = "objected"                    // the person objected (Art. 21) or said stop, and has not consented since
	NotAcknowledged     = "notice_not_acknowledged"     // collected offline, and the person has not taken note of a notice
	NoConsent           = "no_consent"                  // there is no consent, or its request expired
	NoConsentForChannel = "no_consent_for_this_channel" // there is something for another channel
	NoConsentForContact = "no_consent_for_this_contact" // there is something for another contact
	ConsentRequested    = "consent_requested"           // asked, not answered yet
	ConsentPending      = "consent_pending"             // double opt-in: the link is not opened yet
	ConsentRefused      = "consent_refused"             // the person said no
	ConsentWithdrawn    = "consent_withdrawn"           // the person said stop
	ConsentExpired      = "consent_expired"             // the validity that the purpose declares is over
	NoticeChanged       = "notice_changed"              // a version marked material replaced the notice that was shown
	PurposeInactive     = event.PurposeInactive         // the purpose has ended
	ChannelNotDeclared  = "channel_not_declared"        // the purpose is declared for other channels
	RecipientNotListed  = "recipient_not_listed"        // the purpose does not name the recipient
	RecipientRemoved    = "recipient_removed"           // the recipient has ended
	ContractMissing     = "contract_missing"            // a processor without a contract (Art. 28)
	CategoryNotDeclared = event.CategoryNotDeclared     // the purpose does not allow the category
	RetentionPassed     = "retention_passed"            // the data has outlived its period
)

// Reason is one reason why something is not allowed, or cannot be said.
type Reason struct {
	Code string
	Text string // more than the code says; may be empty
}

// String is the code with the text, or the code in words if there is no text.
func (r Reason) String() string {
	if r.Text == "" {
		return strings.ReplaceAll(r.Code, "_", " ")
	}
	return r.Code + ": " + r.Text
}

// Rest is an event that the answer rests on.
type Rest struct {
	Index uint64 // in the log
	What  string // request, consent, acknowledgement
}

// Answer says whether something may be done, and why.
type Answer struct {
	Decision Decision
	Basis    string // legal basis of the purpose, A6-1-a; "" for a gap
	// Reasons against it. The first decides; all are listed. Empty for an allow.
	Reasons []Reason
	// RestsOn names the events behind an allow that rests on the person's acts.
	RestsOn []Rest
	// Channel and Contact are those of the consent that allows it.
	Channel, Contact string
	// ValidUntil is when the answer ends by itself; zero if no end is in sight.
	ValidUntil time.Time
	// Then is the answer that followed from what had been recorded by
	// Question.At, where it differs from what is known now.
	Then *Answer

	declared string // "newsletter@1", for answers that rest on a declaration alone
}

// BasisIRI returns the term for the legal basis in the W3C Data Privacy Vocabulary.
func (a Answer) BasisIRI() string { return event.BasisIRI(a.Basis) }

// Text is the answer in a line, without the decision: the deciding reason, or
// what an allow rests on. The contact is not part of it.
func (a Answer) Text() string {
	var b strings.Builder
	switch {
	case a.Decision == Allow && len(a.RestsOn) > 0:
		b.WriteString(a.Basis + "; rests on ")
		for i, r := range a.RestsOn {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%d (%s)", r.Index, r.What)
		}
	case a.Decision == Allow:
		b.WriteString(a.Basis + "; declared as " + a.declared)
	case len(a.Reasons) > 0:
		b.WriteString(a.Reasons[0].String())
	default:
		b.WriteString("no answer")
	}
	if a.Then != nil {
		fmt.Fprintf(&b, "; as known then: %s, %s", strings.ToUpper(a.Then.Decision.String()), a.Then.Text())
	}
	return b.String()
}

// Format prints the decision and the text, and not the contact.
func (a Answer) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%s %s", strings.ToUpper(a.Decision.String()), a.Text())
}
