package event

import (
	"strings"
)

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
				{Name: "storage", Short: kCountryList, Full: kCountryList, Must: true, Fixed: true, By: ByWriter, Doc: "where it is stored"},
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
		preservationType(),
		{Name: AuditOpened, Area: AreaRegister, idField: "audit_id", LedgerOnly: true,
			Doc: "Entries of the log, drawn without knowing whose they are, were opened for somebody who supervises the controller; never public.",
			Fields: []Field{
				{Name: "audit_id", Short: kName, Full: kName, Must: true, Fixed: true, By: ByLedger, Doc: "its name"},
				{Name: "reason", Short: kText, Full: kText, Must: true, Fixed: true, By: ByWriter, Doc: "for whom, and why"},
				{Name: "entries", Short: kText, Full: kText, Must: true, Fixed: true, By: ByLedger, Doc: "their indexes"},
			}},
	}
}

// AuditOpened is the type of the event that says that entries were opened under supervision.
const AuditOpened = "audit.opened"

var legalBases = []string{"A6-1-a", "A6-1-b", "A6-1-c", "A6-1-d", "A6-1-e", "A6-1-f"}

// BasisIRI returns the term of the W3C Data Privacy Vocabulary's GDPR extension
// for a legal basis, or "" for none.
func BasisIRI(basis string) string {
	if !strings.HasPrefix(basis, "A6-1-") {
		return ""
	}
	return "https://w3id.org/dpv/legal/eu/gdpr#" + basis
}
