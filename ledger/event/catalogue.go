package event

import (
	"slices"
	"sort"
	"strings"
)

// Source says who supplies a member of the full form.
type Source string

const (
	ByWriter     Source = "writer"
	ByForm       Source = "form"
	ByPurpose    Source = "purpose"
	ByRegister   Source = "register"
	ByCredential Source = "credential"
	ByClock      Source = "clock, or writer"
	ByRequest    Source = "request" // the consent.requested that a token or a contact leads to
	ByLedger     Source = "ledger"
)

// Field is one member of a type of event.
type Field struct {
	Name  string
	Short Kind // what a writer may send; Nothing if it may not
	Full  Kind // what is sealed; Nothing if it never is
	Must  bool // a writer has to send it
	Fixed bool // the full form always has it
	By    Source
	// Values of an Enum or EnumList.
	Values []string
	Doc    string
}

// Area says what a type is about, and with it under whose key it is sealed.
type Area uint8

const (
	AreaRegister   Area = iota // the controller's own declarations: organisation key, or public
	AreaConsent                // proof of consent and of notices: compartment consent-evidence
	AreaProcessing             // what is done with data: the compartment of the purpose
	AreaRights                 // requests and assertions about rights: compartment rights
	AreaLog                    // public statements of the ledger about itself
)

// Compartments that every ledger has beside those that purposes declare.
const (
	ConsentEvidence  = "consent-evidence"
	RightsRecords    = "rights"
	Suppression      = "suppression"
	OrganisationKeys = "register" // internal register events, under the organisation's key
)

// Type is one type of event.
type Type struct {
	Name       string
	Area       Area
	Schema     int // newest version of the fields
	Doc        string
	Fields     []Field // sorted by name
	LedgerOnly bool    // writers may not send it
	Open       bool    // members beyond Fields are not checked
	idField    string  // register types: the member that defines the name
}

// About says whether events of the type are about a person.
func (t *Type) About() bool {
	return t.Area == AreaConsent || t.Area == AreaProcessing || t.Area == AreaRights
}

// Register says whether events of the type change the register.
func (t *Type) Register() bool { return t.Area == AreaRegister }

// Field returns a member of the type.
func (t *Type) Field(name string) (*Field, bool) {
	i := sort.Search(len(t.Fields), func(i int) bool { return compareNames(t.Fields[i].Name, name) >= 0 })
	if i < len(t.Fields) && t.Fields[i].Name == name {
		return &t.Fields[i], true
	}
	return nil, false
}

// Lookup returns the type of that name.
func Lookup(name string) (*Type, bool) {
	t, ok := typesByName[name]
	return t, ok
}

// Types returns every type, in the order of the reference: register, consent,
// processing, rights, log. The caller may not change the slice.
func Types() []*Type { return catalogue }

var (
	catalogue   = buildCatalogue()
	typesByName = func() map[string]*Type {
		m := make(map[string]*Type, len(catalogue))
		for _, t := range catalogue {
			m[t.Name] = t
		}
		return m
	}()
	knownNames = func() map[string]string {
		m := make(map[string]string)
		for _, t := range catalogue {
			for _, f := range t.Fields {
				m[f.Name] = f.Name
			}
		}
		return m
	}()
)

func typeNames() []string {
	names := make([]string, len(catalogue))
	for i, t := range catalogue {
		names[i] = t.Name
	}
	return names
}

// buildCatalogue adds the members that all types of an area share and sorts.
func buildCatalogue() []*Type {
	ts := slices.Concat(registerTypes(), consentTypes(), processingTypes(), rightsTypes(), logTypes())
	for _, t := range ts {
		if t.Schema == 0 {
			t.Schema = 1
		}
		if !t.Open {
			t.Fields = append(t.Fields, envelopeFields...)
		}
		switch {
		case t.Register():
			t.Fields = append(t.Fields, registerFields...)
		case t.About():
			t.Fields = append(t.Fields, subjectFields...)
		}
		slices.SortFunc(t.Fields, func(a, b Field) int { return compareNames(a.Name, b.Name) })
		for i := 1; i < len(t.Fields); i++ {
			if t.Fields[i].Name == t.Fields[i-1].Name {
				panic("event: catalogue: " + t.Name + " has " + t.Fields[i].Name + " twice")
			}
		}
	}
	return ts
}

