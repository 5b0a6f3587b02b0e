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
	BadJSON       = "bad_json"
	BadUTF8       = "bad_utf8"
	BOM           = "bom"
	DuplicateName = "duplicate_name"
	TooLarge      = "too_large"
	TooDeep       = "too_deep"

	UnknownType   = "unknown_type"
	UnknownMember = "unknown_member"
	MissingMember = "missing_member"
	WrongType     = "wrong_type"
	OutOfRange    = "value_out_of_range"
	NotYours      = "filled_by_ledger" // the writer sent a member that the ledger fills, with another value
	LedgerOnly    = "ledger_only"      // only the ledger makes events of this type

	NoAffirmativeAct      = "no_affirmative_act"
	PrefilledNotConsent   = "prefilled_not_consent"
	NoticeUnknown         = "notice_unknown"
	NoticeNotYetPublished = "notice_not_yet_published"
	NoticeMismatch        = "notice_mismatch"
	FormUnknown           = "form_unknown"
	FormMismatch          = "form_mismatch"
	PurposeUndeclared     = "purpose_undeclared"
	PurposeInactive       = "purpose_inactive"
	PurposeNotOnForm      = "purpose_not_on_form"
	RecipientUnknown      = "recipient_unknown"
	CategoryNotDeclared   = "category_not_declared"
	ValueNotAllowed       = "value_not_allowed"
	ExplicitRequired      = "explicit_required"
	GuardianRequired      = "guardian_required"
	TokenUnknown          = "token_unknown"
	TokenSpent            = "token_spent"
	TokenExpired          = "token_expired"
	TokenSuperseded       = "token_superseded"
	ContactPointMismatch  = "contact_point_mismatch"
	OperatorCannotConfirm = "operator_cannot_confirm"
	EventTimeInFuture     = "event_time_in_future"
	EventTimeBeforeNotice = "event_time_before_notice"
	BackdatedNoReason     = "backdated_without_reason"
	VersionConflict       = "version_conflict"
	NotPublic             = "not_public" // may not stand on public tiles
	BadTransition         = "bad_transition"
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
	if _, ok := knownNames[name]; ok {
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
