package event

import (
	"encoding/base64"
	"time"
)

// Entry is what everything in the register has.
type Entry struct {
	ID      string
	Version int
	Since   time.Time // event_time; for notices effective_from
	Event   *Event    // full form
	Leaf    []byte    // leaf hash, nil if it was not known when it was applied
	Public  bool

	ref []byte // as full forms refer to it: {"id","leaf","version"}
}

func (e *Entry) entry() *Entry { return e }

// LeafText is the leaf hash as full forms carry it, or "".
func (e *Entry) LeafText() string {
	if len(e.Leaf) == 0 {
		return ""
	}
	return base64.StdEncoding.EncodeToString(e.Leaf)
}

// reference is how full forms refer to it; forms with their leaf, so that who
// holds a consent finds the words that were agreed to.
func (e *Entry) reference(leaf bool) []byte {
	b := newBuilder(3)
	b.setString("id", e.ID)
	if text := e.LeafText(); leaf && text != "" {
		b.setString("leaf", text)
	}
	b.set("version", intValue(e.Version))
	return b.event().text
}

// Ref returns its name and version.
func (e *Entry) Ref() Ref { return Ref{e.ID, e.Version} }

// Controller is a controller.registered.
type Controller struct {
	Entry
	Name, Contact, Jurisdiction string
}

// Purpose is a purpose.declared.
type Purpose struct {
	Entry
	Description map[string]string
	LegalBasis  string
	Categories  []string
	Recipients  []string
	Storage     []string
	Channels    []string // nil: any
	Retention   Retention
	Compartment string
	Advertising bool
	Sensitive   bool
	Active      bool
	Validity    Period // zero: until withdrawn
	Law, Rule   string
}

// Notice is a notice.published.
type Notice struct {
	Entry
	Lang, URL, SHA256, Text string
	Material                bool
}

// Form is a form.published.
type Form struct {
	Entry
	Channel     string
	Purposes    []string
	Notice      Ref // Version 0: the newest at the time of the consent
	Statement   map[string]string
	Method      string
	Categories  []string
	DoubleOptIn Period // zero: one step
	Explicit    bool
	LateAfter   time.Duration
	MinAge      int
	Guardian    bool // required below MinAge
	Give, Stop  []string
}

// Recipient is a recipient.registered.
type Recipient struct {
	Entry
	Name, Role, Country string
	Contract            string // sha256:…, "" without
	TransferTool        string
	Active              bool
}

// Preservation is a preservation.ordered.
type Preservation struct {
	Entry
	Ground       string   // reason_iri
	Compartments []string // nil: all
	Case         string
	Review       time.Time
	Active       bool
}

func readPreservation(e Entry) *Preservation {
	x := e.Event
	return &Preservation{e, x.Str("reason_iri"), x.list("compartments"), x.Str("case_ref"), x.timeOf("review_at"), !x.Has("active") || x.flag("active")}
}

func readController(e Entry) *Controller {
	return &Controller{e, e.Event.Str("name"), e.Event.Str("contact"), e.Event.Str("jurisdiction")}
}

func readPurpose(e Entry) *Purpose {
	x := e.Event
	p := &Purpose{
		Entry:       e,
		Description: x.texts("description"),
		LegalBasis:  x.Str("legal_basis"),
		Categories:  x.list("categories"),
		Recipients:  x.list("recipients"),
		Storage:     x.list("storage"),
		Channels:    x.list("channels"),
		Compartment: x.Str("compartment"),
		Advertising: x.flag("advertising"),
		Sensitive:   x.flag("sensitive"),
		Active:      !x.Has("active") || x.flag("active"),
		Law:         x.Str("law"),
		Rule:        x.Str("rule"),
	}
	if v, ok := x.Get("retention"); ok {
		p.Retention, _ = parseRetention(v)
	}
	p.Validity, _ = ParsePeriod(x.Str("validity"))
	if p.Compartment == "" {
		p.Compartment = e.ID
	}
	return p
}

func readNotice(e Entry) *Notice {
	if t := e.Event.timeOf("effective_from"); !t.IsZero() {
		e.Since = t
	}
	x := e.Event
	return &Notice{e, x.Str("lang"), x.Str("url"), x.Str("sha256"), x.Str("text"), x.flag("material")}
}

func readForm(e Entry) *Form {
	x := e.Event
	f := &Form{
		Entry:      e,
		Channel:    x.Str("channel"),
		Purposes:   x.list("purposes"),
		Statement:  x.texts("statement"),
		Method:     x.Str("method"),
		Categories: x.list("categories"),
		Explicit:   x.flag("explicit"),
		LateAfter:  lateAfter,
		Guardian:   x.Has("guardian"),
	}
	f.Notice.ID, f.Notice.Version, _ = splitRef(x.Str("notice"))
	f.DoubleOptIn, _ = ParsePeriod(x.Str("double_opt_in"))
	if p, err := ParsePeriod(x.Str("late_after")); err == nil {
		f.LateAfter = p.After(time.Unix(0, 0)).Sub(time.Unix(0, 0))
	}
	if v, ok := x.Get("min_age"); ok {
		f.MinAge, _ = intOf(v)
	}
	if v, ok := x.Get("keywords"); ok {
		give, _ := field(v, "give")
		stop, _ := field(v, "withdraw")
		f.Give, f.Stop = strs(give), strs(stop)
	}
	return f
}

func readRecipient(e Entry) *Recipient {
	x := e.Event
	return &Recipient{e, x.Str("name"), x.Str("role"), x.Str("country"), x.Str("contract"), x.Str("transfer_tool"),
		!x.Has("active") || x.flag("active")}
}

// lateAfter is how late an event may come without being marked, unless its form says otherwise.
const lateAfter = 72 * time.Hour