// envelopeFields are in every event.
var envelopeFields = []Field{
	{Name: "type", Short: kID, Full: kID, Must: true, Fixed: true, By: ByWriter, Doc: "type of the event"},
	{Name: "id", Short: kID, Full: kID, Fixed: true, By: ByWriter, Doc: "makes a retry safe; absent: a UUIDv4 is drawn"},
	{Name: "schema", Short: kNumber, Full: kNumber, Fixed: true, By: ByLedger, Doc: "version of the type's members"},
	{Name: "actor", Short: kActorArg, Full: kActorFull, Fixed: true, By: ByCredential, Doc: "role and service of the credential; actor.id of an employee only if the writer sends it"},
	{Name: "event_time", Short: kTime, Full: kTime, Fixed: true, By: ByClock, Doc: "when it happened, as the writer claims; absent: now"},
	{Name: "supersedes", Short: kID, Full: kID, By: ByWriter, Doc: "id of an event that this one corrects"},
	{Name: "late", Short: kTrue, Full: kTrue, By: ByLedger, Doc: "event_time was more than late_after (72 h unless the form says otherwise) before the recording"},
	{Name: "late_reason", Short: kText, Full: kText, By: ByWriter, Doc: "why it comes late; only beyond late_after"},
	{Name: "test", Short: kTrue, Full: kTrue, By: ByWriter, Doc: "marks a test; absent means no"},
	{Name: "_seq", Full: kNumber, By: ByLedger, Doc: "number of the event in its chain; added when it is sealed"},
	{Name: "_prev", Full: kID, By: ByLedger, Doc: "leaf hash of the event before it in its chain, or null; added when it is sealed"},
	{Name: "_recorded", Full: kTime, By: ByLedger, Doc: "when it was recorded; added when it is sealed"},
}

// registerFields are in every register event.
var registerFields = []Field{
	{Name: "version", Short: kNumber, Full: kNumber, Fixed: true, By: ByRegister, Doc: "1, 2, …; identical content keeps its version and is not recorded again"},
	{Name: "public", Short: kBool, Full: kBool, Fixed: true, By: ByWriter, Doc: "true: a public statement, readable by the world; the member itself is not in the public leaf"},
}

// subjectFields are in every event about a person.
var subjectFields = []Field{
	{Name: "subject", Short: subjectKind, Full: subjectKind, Must: true, Fixed: true, By: ByWriter, Doc: "the controller's own identifier of the person, exact bytes, at most 256"},
	{Name: "evidence", Short: kEvidence, Full: kEvidence, By: ByWriter, Doc: "hashes of scans, recordings, transcripts; the command line makes them from file names"},
	{Name: "message_id", Short: kText, Full: kText, By: ByWriter, Doc: "id of the message at the service that carried it"},
}

// sentences for members that several types share.
func fChannel(must bool, by Source) Field {
	return Field{Name: "channel", Short: kEnum, Full: kEnum, Must: must, By: by, Values: channels, Doc: "through what the person is reached or was met"}
}

func fContact(by Source, doc string) Field {
	return Field{Name: "contact", Short: kContact, Full: kContact, By: by, Doc: doc}
}

func fPurpose(by Source, must bool) Field {
	return Field{Name: "purpose", Short: kName, Full: kName, Must: must, Fixed: true, By: by, Doc: "purpose_id of a declared purpose"}
}

func fForm(must bool) Field {
	return Field{Name: "form", Short: kFormArg, Full: kFormFull, Must: must, By: ByWriter, Doc: "form_id of the form the person used; leaf is the entry that holds its words"}
}

func fNotice(by Source, fixed bool) Field {
	return Field{Name: "notice", Short: kNoticeArg, Full: kNoticeFull, Fixed: fixed, By: by, Doc: "notice_id of the privacy notice and its version at that time"}
}

var circumstances = []Field{
	{Name: "ip", Short: kText, Full: kText, By: ByWriter, Doc: "network address, if it is part of the proof"},
	{Name: "user_agent", Short: kText, Full: kText, By: ByWriter, Doc: "program the person used"},
	{Name: "locale", Short: kLang, Full: kLang, By: ByWriter, Doc: "language the form was shown in"},
}

func withFields(a []Field, more ...Field) []Field { return append(append([]Field(nil), more...), a...) }

