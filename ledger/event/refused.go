package event

import (
	"fmt"
	"strings"
)

// Reason codes. They are part of the interface: scripts and other languages
// branch on them, so a code is never renamed. The faults of syntax come first,
// then those of the form of an event, then those of its content, the last group
// after the catalogue of docs/reference/events.md.
const (
	BadJSON       = "bad_json"       // the text is not JSON, or more than one object
	BadUTF8       = "bad_utf8"       // not UTF-8, or half a surrogate pair
	BOM           = "bom"            // a byte order mark at the start
	DuplicateName = "duplicate_name" // a name stands twice in one object
	TooLarge      = "too_large"      // more than 65,535 bytes
	TooDeep       = "too_deep"       // more than 32 levels

	UnknownType   = "unknown_type"       // there is no such type of event
	UnknownMember = "unknown_member"     // the type has no such member
	MissingMember = "missing_member"     // a member is missing
	WrongType     = "wrong_type"         // another JSON type is wanted
	OutOfRange    = "value_out_of_range" // the value has the wrong form
	NotYours      = "filled_by_ledger"   // the ledger fills this member, with another value
	LedgerOnly    = "ledger_only"        // only the ledger makes events of this type

	NoAffirmativeAct      = "no_affirmative_act"       // no published form says what the person did
	PrefilledNotConsent   = "prefilled_not_consent"    // a box that is ticked beforehand is no consent
	NoticeUnknown         = "notice_unknown"           // no such notice, or no such version
	NoticeNotYetPublished = "notice_not_yet_published" // the notice takes effect later
	NoticeMismatch        = "notice_mismatch"          // the person was shown another notice
	FormUnknown           = "form_unknown"             // no such form, or no such version
	FormMismatch          = "form_mismatch"            // the request was made with another form
	PurposeUndeclared     = "purpose_undeclared"       // no such purpose
	PurposeInactive       = "purpose_inactive"         // the purpose has ended
	PurposeNotOnForm      = "purpose_not_on_form"      // the form does not ask about this purpose
	RecipientUnknown      = "recipient_unknown"        // no such recipient
	CategoryNotDeclared   = "category_not_declared"    // the purpose does not allow this category
	ValueNotAllowed       = "value_not_allowed"        // the value does not go with the rest, or is a person's value where a name is wanted
	ExplicitRequired      = "explicit_required"        // special categories: the form has to name them
	GuardianRequired      = "guardian_required"        // below the age a guardian decides
	TokenUnknown          = "token_unknown"            // no request of this person has this token
	TokenSpent            = "token_spent"              // the token was used
	TokenExpired          = "token_expired"            // the token's time is over
	TokenSuperseded       = "token_superseded"         // a newer request, or a withdrawal, took the place of the token's
	ContactPointMismatch  = "contact_point_mismatch"   // the contact does not go with the channel or the request
	OperatorCannotConfirm = "operator_cannot_confirm"  // only the person confirms
	EventTimeInFuture     = "event_time_in_future"     // more than five minutes ahead of the ledger's clock; may be sent again
	EventTimeBeforeNotice = "event_time_before_notice" // the notice was not in effect then
	BackdatedNoReason     = "backdated_without_reason" // a consent comes later than late_after, and late_reason does not say why
	VersionConflict       = "version_conflict"         // another version is next
	NotPublic             = "not_public"               // this may not stand on public tiles
	BadTransition         = "bad_transition"           // the event does not fit what was recorded before
	ReplayedSource        = "replayed_source"          // its number in its feed is from before an erasure, and it would begin anew what was erased
	PersonSuppressed      = "suppressed"               // the person asked to be left alone
)

// Reason is one thing that is wrong with an event.
type Reason struct {
	Reason string `json:"reason"`         // a code of this package
	Path   string `json:"path,omitempty"` // RFC 6901 JSON pointer of the place; "" is the event as a whole
	Hint   string `json:"hint,omitempty"` // what to type instead
}

func (r Reason) String() string {
	s := r.Reason
	if r.Path != "" {
		s += " at " + r.Path
	}
	if r.Hint != "" {
		s += " (" + r.Hint + ")"
	}
	return s
}

