package event

// A name is the name of a member that some type has, as a number. Numbers are in
// canonical order. What is looked for in every event is found by them, without
// comparing texts.
type name uint8

// unnamed stands for a name that no type has.
const unnamed name = 255

// nameOf returns the number of a name.
func nameOf(text string) name {
	if text == "" {
		return unnamed
	}
	for i := shelfOf(text); ; i++ {
		n := numbers[i%uint(len(numbers))]
		if n == unnamed || names[n] == text {
			return n
		}
	}
}

// numbers has each number at the first free place from where its name belongs; most
// are found with one comparison, in a fraction of the time of a map.
var numbers = func() (at [4 * maxNames]name) {
	for i := range at {
		at[i] = unnamed
	}
	for n, text := range names {
		i := shelfOf(text)
		for at[i%uint(len(at))] != unnamed {
			i++
		}
		at[i%uint(len(at))] = name(n)
	}
	return at
}()

// shelfOf says where the number of a name belongs.
func shelfOf(text string) uint {
	return uint(text[0])*5 + uint(text[len(text)/2])*67 + uint(text[len(text)-1])*17 + uint(len(text))*29
}

func (n name) String() string { return names[n] }

// What Fill reads and writes.
var (
	nActor             = nameOf("actor")
	nAdvertising       = nameOf("advertising")
	nAgeCheck          = nameOf("age_check")
	nAgent             = nameOf("agent")
	nAttributes        = nameOf("attributes")
	nBasis             = nameOf("basis")
	nBatch             = nameOf("batch")
	nCaseRef           = nameOf("case_ref")
	nCategories        = nameOf("categories")
	nChains            = nameOf("chains")
	nChannel           = nameOf("channel")
	nCollector         = nameOf("collector")
	nCompartment       = nameOf("compartment")
	nConfirmedBy       = nameOf("confirmed_by")
	nContact           = nameOf("contact")
	nDecisions         = nameOf("decisions")
	nTokenExpires      = nameOf("doi_expires_at")
	nTokenHash         = nameOf("doi_token_sha256")
	nDue               = nameOf("due")
	nEventTime         = nameOf("event_time")
	nEvidence          = nameOf("evidence")
	nFeed              = nameOf("feed")
	nFeedSeq           = nameOf("feed_seq")
	nForm              = nameOf("form")
	nGround            = nameOf("ground")
	nGuardian          = nameOf("guardian")
	nHold              = nameOf("hold")
	nID                = nameOf("id")
	nIdentity          = nameOf("identity")
	nIndicatedBy       = nameOf("indicated_by")
	nIP                = nameOf("ip")
	nLang              = nameOf("lang")
	nLate              = nameOf("late")
	nLateReason        = nameOf("late_reason")
	nLocale            = nameOf("locale")
	nMedium            = nameOf("medium")
	nMessageID         = nameOf("message_id")
	nMethod            = nameOf("method")
	nNotice            = nameOf("notice")
	nNotifiedSubjectAt = nameOf("notified_subject_at")
	nOf                = nameOf("of")
	nOperation         = nameOf("operation")
	nPublic            = nameOf("public")
	nPurpose           = nameOf("purpose")
	nPurposeID         = nameOf("purpose_id")
	nPurposes          = nameOf("purposes")
	nReason            = nameOf("reason")
	nReasonIRI         = nameOf("reason_iri")
	nReasons           = nameOf("reasons")
	nRecipient         = nameOf("recipient")
	nRecipientRef      = nameOf("recipient_ref")
	nRequest           = nameOf("request")
	nRestriction       = nameOf("restriction")
	nRetention         = nameOf("retention")
	nReviewAt          = nameOf("review_at")
	nRight             = nameOf("right")
	nSchema            = nameOf("schema")
	nScope             = nameOf("scope")
	nSource            = nameOf("source")
	nStatus            = nameOf("status")
	nSubject           = nameOf("subject")
	nSupersedes        = nameOf("supersedes")
	nSystem            = nameOf("system")
	nTemplate          = nameOf("template")
	nTest              = nameOf("test")
	nText              = nameOf("text")
	nToken             = nameOf("token")
	nType              = nameOf("type")
	nUserAgent         = nameOf("user_agent")
	nValidUntil        = nameOf("valid_until")
	nVersion           = nameOf("version")
)