func registerTypes() []*Type {
	return []*Type{
		{Name: "controller.registered", Area: AreaRegister, idField: "controller_id",
			Doc: "Who runs this ledger (Art. 13(1)(a)-(b), 30(1)(a)).",
			Fields: []Field{
				{Name: "controller_id", Short: kName, Full: kName, Must: true, Fixed: true, By: ByWriter, Doc: "its name in this ledger"},
				{Name: "name", Short: kText, Full: kText, Must: true, Fixed: true, By: ByWriter, Doc: "legal name"},
				{Name: "contact", Short: kText, Full: kText, Must: true, Fixed: true, By: ByWriter, Doc: "where people turn to; a function, not a person"},
				{Name: "jurisdiction", Short: kCountry, Full: kCountry, Must: true, Fixed: true, By: ByWriter, Doc: "country, or country and state"},
				{Name: "address", Short: kText, Full: kText, By: ByWriter, Doc: "postal address"},
				{Name: "dpo_contact", Short: kText, Full: kText, By: ByWriter, Doc: "data protection officer; never public"},
				{Name: "representative", Short: kText, Full: kText, By: ByWriter, Doc: "Art. 27; never public"},
				{Name: "supervisory_authority", Short: kText, Full: kText, By: ByWriter, Doc: "the authority in charge"},
			}},
		{Name: "purpose.declared", Area: AreaRegister, idField: "purpose_id",
			Doc: "What data is processed for, on which basis, how long (Art. 5(1)(b)-(e), 6, 13, 30(1)(b)-(g)).",
			Fields: []Field{
				{Name: "purpose_id", Short: kName, Full: kName, Must: true, Fixed: true, By: ByWriter, Doc: "its name"},
				{Name: "description", Short: kLangMap, Full: kLangMap, Must: true, Fixed: true, By: ByWriter, Doc: "in words, by language"},
				{Name: "legal_basis", Short: kEnum, Full: kEnum, Must: true, Fixed: true, By: ByWriter, Values: legalBases, Doc: "Art. 6(1)"},
				{Name: "categories", Short: kCategories, Full: kCategories, Must: true, Fixed: true, By: ByWriter, Doc: "the only categories of data that may be used for it; names of DPV's pd where they fit"},
				{Name: "recipients", Short: kNameList, Full: kNameList, By: ByWriter, Doc: "recipient_ids of those who may receive it"},
				{Name: "storage", Short: kCountryList, Full: kCountryList, By: ByWriter, Doc: "where it is stored"},
				{Name: "retention", Short: kRetentionAny, Full: kRetentionFul, Must: true, Fixed: true, By: ByWriter, Doc: "how long, counted from what; a bare period counts from last_event"},
				{Name: "compartment", Short: kName, Full: kName, Fixed: true, By: ByWriter, Doc: "what is erased together; absent: the purpose alone"},
				{Name: "advertising", Short: kBool, Full: kBool, By: ByWriter, Doc: "messages for it are advertising (§ 7 UWG)"},
				{Name: "sensitive", Short: kBool, Full: kBool, By: ByWriter, Doc: "special categories (Art. 9): consent has to be explicit"},
				{Name: "active", Short: kBool, Full: kBool, By: ByWriter, Doc: "false: nothing new for it; absent means yes"},
				{Name: "validity", Short: kDuration, Full: kDuration, By: ByWriter, Doc: "how long a consent for it holds; absent: until withdrawn"},
				{Name: "channels", Short: kEnumList, Full: kEnumList, By: ByWriter, Values: channels, Doc: "the only channels for it; absent: any"},
				{Name: "law", Short: kText, Full: kText, By: ByWriter, Doc: "the statute that asks to keep it: § 147 AO"},
				{Name: "rule", Short: kID, Full: kID, By: ByWriter, Doc: "rule pack: DE-UWG-7-3"},
				{Name: "jurisdiction", Short: kCountry, Full: kCountry, By: ByWriter, Doc: "where it differs from the controller's"},
				{Name: "purpose_iri", Short: kURL, Full: kURL, By: ByWriter, Doc: "term of DPV, for export"},
				{Name: "balancing_test", Short: kHash, Full: kHash, By: ByWriter, Doc: "A6-1-f: the balancing of interests"},
				{Name: "dpia", Short: kHash, Full: kHash, By: ByWriter, Doc: "impact assessment (Art. 35)"},
			}},
		{Name: "notice.published", Area: AreaRegister, idField: "notice_id",
			Doc: "A privacy notice with its text or the hash of it (Art. 12-14).",
			Fields: []Field{
				{Name: "notice_id", Short: kName, Full: kName, Must: true, Fixed: true, By: ByWriter, Doc: "its name"},
				{Name: "lang", Short: kLang, Full: kLang, Must: true, Fixed: true, By: ByWriter, Doc: "its language"},
				{Name: "url", Short: kURL, Full: kURL, By: ByWriter, Doc: "where people read it"},
				{Name: "file", Short: kFileName, By: ByWriter, Doc: "the command line replaces it by sha256, size and text"},
				{Name: "sha256", Short: kHex256, Full: kHex256, Fixed: true, By: ByWriter, Doc: "of the bytes of the notice; made from text if that is given"},
				{Name: "size", Short: kNumber, Full: kNumber, By: ByWriter, Doc: "its bytes"},
				{Name: "text", Short: kLongText, Full: kLongText, By: ByWriter, Doc: "the notice itself, at most 32 KiB"},
				{Name: "media_type", Short: kID, Full: kID, By: ByWriter, Doc: "text/html"},
				{Name: "effective_from", Short: kTime, Full: kTime, By: ByWriter, Doc: "absent: event_time"},
				{Name: "material", Short: kBool, Full: kBool, By: ByWriter, Doc: "true: consents that refer to earlier versions end"},
			}},
		{Name: "form.published", Area: AreaRegister, idField: "form_id",
			Doc: "A collection point: everything that is the same for a thousand consents (Art. 7).",
			Fields: []Field{
				{Name: "form_id", Short: kName, Full: kName, Must: true, Fixed: true, By: ByWriter, Doc: "its name"},
				fChannel(true, ByWriter),
				{Name: "purposes", Short: kNameList, Full: kNameList, Must: true, Fixed: true, By: ByWriter, Doc: "what a person can decide here"},
				{Name: "notice", Short: kRef, Full: kRef, Must: true, Fixed: true, By: ByWriter, Doc: "the notice that is shown; without @ the newest at the time of the consent"},
				{Name: "statement", Short: kLangMap, Full: kLangMap, Must: true, Fixed: true, By: ByWriter, Doc: "the exact words, by language"},
				{Name: "method", Short: kEnum, Full: kEnum, Must: true, Fixed: true, By: ByWriter, Values: []string{"button", "checkbox", "keyword", "signature", "spoken"}, Doc: "the act by which a person says yes"},
				{Name: "prefilled", Short: kBool, Full: kBool, By: ByWriter, Doc: "has to be false; a checkbox has to say so"},
				{Name: "categories", Short: kCategories, Full: kCategories, By: ByWriter, Doc: "what it collects"},
				{Name: "double_opt_in", Short: kDuration, Full: kDuration, By: ByWriter, Doc: "life of the token; absent: no second step"},
				{Name: "explicit", Short: kBool, Full: kBool, By: ByWriter, Doc: "the statement names the special categories (Art. 9(2)(a))"},
				{Name: "keywords", Short: kKeywords, Full: kKeywords, By: ByWriter, Doc: "chat: words that give and withdraw, in lower case"},
				{Name: "late_after", Short: kDuration, Full: kDuration, By: ByWriter, Doc: "events from here may come that late; absent: PT72H"},
				{Name: "min_age", Short: kNumber, Full: kNumber, By: ByWriter, Doc: "Art. 8: 16 in Germany; every consent then says age_check"},
				{Name: "guardian", Short: kEnum, Full: kEnum, By: ByWriter, Values: []string{"required_below"}, Doc: "below min_age a guardian has to decide"},
				{Name: "recording_consent", Short: kText, Full: kText, By: ByWriter, Doc: "phone: how the person agreed to be recorded (§ 201 StGB)"},
				{Name: "picture", Short: kHash, Full: kHash, By: ByWriter, Doc: "screenshot"},
			}},
		{Name: "recipient.registered", Area: AreaRegister, idField: "recipient_id",
			Doc: "Who may receive data; never public (Art. 28, 30(1)(d)-(e), 44-49).",
			Fields: []Field{
				{Name: "recipient_id", Short: kName, Full: kName, Must: true, Fixed: true, By: ByWriter, Doc: "its name"},
				{Name: "name", Short: kText, Full: kText, Must: true, Fixed: true, By: ByWriter, Doc: "legal name"},
				{Name: "role", Short: kEnum, Full: kEnum, Must: true, Fixed: true, By: ByWriter, Values: []string{"authority", "controller", "joint_controller", "processor"}, Doc: "processor: a contract is needed (Art. 28)"},
				{Name: "country", Short: kCountry, Full: kCountry, Must: true, Fixed: true, By: ByWriter, Doc: "where it is"},
				{Name: "contract", Short: kHash, Full: kHash, By: ByWriter, Doc: "hash of the contract; the command line makes it from a file name"},
				{Name: "contact", Short: kText, Full: kText, By: ByWriter, Doc: "whom to tell about an erasure (Art. 19)"},
				{Name: "transfer_tool", Short: kID, Full: kID, By: ByWriter, Doc: "third countries: A45, A46-2-c, …"},
				{Name: "active", Short: kBool, Full: kBool, By: ByWriter, Doc: "false: no further disclosure to it; absent means yes"},
			}},
	}
}