// Refused says why an event is not recorded: everything that is wrong with it.
// It holds no value of the event and no identifier of a person.
type Refused struct {
	Reasons   []Reason
	Retryable bool // the same event may be accepted later, unchanged
	// Line and Column, from 1, are where a fault of syntax is within the text
	// that was given; 0 otherwise. Column counts characters.
	Line, Column int
}

// Error is one line with every reason.
func (r *Refused) Error() string {
	var b strings.Builder
	b.WriteString("event refused: ")
	for i, x := range r.Reasons {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(x.String())
	}
	if r.Line > 0 {
		fmt.Fprintf(&b, " in line %d, column %d", r.Line, r.Column)
	}
	return b.String()
}

// Is makes errors.Is(err, &Refused{Reasons: []Reason{{Reason: code}}}) true if
// the code is among the reasons; most callers use errors.As or [Refused.Has].
func (r *Refused) Is(target error) bool {
	t, ok := target.(*Refused)
	if !ok || len(t.Reasons) == 0 {
		return ok && t == r
	}
	for _, x := range t.Reasons {
		if !r.Has(x.Reason) {
			return false
		}
	}
	return true
}

// Has says whether a code is among the reasons.
func (r *Refused) Has(code string) bool {
	for _, x := range r.Reasons {
		if x.Reason == code {
			return true
		}
	}
	return false
}

// Warning is something that a writer should know about an event that is
// recorded all the same. Like a Reason it holds no personal value.
type Warning struct {
	Reason string `json:"reason"`
	Path   string `json:"path,omitempty"`
	Text   string `json:"text,omitempty"`
}

func refuse(rs ...Reason) *Refused {
	r := &Refused{Reasons: rs, Retryable: len(rs) > 0}
	for _, x := range rs {
		if x.Reason != EventTimeInFuture {
			r.Retryable = false
		}
	}
	return r
}

func refuseAt(text []byte, at int, rs ...Reason) *Refused {
	r := refuse(rs...)
	r.Line, r.Column = position(text, at)
	return r
}

// Refuse makes a refusal with one reason; package consent and the ledger use it
// for what they find.
func Refuse(code, path, hint string) *Refused { return refuse(Reason{code, path, hint}) }

// reasons collects faults, at most one per place: the first says what matters.
type reasons struct{ list []Reason }

func (rs *reasons) add(code, path, hint string) {
	for _, r := range rs.list {
		if r.Path == path && (path != "" || r.Reason == code) {
			return
		}
	}
	rs.list = append(rs.list, Reason{code, path, hint})
}

func (rs *reasons) at(path string) bool {
	for _, r := range rs.list {
		if r.Path == path {
			return true
		}
	}
	return false
}

func (rs *reasons) err() error {
	if len(rs.list) == 0 {
		return nil
	}
	return refuse(rs.list...)
}

// shownName returns a name if it may stand in an error. Names come from the
// outside too: a writer that turns name and value round, or uses an address as
// a name, must not see it in everybody's log. Names of the catalogue may be
// shown, and what looks like a word rather than like a person's number or
// address; any other name becomes "?".
func shownName(name string) string {
	if nameOf(name) != unnamed {
		return name
	}
	if len(name) == 0 || len(name) > 64 {
		return "?"
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == ':', c == '-':
		case c == '@' && i == 0 && len(name) > 1: // JSON-LD
		default:
			return "?"
		}
	}
	return name
}

// pointer appends one step to a JSON pointer (RFC 6901).
func pointer(path, name string) string {
	name = shownName(name)
	if strings.ContainsAny(name, "~/") {
		name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	return path + "/" + name
}

// shownPointer hides the names of a pointer that may not be shown.
func shownPointer(p string) string {
	if p == "" {
		return ""
	}
	var out string
	for _, step := range strings.Split(p[1:], "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if isIndex(step) {
			out += "/" + step
			continue
		}
		out = pointer(out, step)
	}
	return out
}

// isIndex: array indexes have at most four digits here; longer numbers might be somebody's.
func isIndex(s string) bool {
	if s == "" || len(s) > 4 {
		return false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