func consentTypes() []*Type {
	return []*Type{
		{Name: "notice.delivered", Area: AreaConsent,
			Doc: "A notice was handed or sent to a person (Art. 13, 14(3)).",
			Fields: []Field{
				fNotice(ByWriter, true), fChannel(false, ByWriter), fContact(ByWriter, "where it was sent"),
				{Name: "medium", Short: kID, Full: kID, By: ByWriter, Doc: "letter, email, leaflet, …"},
				{Name: "lang", Short: kLang, Full: kLang, Fixed: true, By: ByRegister, Doc: "language of the notice"},
				{Name: "status", Short: kEnum, Full: kEnum, By: ByWriter, Values: []string{"bounced", "delivered", "sent"}, Doc: "what is known of its arrival"},
			}},
		{Name: "notice.acknowledged", Area: AreaConsent,
			Doc: "A person has taken note of a notice; data collected offline may be used only then.",
			Fields: []Field{
				fNotice(ByWriter, true), fChannel(false, ByWriter), fContact(ByWriter, "from where"),
				{Name: "method", Short: kEnum, Full: kEnum, By: ByWriter, Values: []string{"button", "checkbox", "keyword", "link", "signature", "spoken"}, Doc: "how"},
			}},
		{Name: "consent.requested", Area: AreaConsent,
			Doc: "A person was asked; with double opt-in, the first of two steps (Art. 7(2)).",
			Fields: withFields(circumstances,
				fForm(true), fPurpose(ByForm, false), fChannel(false, ByForm), fNotice(ByForm, true),
				fContact(ByWriter, "the mailbox, phone or account that will be confirmed"),
				Field{Name: "purposes", Short: kNameList, By: ByWriter, Doc: "some of the form's purposes; one event each is sealed"},
				Field{Name: "doi_token_sha256", Short: kHex256, Full: kHex256, By: ByWriter, Doc: "double opt-in: SHA-256 of the token's text, in hex; a new token for every request"},
				Field{Name: "doi_expires_at", Short: kTime, Full: kTime, By: ByForm, Doc: "event_time and the form's double_opt_in"},
			)},
		{Name: "consent.given", Area: AreaConsent,
			Doc: "A person said yes (Art. 6(1)(a), 7, 8, 9(2)(a)).",
			Fields: withFields(circumstances,
				fForm(false), fPurpose(ByForm, false), fChannel(false, ByForm), fNotice(ByForm, true),
				fContact(ByRequest, "the contact the consent is for; with a token, that of the request"),
				Field{Name: "decisions", Short: kDecisions, By: ByWriter, Doc: "an answer for each purpose; one event each is sealed"},
				Field{Name: "token", Short: tokenKind, By: ByWriter, Doc: "what the link brought; its SHA-256 is compared, the token is dropped"},
				Field{Name: "request", Short: kID, Full: kID, By: ByRequest, Doc: "id of the consent.requested"},
				Field{Name: "confirmed_by", Short: kEnum, Full: kEnum, By: ByRequest, Values: []string{"token"}, Doc: "the second step of double opt-in"},
				Field{Name: "valid_until", Short: kTime, Full: kTime, By: ByPurpose, Doc: "event_time and the validity of the purpose; absent: until withdrawn"},
				Field{Name: "indicated_by", Short: kEnum, Full: kEnum, Fixed: true, By: ByWriter, Values: []string{"guardian", "subject"}, Doc: "absent: the subject"},
				Field{Name: "age_check", Short: ageKind, Full: ageKind, By: ByWriter, Doc: "forms with min_age: below_16 or at_least_16"},
				Field{Name: "guardian", Short: nullableID, Full: nullableID, By: ByWriter, Doc: "who the guardian is, in the controller's own terms; null on forms that know guardians, so that its absence tells no age"},
			)},
		{Name: "consent.refused", Area: AreaConsent,
			Doc: "A person said no (Art. 7(4)).",
			Fields: withFields(circumstances,
				fForm(false), fPurpose(ByForm, false), fChannel(false, ByForm), fNotice(ByForm, false),
				fContact(ByRequest, "the contact that was asked about"),
				Field{Name: "purposes", Short: kNameList, By: ByWriter, Doc: "some of the form's purposes; one event each is sealed"},
				Field{Name: "request", Short: kID, Full: kID, By: ByRequest, Doc: "id of the consent.requested"},
			)},
		{Name: "consent.withdrawn", Area: AreaConsent,
			Doc: "A person said stop. Never refused: in any state, through any channel, by anybody known or unknown (Art. 7(3)).",
			Fields: []Field{
				fForm(false),
				{Name: "purpose", Short: kPurposeRef, Full: kPurposeRef, Fixed: true, By: ByWriter, Doc: `purpose_id, or "*"; absent: "*"`},
				fChannel(false, ByWriter), fContact(ByWriter, "absent: every contact of the channel"),
				{Name: "reason", Short: kText, Full: kText, By: ByWriter, Doc: "never asked for"},
				{Name: "claimed_purpose", Full: kText, By: ByLedger, Doc: "what was named, where no such purpose is declared; the withdrawal then holds for all"},
				{Name: "claimed_contact", Full: kText, By: ByLedger, Doc: "what was named, where it is no contact; the withdrawal then holds for all"},
				{Name: "claimed_channel", Full: kText, By: ByLedger, Doc: "what was named, where there is no such channel; the withdrawal then holds for all"},
				{Name: "claimed_time", Full: kText, By: ByLedger, Doc: "what was claimed, where it lies in the future or is no time"},
			}},
	}
}

func processingTypes() []*Type {
	basis := Field{Name: "basis", Short: kEnum, Full: kEnum, Fixed: true, By: ByPurpose, Values: legalBases, Doc: "legal basis of the purpose"}
	return []*Type{
		{Name: "data.collected", Area: AreaProcessing,
			Doc: "Data came in, from the person or from elsewhere (Art. 13, 14).",
			Fields: []Field{
				fPurpose(ByForm, false), fForm(false), fChannel(false, ByForm), fNotice(ByForm, false),
				fContact(ByWriter, "the contact among it"),
				{Name: "purposes", Short: kNameList, By: ByWriter, Doc: "several purposes; one event each is sealed"},
				{Name: "categories", Short: kCategories, Full: kCategories, Fixed: true, By: ByForm, Doc: "names of what was collected; surplus is refused"},
				{Name: "source", Short: kEnum, Full: kEnum, Fixed: true, By: ByWriter, Values: []string{"subject", "third_party"}, Doc: "absent: the subject"},
				{Name: "collector", Short: kID, Full: kID, By: ByWriter, Doc: "who took it down"},
			}},
		{Name: "processing.performed", Area: AreaProcessing,
			Doc: "Data was used (Art. 5(2), 30).",
			Fields: []Field{
				fPurpose(ByWriter, true), basis,
				{Name: "operation", Short: kID, Full: kID, Must: true, Fixed: true, By: ByWriter, Doc: "what was done"},
				fChannel(false, ByWriter),
				{Name: "categories", Short: kCategories, Full: kCategories, By: ByWriter, Doc: "names of what was used"},
				{Name: "system", Short: kID, Full: kID, By: ByWriter, Doc: "where"},
				{Name: "batch", Short: kID, Full: kID, By: ByWriter, Doc: "a run of many"},
			}},
		{Name: "processing.denied", Area: AreaProcessing, LedgerOnly: true,
			Doc: "Something was asked for and not allowed: attempts are on record too.",
			Fields: []Field{
				fPurpose(ByLedger, true),
				{Name: "operation", Short: kID, Full: kID, Must: true, Fixed: true, By: ByLedger, Doc: "type of the event that was not recorded"},
				{Name: "reasons", Short: kNameList, Full: kNameList, Must: true, Fixed: true, By: ByLedger, Doc: "codes of the answer; the first decided"},
				{Name: "recipient", Short: kName, Full: kName, By: ByLedger, Doc: "who would have received it"},
				fChannel(false, ByLedger),
			}},
		{Name: "data.disclosed", Area: AreaProcessing,
			Doc: "Data was handed to a recipient: names of attributes, never values (Art. 13(1)(e)-(f), 15(1)(c), 19).",
			Fields: []Field{
				fPurpose(ByWriter, true), basis,
				{Name: "recipient", Short: kName, Full: kName, Must: true, Fixed: true, By: ByWriter, Doc: "recipient_id"},
				{Name: "attributes", Short: kCategories, Full: kCategories, Must: true, Fixed: true, By: ByWriter, Doc: "names of what was handed over"},
				{Name: "recipient_ref", Short: kID, Full: kID, By: ByWriter, Doc: "how the recipient knows the person; without it nobody can be told after an erasure whom to erase"},
				{Name: "batch", Short: kID, Full: kID, By: ByWriter, Doc: "a run of many"},
			}},
		{Name: "communication.sent", Area: AreaProcessing,
			Doc: "A message went out (§ 7 UWG, Art. 21(2)).",
			Fields: []Field{
				fPurpose(ByWriter, true), fChannel(true, ByWriter),
				fContact(ByRequest, "where to; absent: the contact of the consent"),
				{Name: "advertising", Short: kBool, Full: kBool, Fixed: true, By: ByPurpose, Doc: "whether it was advertising"},
				{Name: "template", Short: kHash, Full: kHash, By: ByWriter, Doc: "what was sent"},
				{Name: "batch", Short: kID, Full: kID, By: ByWriter, Doc: "a run of many"},
			}},
	}
}

func rightsTypes() []*Type {
	return []*Type{
		{Name: "right.requested", Area: AreaRights,
			Doc: "A person uses a right; starts the clock of one month (Art. 12(3), 15-22).",
			Fields: []Field{
				{Name: "right", Short: kEnum, Full: kEnum, Must: true, Fixed: true, By: ByWriter, Values: []string{"A15", "A16", "A17", "A18", "A20", "A21", "A22", "A7-3"}, Doc: "the article"},
				fChannel(false, ByWriter), fContact(ByWriter, "from where"),
				{Name: "identity", Short: kID, Full: kID, By: ByWriter, Doc: "why we believe it is the person: same_contact_as_consent, login, …"},
				{Name: "scope", Short: kScope, Full: kScope, By: ByWriter, Doc: "absent: everything"},
				{Name: "agent", Short: kID, Full: kID, By: ByWriter, Doc: "who acts for the person"},
				{Name: "due", Short: kTime, Full: kTime, Fixed: true, By: ByClock, Doc: "one month after event_time"},
			}},
		{Name: "chain.asserted", Area: AreaRights, LedgerOnly: true,
			Doc: "The ledger says that a person's chains end here: count and head of each.",
			Fields: []Field{
				{Name: "chains", Short: kChains, Full: kChains, Must: true, Fixed: true, By: ByLedger, Doc: "one entry for every key of the person"},
			}},
	}
}

func logTypes() []*Type {
	common := func(fs ...Field) []Field {
		return append(fs,
			Field{Name: "type", Short: kID, Full: kID, Must: true, Fixed: true, By: ByLedger, Doc: "type of the statement"})
	}
	return []*Type{
		{Name: "erasure.epoch", Area: AreaLog, LedgerOnly: true, Open: true, Fields: common(),
			Doc: "Keys were destroyed; names no one. Its members are described with the erasure state machine."},
		{Name: "log.key", Area: AreaLog, LedgerOnly: true, Open: true,
			Doc: "The log has a signing key, or a new one.",
			Fields: common(
				Field{Name: "key", Short: kText, Full: kText, By: ByLedger, Doc: "verifier key of the C2SP note format"},
			)},
	}
}

var legalBases = []string{"A6-1-a", "A6-1-b", "A6-1-c", "A6-1-d", "A6-1-e", "A6-1-f"}

// BasisIRI returns the term of the W3C Data Privacy Vocabulary's GDPR extension
// for a legal basis, or "" for none.
func BasisIRI(basis string) string {
	if !strings.HasPrefix(basis, "A6-1-") {
		return ""
	}
	return "https://w3id.org/dpv/legal/eu/gdpr#" + basis
}
